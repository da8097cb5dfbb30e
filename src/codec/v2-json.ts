/** Requests and responses of the V2 protocol (Open Inference Protocol) as JSON, with or without binary tensors behind. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse, ModelRef } from '../core/inference.ts'
import type { Parameters, Tensor } from '../core/tensor.ts'
import { JsonReader } from './json-reader.ts'
import { ascii } from './json-string.ts'
import { JsonWriter } from './json-writer.ts'
import { assemble, splitBody } from './v2-binary.ts'
import type { EncodedBody } from './v2-binary.ts'
import type { Role } from './v2-fields.ts'
import { openAnswer, openWithId } from './v2-head.ts'
import { readOutputs, wantedClasses } from './v2-outputs.ts'
import type { OutputEncoding, RequestedOutput } from './v2-outputs.ts'
import { checkReservedParameters } from './reserved-parameters.ts'
import { parametersOf, readParameters, takeBoolean, writeParameters } from './v2-parameters.ts'
import type { ParameterMap } from './v2-parameters.ts'
import { finishTensor, readTensorEntry, writeTensor } from './v2-tensor.ts'
import type { TensorEntry } from './v2-tensor.ts'

/** A V2 request, and how its answer shall be encoded. */
export interface V2Call {
  readonly request: InferenceRequest
  readonly outputs: OutputEncoding
}

/**
 * Reads the body of `POST /v2/models/M/infer`. Tensors may be views on it.
 *
 * @param headerLength `Inference-Header-Content-Length`; undefined where the header is absent
 * @throws InferenceError `invalid_argument` naming field and tensor; `unimplemented` for shared memory
 */
export function decodeV2Request(body: Uint8Array, headerLength: number | undefined, model: ModelRef): V2Call {
  const { json, tail } = splitBody(body, headerLength, model.name)
  const reader = new JsonReader(json)
  let id: string | undefined
  let parameters: ParameterMap | undefined
  let entries: TensorEntry[] | undefined
  let listed: ReadonlyMap<string, RequestedOutput> | undefined
  if (reader.peek() !== ascii.openBrace) throw invalid('the body must be a JSON object')
  for (let open = reader.openObject(); open; open = reader.nextMember()) {
    switch (reader.key()) {
      case 'id':
        id = readId(reader)
        break
      case 'parameters':
        parameters = readParameters(reader)
        break
      case 'inputs':
        entries = readEntries(reader, 'input')
        break
      case 'outputs':
        listed = readOutputs(reader)
        break
      default:
        reader.skipValue()
    }
  }
  reader.end()
  if (entries === undefined) throw invalid(`'inputs' is missing: an array of tensors`)
  if (entries.length === 0) throw invalid(`'inputs' is empty: at least one tensor is needed`)
  const inputs = entries.map((entry) => finishTensor(entry, 'input', tail))
  tail.end('input')
  const isBinary = takeBoolean(parameters, 'binary_data_output') ?? false
  if (parameters !== undefined) checkReservedParameters(parameters)
  const request: Writable<InferenceRequest> = { model, inputs }
  if (id !== undefined) request.id = id
  if (listed !== undefined) request.outputs = [...listed.keys()]
  const classes = wantedClasses(listed)
  if (classes !== undefined) request.classes = classes
  const rest = parametersOf(parameters)
  if (rest !== undefined) request.parameters = rest
  return { request, outputs: listed === undefined ? { isBinary } : { isBinary, listed } }
}

/**
 * Writes the body of an answer. Outputs that travel raw are not copied.
 *
 * @param outputs as the request asked
 * @throws InferenceError `invalid_argument` where an output cannot be written as JSON: FP16, BF16, bytes that are not UTF-8
 */
export function encodeV2Response(response: InferenceResponse, outputs: OutputEncoding): EncodedBody {
  const writer = new JsonWriter()
  openAnswer(writer, response)
  writeParameters(writer, response.parameters)
  writer.raw(',"outputs":[')
  const raw = writeTensors(
    writer,
    response.outputs,
    'output',
    (name) => outputs.listed?.get(name)?.isBinary ?? outputs.isBinary,
  )
  writer.raw(']}')
  return assemble(writer, raw)
}

