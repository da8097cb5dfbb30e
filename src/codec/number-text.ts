/** Writes the elements of a tensor as JSON numbers, straight from its array. */
import type { Tensor } from '../core/tensor.ts'
import { digitsOf, writeDigits, writeFloat32, writeText } from './float-text.ts'

/** Bytes that the longest element takes: a double such as `-2.2250738585072014e-308`. */
export const longestNumber = 26

/**
 * Elements `from … to` with commas between them.
 *
 * @param bytes with room for {@link longestNumber} + 1 bytes an element at `pos`
 * @param tensor of any datatype but FP16, BF16 and BYTES
 * @returns the position behind the text
 */
export function writeElements(bytes: Uint8Array, pos: number, tensor: Tensor, from: number, to: number): number {
  switch (tensor.datatype) {
    case 'FP32':
      return writeFloat32s(bytes, pos, tensor.data, from, to)
    case 'FP64':
      return writeFloat64s(bytes, pos, tensor.data, from, to)
    case 'INT64':
    case 'UINT64':
      return writeBigIntegers(bytes, pos, tensor.data, from, to)
    case 'BOOL':
      return writeBooleans(bytes, pos, tensor.data, from, to)
    case 'UINT8':
    case 'UINT16':
    case 'UINT32':
    case 'INT8':
    case 'INT16':
    case 'INT32':
      return writeIntegers(bytes, pos, tensor.data, from, to)
    case 'FP16':
    case 'BF16':
    case 'BYTES':
      throw new TypeError(`${tensor.datatype} elements are no JSON numbers`)
  }
}

function writeFloat32s(bytes: Uint8Array, pos: number, data: Float32Array, from: number, to: number): number {
  for (let index = from; index < to; index += 1) {
    if (index > from) bytes[pos++] = 0x2c
    pos = writeFloat32(bytes, pos, data[index] ?? 0)
  }
  return pos
}

function writeFloat64s(bytes: Uint8Array, pos: number, data: Float64Array, from: number, to: number): number {
  for (let index = from; index < to; index += 1) {
    if (index > from) bytes[pos++] = 0x2c
    pos = writeFloat64(bytes, pos, data[index] ?? 0)
  }
  return pos
}

/** A double with the fewest digits that read back; whole numbers keep a `.0` or an exponent. */
function writeFloat64(bytes: Uint8Array, pos: number, value: number): number {
  if (Object.is(value, -0)) return writeText(bytes, pos, '-0.0')
  pos = writeText(bytes, pos, String(value))
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? writeText(bytes, pos, '.0') : pos
}

type SmallIntegers = Uint8Array | Uint16Array | Uint32Array | Int8Array | Int16Array | Int32Array

function writeIntegers(bytes: Uint8Array, pos: number, data: SmallIntegers, from: number, to: number): number {
  for (let index = from; index < to; index += 1) {
    if (index > from) bytes[pos++] = 0x2c
    pos = writeInteger(bytes, pos, data[index] ?? 0)
  }
  return pos
}

/** An integer that a double holds exactly. */
export function writeInteger(bytes: Uint8Array, pos: number, value: number): number {
  if (value < 0) {
    bytes[pos++] = 0x2d
    value = -value
  }
  return value < 2 ** 31 ? writeDigits(bytes, pos, value, digitsOf(value)) : writeText(bytes, pos, String(value))
}

function writeBigIntegers(
  bytes: Uint8Array,
  pos: number,
  data: BigInt64Array | BigUint64Array,
  from: number,
  to: number,
): number {
  for (let index = from; index < to; index += 1) {
    if (index > from) bytes[pos++] = 0x2c
    const exact = data[index] ?? 0n
    const value = Number(exact)
    pos = Number.isSafeInteger(value) ? writeInteger(bytes, pos, value) : writeText(bytes, pos, String(exact))
  }
  return pos
}

function writeBooleans(bytes: Uint8Array, pos: number, data: Uint8Array, from: number, to: number): number {
  for (let index = from; index < to; index += 1) {
    if (index > from) bytes[pos++] = 0x2c
    pos = writeText(bytes, pos, data[index] === 0 ? 'false' : 'true')
  }
  return pos
}
