/** V2 gRPC messages that travel on as they came: their heads are read, their tensors only where somebody looks. */
import type { InferenceRequest, InferenceResponse, ModelRef } from '../core/inference.ts'
import { isDataType, type Parameters, type Tensor } from '../core/tensor.ts'
import { ProtoReader, wire } from './protobuf-reader.ts'
import { ProtoWriter } from './protobuf-writer.ts'
import { decodeGrpcInferRequest, decodeGrpcInferResponse } from './v2-grpc.ts'
import { readParameter, type MutableParameters } from './v2-grpc-parameters.ts'
import { readTensor, type TensorMessage } from './v2-grpc-tensor.ts'

/** What stands in a message besides the elements of its tensors. */
interface Head {
  name: string
  version: string
  id: string
  parameters: MutableParameters | undefined
  readonly tensors: TensorMessage[]
  /** Names of the outputs that a request lists. */
  readonly outputs: string[]
}

/** Who a message is about: the fields that a hop puts in place of others. */
export interface MessageName {
  readonly model: Required<ModelRef>
  readonly id: string
}

/**
 * A request around a ModelInferRequest. `raw` is a getter of the class: a changed copy made by spread leaves it behind, so
 * that nobody sends on what is no longer asked. Elements are decoded when one looks at the `data` of an input.
 */
class RawRequest implements InferenceRequest {
  readonly id: string
  readonly model: ModelRef
  readonly inputs: readonly Tensor[]
  declare readonly outputs?: readonly string[]
  declare readonly parameters?: Parameters
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array, head: Head, id: string) {
    this.#bytes = bytes
    this.id = head.id || id
    this.model = head.version === '' ? { name: head.name } : { name: head.name, version: head.version }
    this.inputs = lazyTensors(head, () => decodeGrpcInferRequest(bytes).request.inputs)
    if (head.outputs.length > 0) this.outputs = head.outputs
    if (head.parameters !== undefined) this.parameters = head.parameters
  }

  get raw(): Uint8Array {
    return this.#bytes
  }
}

/** The same of a ModelInferResponse. */
class RawResponse implements InferenceResponse {
  readonly id: string
  readonly model: Required<ModelRef>
  readonly outputs: readonly Tensor[]
  declare readonly parameters?: Parameters
  declare readonly headers?: Readonly<Record<string, string>>
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array, head: Head, headers: Readonly<Record<string, string>> | undefined) {
    this.#bytes = bytes
    this.id = head.id
    this.model = { name: head.name, version: head.version }
    this.outputs = lazyTensors(head, () => decodeGrpcInferResponse(bytes).outputs)
    if (head.parameters !== undefined) this.parameters = head.parameters
    if (headers !== undefined) this.headers = headers
  }

  get raw(): Uint8Array {
    return this.#bytes
  }
}

/**
 * A request that keeps its message. Bytes may not be changed from here on.
 *
 * @param id of a request that brings none
 * @throws InferenceError `invalid_argument` where the message is malformed
 */
export function rawGrpcInferRequest(bytes: Uint8Array, id = ''): InferenceRequest {
  const head = readHead(bytes, 'ModelInferRequest')
  // What has a head that makes no sense is told by the one decoder that has the words for it.
  return isPlain(head) ? new RawRequest(bytes, head, id) : decodeGrpcInferRequest(bytes, { id }).request
}

/**
 * A response that keeps its message, with other names in it.
 *
 * @param named who answers, and to which request, as callers of this server know them
 * @throws InferenceError `invalid_argument` where the message is malformed
 */
export function rawGrpcInferResponse(
  bytes: Uint8Array,
  named: MessageName,
  headers?: Readonly<Record<string, string>>,
): InferenceResponse {
  const head = readHead(bytes, 'ModelInferResponse')
  if (!isPlain(head))
    return { ...decodeGrpcInferResponse(bytes), ...named, ...(headers === undefined ? {} : { headers }) }
  const { model, id } = named
  const isNamed = head.name === model.name && head.version === model.version && head.id === id
  const message = isNamed ? bytes : renamed(bytes, named)
  return new RawResponse(message, { ...head, name: model.name, version: model.version, id }, headers)
}

/**
 * A ModelInferRequest or ModelInferResponse with another `model_name`, `model_version` and `id`; everything else is copied as it
 * is.
 *
 * @throws InferenceError `invalid_argument` where the message is malformed
 */
export function renamed(bytes: Uint8Array, { model, id }: MessageName): Uint8Array {
  const reader = new ProtoReader(bytes, 'message')
  const kept: Uint8Array[] = []
  let from = 0
  for (let start = 0; reader.next(); start = reader.offset) {
    const { field } = reader
    reader.skip()
    if (field > 3) continue
    if (start > from) kept.push(bytes.subarray(from, start))
    from = reader.offset
  }
  if (from < bytes.byteLength) kept.push(bytes.subarray(from))
  const writer = new ProtoWriter(16 + 3 * (model.name.length + model.version.length + id.length))
  writer.optionalString(3, id)
  writer.optionalString(2, model.version)
  writer.optionalString(1, model.name)
  return Buffer.concat([writer.finish(), ...kept])
}

function readHead(bytes: Uint8Array, message: 'ModelInferRequest' | 'ModelInferResponse'): Head {
  const reader = new ProtoReader(bytes, message)
  const head: Head = { name: '', version: '', id: '', parameters: undefined, tensors: [], outputs: [] }
  while (reader.next()) {
    const { field } = reader
    if (field > 6 || reader.wireType !== wire.bytes) reader.skip()
    else if (field === 1) head.name = reader.string()
    else if (field === 2) head.version = reader.string()
    else if (field === 3) head.id = reader.string()
    else if (field === 4) readParameter(reader, (head.parameters ??= {}))
    else if (field === 5) head.tensors.push(readTensor(reader))
    else if (message === 'ModelInferRequest') head.outputs.push(readName(reader))
    else reader.skip()
  }
  return head
}

/** The first field of an InferRequestedOutputTensor. */
function readName(reader: ProtoReader): string {
  reader.countEntry()
  let name = ''
  const outer = reader.enter()
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === wire.bytes) name = reader.string()
    else reader.skip()
  }
  reader.leave(outer)
  return name
}

function isPlain({ name, tensors }: Head): boolean {
  return name !== '' && tensors.every(({ datatype }) => isDataType(datatype))
}

/** @param decode called once, when somebody looks at elements */
function lazyTensors({ tensors }: Head, decode: () => readonly Tensor[]): readonly Tensor[] {
  let decoded: readonly Tensor[] | undefined
  return tensors.map(({ name, datatype, shape, parameters }, index) => {
    const lazy = {
      name,
      datatype,
      shape,
      ...(parameters === undefined ? {} : { parameters }),
      get data() {
        return (decoded ??= decode())[index]?.data
      },
    }
    return lazy as Tensor // the decoder gives as many tensors as there are heads, with these very datatypes
  })
}
