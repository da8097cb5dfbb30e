/** `TensorProto`, both ways: elements in `tensor_content` or in the `*_val` field of their datatype. */
import { InferenceError } from '../../core/errors.ts'
import { bytesOf, elementBytes, elementCount, elementsOf, tensor } from '../../core/tensor.ts'
import type { DataType, Tensor, TensorData } from '../../core/tensor.ts'
import { ProtoReader, wire } from '../protobuf-reader.ts'
import type { ProtoWriter } from '../protobuf-writer.ts'
import { readShape, writeShape } from './shape.ts'
import { datatypeOf, dtypeOf } from './types.ts'
import { decodeValues, isValueField, isVarint, readValues, writeValues } from './values.ts'
import type { TensorBudget, Values } from './values.ts'

/**
 * Integers and half floats are written typed up to this many elements, as TF Serving does, and as `tensor_content`
 * beyond: a varint each would cost more than all the rest of a large answer.
 */
const typedUpTo = 65_536

/**
 * Reads the tensor that comes next.
 *
 * @param label whose it is, for error messages: `input 'x'`
 * @param budget shared by all tensors of one message
 * @throws InferenceError `invalid_argument` where the message is malformed, its datatype is none of ours, or its elements
 *   do not fit its shape
 */
export function readTensor(reader: ProtoReader, name: string, label: string, budget: TensorBudget): Tensor {
  let dtype = 0
  const shape: number[] = []
  let content: Uint8Array | undefined
  const values: Values = new Map()
  reader.expect(wire.bytes)
  const outer = reader.enter()
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === wire.varint) dtype = reader.uint32()
    else if (reader.field === 2) readShape(reader, shape, label)
    else if (reader.field === 4) {
      reader.expect(wire.bytes)
      content = reader.bytes()
    } else if (isValueField(reader.field)) readValues(reader, values, budget)
    else reader.skip()
  }
  reader.leave(outer)
  const datatype = datatypeOf(dtype, label)
  const count = countOf(shape, label)
  const hasContent = content !== undefined && content.byteLength > 0
  const data = hasContent
    ? decodeContent(content ?? new Uint8Array(0), datatype, count, label)
    : decodeValues(values, datatype, count, label, budget)
  return tensor(name, datatype, shape, data)
}

function countOf(shape: readonly number[], label: string): number {
  const count = shape.includes(0) ? 0 : elementCount(shape)
  if (Number.isSafeInteger(count)) return count
  throw invalid(`${label}: tensor_shape [${shape.join(',')}] holds more than 2^53 - 1 elements`)
}

function decodeContent(content: Uint8Array, datatype: DataType, count: number, label: string): TensorData[DataType] {
  if (datatype === 'BYTES') return decodeStrings(content, count, label)
  const expected = count * elementBytes(datatype)
  if (content.byteLength === expected) return elementsOf(datatype, content)
  throw invalid(`${label}: tensor_content has ${content.byteLength} bytes, tensor_shape and dtype ask for ${expected}`)
}

/** Strings as TensorFlow packs them into `tensor_content`: all lengths as varints, then all bytes. */
function decodeStrings(content: Uint8Array, count: number, label: string): Uint8Array[] {
  const failure = (): InferenceError => invalid(`${label}: tensor_content does not hold ${count} strings`)
  if (count > content.byteLength) throw failure()
  const reader = new ProtoReader(content, `tensor_content of ${label}`)
  const lengths = Array.from({ length: count }, () => reader.uint32())
  let offset = reader.offset
  const strings = lengths.map((length) => {
    const end = offset + length
    if (end > content.byteLength) throw failure()
    const string = content.subarray(offset, end)
    offset = end
    return string
  })
  if (offset !== content.byteLength) throw failure()
  return strings
}

/** Writes the fields of a tensor; the caller embeds them. */
export function writeTensor(writer: ProtoWriter, source: Tensor): void {
  const { datatype, data } = source
  if (datatype !== 'BYTES' && isVarint(datatype) && data.length > typedUpTo) writer.bytes(4, bytesOf(data))
  else writeValues(writer, source)
  writeShape(writer, 2, source.shape)
  writer.uint32(dtypeOf(datatype))
  writer.tag(1, wire.varint)
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
