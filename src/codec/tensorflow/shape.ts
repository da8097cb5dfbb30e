/** `TensorShapeProto`, both ways. */
import { InferenceError } from '../../core/errors.ts'
import type { TensorMetadata } from '../../core/model.ts'
import { wire, type ProtoReader } from '../protobuf-reader.ts'
import type { ProtoWriter } from '../protobuf-writer.ts'

/** TensorFlow itself takes no more dimensions. */
const maxRank = 254

/**
 * Reads the shape that comes next.
 *
 * @param shape takes the dimensions; an earlier part of the same field may have left some
 * @throws InferenceError `invalid_argument` where the rank or a dimension is left open
 */
export function readShape(reader: ProtoReader, shape: number[], label: string): void {
  reader.expect(wire.bytes)
  const outer = reader.enter()
  while (reader.next()) {
    if (reader.field === 2) {
      if (shape.length === maxRank) throw invalid(`${label}: tensor_shape has more than ${maxRank} dimensions`)
      shape.push(readDimension(reader, label))
    } else if (reader.field === 3 && reader.wireType === wire.varint) {
      if (reader.bool()) throw invalid(`${label}: tensor_shape.unknown_rank is true, but a tensor needs its shape`)
    } else reader.skip()
  }
  reader.leave(outer)
}

function readDimension(reader: ProtoReader, label: string): number {
  reader.expect(wire.bytes)
  let size: number | undefined = 0
  const outer = reader.enter()
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === wire.varint) size = reader.safeInt64()
    else reader.skip()
  }
  reader.leave(outer)
  if (size !== undefined && size >= 0) return size
  const what = size === undefined ? 'beyond 2^53 - 1' : `${size}`
  throw invalid(`${label}: a dimension of tensor_shape is ${what}, it must be 0 to 2^53 - 1`)
}

/** Writes a concrete shape as field `field`. */
export function writeShape(writer: ProtoWriter, field: number, shape: readonly number[]): void {
  const start = writer.length
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    const dimension = writer.length
    const size = shape[axis] ?? 0
    if (size !== 0) {
      writer.integer(size)
      writer.tag(1, wire.varint)
    }
    writer.embed(2, dimension)
  }
  writer.embed(field, start)
}

/** Writes the shape of an input or output as field `field`: -1 where a dimension is free. */
export function writeMetadataShape(writer: ProtoWriter, field: number, { shape, isAnyRank }: TensorMetadata): void {
  if (isAnyRank !== true) {
    writeShape(writer, field, shape)
    return
  }
  const start = writer.length
  writer.uint32(1)
  writer.tag(3, wire.varint)
  writer.embed(field, start)
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