/**
 * Writes the body of a request, for a client or a proxy. All requested outputs are asked for in the same form.
 *
 * @throws InferenceError `invalid_argument` where `binary` is false and an input cannot be written as JSON
 */
export function encodeV2Request(request: InferenceRequest, { binary }: { readonly binary: boolean }): EncodedBody {
  const writer = new JsonWriter()
  openWithId(writer, request)
  writer.raw('"inputs":[')
  const raw = writeTensors(writer, request.inputs, 'input', () => binary)
  writer.raw(']')
  const isListed = request.outputs !== undefined
  const parameters: Parameters = { ...request.parameters, ...(binary && !isListed ? { binary_data_output: true } : {}) }
  if (Object.keys(parameters).length > 0) writeParameters(writer, parameters)
  if (request.outputs !== undefined) {
    writer.raw(',"outputs":[')
    request.outputs.forEach((name, index) => {
      writer.raw(index > 0 ? ',{"name":' : '{"name":')
      writer.string(name)
      if (binary) writeParameters(writer, { binary_data: true })
      writer.raw('}')
    })
    writer.raw(']')
  }
  writer.raw('}')
  return assemble(writer, raw)
}

/**
 * Reads the body of an answer, for a client or a proxy.
 *
 * @param headerLength `Inference-Header-Content-Length`; undefined where the header is absent
 * @returns the response; an absent version is ''
 * @throws InferenceError `invalid_argument` naming field and tensor
 */
export function decodeV2Response(body: Uint8Array, headerLength?: number): InferenceResponse {
  const { json, tail } = splitBody(body, headerLength, '')
  const reader = new JsonReader(json)
  let id: string | undefined
  let name = ''
  let version = ''
  let parameters: ParameterMap | undefined
  let entries: TensorEntry[] | undefined
  if (reader.peek() !== ascii.openBrace) throw invalid('the body must be a JSON object')
  for (let open = reader.openObject(); open; open = reader.nextMember()) {
    switch (reader.key()) {
      case 'id':
        id = readId(reader)
        break
      case 'model_name':
        name = readText(reader, 'model_name')
        break
      case 'model_version':
        version = readText(reader, 'model_version')
        break
      case 'parameters':
        parameters = readParameters(reader, true)
        break
      case 'outputs':
        entries = readEntries(reader, 'output')
        break
      default:
        reader.skipValue()
    }
  }
  reader.end()
  if (entries === undefined) throw invalid(`'outputs' is missing: an array of tensors`)
  const outputs = entries.map((entry) => finishTensor(entry, 'output', tail))
  tail.end('output')
  const response: Writable<InferenceResponse> = { model: { name, version }, outputs }
  if (id !== undefined) response.id = id
  const rest = parametersOf(parameters)
  if (rest !== undefined) response.parameters = rest
  return response
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** An empty id is none. */
function readId(reader: JsonReader): string | undefined {
  return readText(reader, 'id') || undefined
}

/** A string; '' for null, which some servers send for absent. */
function readText(reader: JsonReader, field: string): string {
  if (reader.isNull()) return ''
  if (reader.peek() !== ascii.quote) throw invalid(`'${field}' must be a string, got ${reader.excerpt()}`)
  return reader.string()
}

function readEntries(reader: JsonReader, role: Role): TensorEntry[] {
  if (reader.peek() !== ascii.openBracket)
    throw invalid(`'${role}s' must be an array of tensors, got ${reader.excerpt()}`)
  const entries: TensorEntry[] = []
  for (let open = reader.openArray(); open; open = reader.nextElement()) {
    entries.push(readTensorEntry(reader, role, entries.length))
  }
  return entries
}

/** @returns the tensors that travel raw */
function writeTensors(
  writer: JsonWriter,
  tensors: readonly Tensor[],
  role: Role,
  isBinary: (name: string) => boolean,
): Tensor[] {
  const raw: Tensor[] = []
  let isFirst = true
  for (const tensor of tensors) {
    if (!isFirst) writer.raw(',')
    isFirst = false
    const isRaw = isBinary(tensor.name)
    writeTensor(writer, tensor, role, isRaw)
    if (isRaw) raw.push(tensor)
  }
  return raw
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
