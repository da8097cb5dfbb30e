/** `InferInputTensor` and `InferOutputTensor` of the gRPC V2 messages, whose fields have the same numbers. */
import { InferenceError } from '../core/errors.ts'
import { allocate, byteLength, bytesOf, dataTypes, decodeByteStrings, elementBytes } from '../core/tensor.ts'
import { elementsOf, encodeByteStrings, isDataType, tensor } from '../core/tensor.ts'
import type { DataType, Tensor, TensorData } from '../core/tensor.ts'
import { wire, type ProtoReader } from './protobuf-reader.ts'
import type { ProtoWriter } from './protobuf-writer.ts'
import { byteSizeMismatch, decodeContents, readContents, writeContents } from './v2-grpc-contents.ts'
import type { Contents, TensorLabel } from './v2-grpc-contents.ts'
import { readParameter, refuseSharedMemory, writeParameters, type MutableParameters } from './v2-grpc-parameters.ts'

/** No framework computes on more dimensions. */
const maxRank = 64

/** A tensor's message as it came; its elements wait until the raw contents are known. */
export interface TensorMessage {
  name: string
  datatype: string
  readonly shape: number[]
  parameters: MutableParameters | undefined
  contents: Contents | undefined
}

/** One raw entry as it came. */
export interface Raw {
  readonly bytes: Uint8Array
  /** Bytes right before it that nobody reads any more. */
  readonly spare: number
}

/** Reads the tensor that comes next. @throws InferenceError `invalid_argument` where it is malformed or its shape is */
export function readTensor(reader: ProtoReader): TensorMessage {
  reader.expect(wire.bytes)
  reader.countEntry()
  const message: TensorMessage = { name: '', datatype: '', shape: [], parameters: undefined, contents: undefined }
  const outer = reader.enter()
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        reader.expect(wire.bytes)
        message.name = reader.string()
        break
      case 2:
        reader.expect(wire.bytes)
        message.datatype = reader.string()
        break
      case 3:
        readShape(reader, message)
        break
      case 4:
        readParameter(reader, (message.parameters ??= {}))
        break
      case 5:
        readContents(reader, (message.contents ??= { field: 0, runs: [] }))
        break
      default:
        reader.skip()
    }
  }
  reader.leave(outer)
  return message
}

function readShape(reader: ProtoReader, message: TensorMessage): void {
  if (reader.wireType === wire.varint) {
    pushDimension(reader, message)
    return
  }
  reader.expect(wire.bytes)
  const end = reader.length() + reader.offset
  while (reader.offset < end) pushDimension(reader, message)
  if (reader.offset !== end) throw reader.cutOff()
}

function pushDimension(reader: ProtoReader, { name, shape }: TensorMessage): void {
  const dimension = reader.safeInt64()
  if (dimension === undefined || dimension < 0) {
    const what = dimension === undefined ? 'beyond 2^53 - 1' : String(dimension)
    throw invalid(`input '${name}': dimension ${shape.length} of the shape is ${what}, it must be 0 to 2^53 - 1`)
  }
  if (shape.length === maxRank) throw invalid(`input '${name}': the shape has more than ${maxRank} dimensions`)
  shape.push(dimension)
}

/**
 * Joins tensors with their elements.
 *
 * @param raws `raw_input_contents` or `raw_output_contents`, one for each tensor or none at all
 * @param kind `input` or `output`
 * @throws InferenceError `invalid_argument` where a tensor has no data, two kinds of data or too little; `unimplemented` where
 *   it lies in shared memory
 */
