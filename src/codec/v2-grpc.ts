/** The gRPC V2 wire: ModelInferRequest and ModelInferResponse, both ways, without a protobuf library. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse, ModelRef } from '../core/inference.ts'
import type { Parameters, Tensor } from '../core/tensor.ts'
import { ProtoReader, wire } from './protobuf-reader.ts'
import { ProtoWriter } from './protobuf-writer.ts'
import { hasContents } from './v2-grpc-contents.ts'
import { readParameter, refuseSharedMemory, writeParameters, type MutableParameters } from './v2-grpc-parameters.ts'
import { joinTensors, readTensor, roughSize, writeRaw, writeTensor } from './v2-grpc-tensor.ts'
import type { Raw, TensorMessage } from './v2-grpc-tensor.ts'

/** A ModelInferRequest, and what it says about its answer. */
export interface GrpcCall {
  readonly request: InferenceRequest
  /**
   * The caller asked for typed contents: `binary_data_output` false, or `binary_data` false on every output it lists.
   * Everybody else gets raw contents, as from Triton.
   */
  readonly wantsTyped: boolean
  /** The caller of a stream asked for an empty last response (`triton_enable_empty_final_response`). */
  readonly wantsFinalResponse: boolean
  /** Parameters of the outputs listed, by name, where there are any. */
  readonly outputParameters: ReadonlyMap<string, Parameters>
}

/** `raw_input_contents`, after all fields that tell of a request in what every library writes. */
const rawContents = 7

const noOutputs: ReadonlySet<string> = new Set()
const noParameters: ReadonlyMap<string, Parameters> = new Map()

interface Message {
  modelName: string
  modelVersion: string
  id: string
  parameters: MutableParameters | undefined
  readonly tensors: TensorMessage[]
  readonly raws: Raw[]
}

export interface DecodeOptions {
  /**
   * The message is given up: raw contents that are not aligned may be moved down over their own length. Of such a message
   * nothing but {@link peekGrpcInferRequest} is right afterwards.
   */
  readonly isOwned?: boolean
  /** Of a request that brings none: callers match answers by it, and logs name it. */
  readonly id?: string
  /** The model that is meant, whatever the message names. */
  readonly model?: string
}

/**
 * Decodes a ModelInferRequest. Raw contents become views on `bytes` where their offset is aligned or it may be moved, else
 * copies. Integer parameters beyond ±(2^53 - 1) are refused: a number would not hold them.
 *
 * @throws InferenceError `invalid_argument`, in Triton's words where it has any; `unimplemented` for shared memory
 */
export function decodeGrpcInferRequest(
  bytes: Uint8Array,
  { isOwned = false, id = '', model }: DecodeOptions = {},
): GrpcCall {
  const reader = new ProtoReader(bytes, 'ModelInferRequest')
  const message = emptyMessage()
  let outputs: Set<string> | undefined
  let outputParameters: Map<string, Parameters> | undefined
  while (reader.next()) {
    const { field } = reader
    if (field === 6) {
      const output = readRequestedOutput(reader)
      refuseSharedMemory(output.parameters)
      outputs ??= new Set()
      if (outputs.has(output.name)) throw invalid(`output '${output.name}' already exists in request`)
      outputs.add(output.name)
      if (output.parameters !== undefined) (outputParameters ??= new Map()).set(output.name, output.parameters)
    } else if (field === rawContents) {
      readRaw(reader, message, isOwned)
    } else {
      readShared(reader, message)
    }
  }
  if (model !== undefined) message.modelName = model
  if (message.modelName === '') throw invalid('model_name is empty: it must name a model')
  if (message.id === '') message.id = id
  return callOf(message, outputs ?? noOutputs, outputParameters ?? noParameters)
}

/**
 * What stands before the raw contents of a request, even one that cannot be decoded: for the error that answers it. Never
 * throws.
 */
export function peekGrpcInferRequest(bytes: Uint8Array): { readonly id: string; readonly model: Required<ModelRef> } {
  const reader = new ProtoReader(bytes, 'ModelInferRequest')
  let [name, version, id] = ['', '', '']
  try {
    while (reader.next() && reader.field !== rawContents) {
      if (reader.wireType !== wire.bytes) reader.skip()
      else if (reader.field === 1) name = reader.string()
      else if (reader.field === 2) version = reader.string()
      else if (reader.field === 3) id = reader.string()
      else reader.skip()
    }
  } catch {
    // What was read before the message went wrong is all that there is to know.
  }
  return { id, model: { name, version } }
}

/** For objects that are built field by field: conditional spreads cost more than all the rest of decoding. */
type Mutable<T> = { -readonly [K in keyof T]: T[K] }

function callOf(
  message: Message,
  outputs: ReadonlySet<string>,
  outputParameters: ReadonlyMap<string, Parameters>,
): GrpcCall {
  const { modelName, modelVersion, id, parameters } = message
  const wantsFinalResponse = parameters?.['triton_enable_empty_final_response'] === true
  if (wantsFinalResponse) delete parameters['triton_enable_empty_final_response'] // for the door, not the model
  const request: Mutable<InferenceRequest> = {
    model: modelVersion === '' ? { name: modelName } : { name: modelName, version: modelVersion },
    inputs: joinTensors(message.tensors, message.raws, 'input', modelName),
  }
  if (id !== '') request.id = id
  if (outputs.size > 0) request.outputs = [...outputs]
  if (parameters !== undefined) request.parameters = parameters
  const wantsTyped =
    parameters?.['binary_data_output'] === false ||
    (outputParameters.size > 0 && [...outputs].every((name) => outputParameters.get(name)?.['binary_data'] === false))
  return { request, wantsTyped, wantsFinalResponse, outputParameters }
}