export function joinTensors(
  messages: readonly TensorMessage[],
  raws: readonly Raw[],
  kind: 'input' | 'output',
  model: string,
): Tensor[] {
  if (raws.length > messages.length) throw rawCountMismatch(messages, raws, kind, model)
  const tensors: Tensor[] = []
  for (let index = 0; index < messages.length; index += 1) {
    const message = messages[index]
    if (message === undefined) continue
    const label = { name: `${kind} '${message.name}'`, model }
    const datatype = datatypeOf(message, label)
    const data = dataOf(message, datatype, raws.length === 0 ? undefined : raws[index], raws.length > 0, label)
    if (data === undefined) {
      refuseSharedMemory(message.parameters)
      const counts = raws.length === 0 ? '' : ` ${rawCountMismatch(messages, raws, kind, model).message}`
      throw invalid(
        `unable to find data for ${kind} tensor '${message.name}' for model '${model}' in request.${counts}`,
      )
    }
    const { name, shape, parameters } = message
    const joined = tensor(name, datatype, shape, data)
    tensors.push(parameters === undefined ? joined : { ...joined, parameters })
  }
  return tensors
}

function dataOf(
  { contents, shape }: TensorMessage,
  datatype: DataType,
  raw: Raw | undefined,
  isRaw: boolean,
  label: TensorLabel,
): TensorData[DataType] | undefined {
  const count = countOf(shape, label)
  if (contents !== undefined && contents.field !== 0) {
    if (!isRaw) return decodeContents(contents, datatype, count, label)
    throw invalid(
      `contents field must not be specified when using raw_input_contents for ${label.name} for model '${label.model}'`,
    )
  }
  if (raw !== undefined) return decodeRaw(raw, datatype, count, label)
  if (count > 0 || isRaw) return undefined
  return datatype === 'BYTES' ? [] : allocate(datatype, 0)
}

function decodeRaw({ bytes, spare }: Raw, datatype: DataType, count: number, label: TensorLabel): TensorData[DataType] {
  if (datatype === 'BYTES') return decodeByteStrings(bytes, count, `inference ${label.name}`)
  const expected = count * elementBytes(datatype)
  if (bytes.byteLength !== expected) throw byteSizeMismatch(label, expected, bytes.byteLength)
  return elementsOf(datatype, bytes, spare)
}

function datatypeOf({ datatype }: TensorMessage, { name, model }: TensorLabel): DataType {
  if (isDataType(datatype)) return datatype
  throw invalid(`${name} for model '${model}': unknown datatype '${datatype}', expected one of ${dataTypes.join(', ')}`)
}

function countOf(shape: readonly number[], label: TensorLabel): number {
  let count = 1
  for (const dimension of shape) {
    if (dimension === 0) return 0
    count *= dimension
  }
  if (Number.isSafeInteger(count)) return count
  throw invalid(
    `${label.name} for model '${label.model}': shape [${shape.join(',')}] causes total element count to exceed ` +
      `maximum size of ${Number.MAX_SAFE_INTEGER}`,
  )
}

function rawCountMismatch(
  messages: readonly unknown[],
  raws: readonly unknown[],
  kind: string,
  model: string,
): InferenceError {
  return invalid(
    `the number of ${kind}s (${messages.length}) does not match the expected number of raw ${kind} contents ` +
      `(${raws.length}) for model '${model}'.`,
  )
}

/** Writes the message of one tensor as field `field`, its elements in it where `isTyped`. */
export function writeTensor(writer: ProtoWriter, field: number, source: Tensor, isTyped: boolean): void {
  const message = writer.length
  if (isTyped) writeContents(writer, 5, source)
  if (source.parameters !== undefined) writeParameters(writer, 4, source.parameters)
  if (source.shape.length > 0) {
    const shape = writer.length
    for (let axis = source.shape.length - 1; axis >= 0; axis -= 1) writer.integer(source.shape[axis] ?? 0)
    writer.embed(3, shape)
  }
  writer.string(2, source.datatype)
  writer.string(1, source.name)
  writer.embed(field, message)
}

/** Writes a tensor's elements as one raw entry of field `field`. */
export function writeRaw(writer: ProtoWriter, field: number, { datatype, data }: Tensor): void {
  writer.bytes(field, datatype === 'BYTES' ? encodeByteStrings(data) : bytesOf(data))
}

/** Bytes that the tensors take in a message, roughly: what a writer begins with. */
export function roughSize(tensors: readonly Tensor[]): number {
  let size = 128
  for (const source of tensors) size += 64 + byteLength(source)
  return size
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