/**
 * Encodes a ModelInferRequest, its inputs raw.
 */
export function encodeGrpcInferRequest(request: InferenceRequest): Uint8Array {
  const writer = new ProtoWriter(roughSize(request.inputs))
  writeTensors(writer, request.inputs, { rawField: rawContents, outputs: request.outputs ?? [], isTyped: false })
  writeHead(writer, request.model.name, request.model.version, request)
  return writer.finish()
}

/** Decodes a ModelInferResponse, raw or typed. @throws InferenceError `invalid_argument` where it is malformed */
export function decodeGrpcInferResponse(bytes: Uint8Array): InferenceResponse {
  const reader = new ProtoReader(bytes, 'ModelInferResponse')
  const message = emptyMessage()
  while (reader.next()) {
    if (reader.field === 6) readRaw(reader, message, false)
    else readShared(reader, message)
  }
  const { modelName, modelVersion, id, parameters } = message
  const response: Mutable<InferenceResponse> = {
    model: { name: modelName, version: modelVersion },
    outputs: joinTensors(message.tensors, message.raws, 'output', modelName),
  }
  if (id !== '') response.id = id
  if (parameters !== undefined) response.parameters = parameters
  return response
}

export interface EncodeOptions {
  /** Elements in typed contents; still raw where an output has a datatype without a typed field. */
  readonly isTyped?: boolean
  /** Parameters beside those of the response. */
  readonly added?: Parameters
}

/** Encodes a ModelInferResponse: one raw entry for each output, in their order, or typed contents. */
export function encodeGrpcInferResponse(response: InferenceResponse, options: EncodeOptions = {}): Uint8Array {
  if (response.raw !== undefined && options.added === undefined) return response.raw
  const writer = new ProtoWriter(roughSize(response.outputs))
  writeResponse(writer, response, options)
  return writer.finish()
}

/**
 * Encodes a ModelStreamInferResponse.
 *
 * @param errorMessage '' where the request worked, else `response` holds its id and no outputs
 */
export function encodeGrpcStreamResponse(
  response: InferenceResponse,
  errorMessage = '',
  options: EncodeOptions = {},
): Uint8Array {
  const size = response.raw === undefined ? roughSize(response.outputs) : response.raw.byteLength + 128
  const writer = new ProtoWriter(size + errorMessage.length)
  writeResponse(writer, response, options)
  writer.embed(2, 0)
  writer.optionalString(1, errorMessage)
  return writer.finish()
}

function writeResponse(writer: ProtoWriter, response: InferenceResponse, options: EncodeOptions): void {
  if (options.added !== undefined) writeParameters(writer, 4, options.added)
  if (response.raw !== undefined) {
    writer.raw(response.raw) // of an entry that comes twice, the last counts
    return
  }
  const isTyped = options.isTyped === true && response.outputs.every(({ datatype }) => hasContents(datatype))
  writeTensors(writer, response.outputs, { rawField: 6, outputs: [], isTyped })
  writeHead(writer, response.model.name, response.model.version, response)
}

interface TensorFields {
  readonly rawField: number
  readonly outputs: readonly string[]
  readonly isTyped: boolean
}

function writeTensors(writer: ProtoWriter, tensors: readonly Tensor[], fields: TensorFields): void {
  if (!fields.isTyped) {
    for (let index = tensors.length - 1; index >= 0; index -= 1) {
      const source = tensors[index]
      if (source !== undefined) writeRaw(writer, fields.rawField, source)
    }
  }
  for (let index = fields.outputs.length - 1; index >= 0; index -= 1) {
    const output = writer.length
    writer.optionalString(1, fields.outputs[index])
    writer.embed(6, output)
  }
  for (let index = tensors.length - 1; index >= 0; index -= 1) {
    const source = tensors[index]
    if (source !== undefined) writeTensor(writer, 5, source, fields.isTyped)
  }
}

function writeHead(
  writer: ProtoWriter,
  name: string,
  version: string | undefined,
  { id, parameters }: { readonly id?: string; readonly parameters?: Parameters },
): void {
  if (parameters !== undefined) writeParameters(writer, 4, parameters)
  writer.optionalString(3, id)
  writer.optionalString(2, version)
  writer.optionalString(1, name)
}

function emptyMessage(): Message {
  return { modelName: '', modelVersion: '', id: '', parameters: undefined, tensors: [], raws: [] }
}

/** The fields that both messages have, under the same numbers. */
function readShared(reader: ProtoReader, message: Message): void {
  if (reader.field > 5) {
    reader.skip()
    return
  }
  reader.expect(wire.bytes)
  switch (reader.field) {
    case 1:
      message.modelName = reader.string()
      return
    case 2:
      message.modelVersion = reader.string()
      return
    case 3:
      message.id = reader.string()
      return
    case 4:
      readParameter(reader, (message.parameters ??= {}))
      return
    default:
      message.tensors.push(readTensor(reader))
  }
}

function readRaw(reader: ProtoReader, { raws }: Message, isOwned: boolean): void {
  reader.expect(wire.bytes)
  reader.countEntry()
  const lengthAt = reader.offset
  const bytes = reader.bytes()
  raws.push({ bytes, spare: isOwned ? reader.offset - bytes.byteLength - lengthAt : 0 })
}

function readRequestedOutput(reader: ProtoReader): { name: string; parameters: MutableParameters | undefined } {
  reader.expect(wire.bytes)
  reader.countEntry()
  let name = ''
  let parameters: MutableParameters | undefined
  const outer = reader.enter()
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === wire.bytes) name = reader.string()
    else if (reader.field === 2) readParameter(reader, (parameters ??= {}))
    else reader.skip()
  }
  reader.leave(outer)
  return { name, parameters }
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
