/** Reads runs of JSON numbers straight into arrays: what makes JSON bodies cheaper than `JSON.parse`. */
import type { JsonReader } from './json-reader.ts'
import { ascii } from './json-string.ts'
import { exactPowers, largestExactPower } from './powers-of-ten.ts'

// Every `read…` below reads elements `from … limit` of an array whose `[` or `,` has just been read. It stops at the first
// token after an element that is no comma, or at the comma behind element `limit`. It returns the index after the last
// element, or `~index` where the value at the position is none of this datatype; that value is then not read.

/** Below this, doubles hold every integer. */
const exactIntegers = 2 ** 53
/** Digits are collected in a double up to here, at most 16 roundings of 2^-53 each, the last ones included. */
const mostDigits = 1e21
const below = 1 - 2 ** -48
const above = 1 + 2 ** -48
/** Runs shorter than this are not worth a DataView. */
const shortRun = 32

/**
 * Floats, each exactly as `JSON.parse` (and `Math.fround` of it) gives them; `NaN`, `Infinity` and `-Infinity` too. The
 * digits are collected and scaled by one power of ten. That is exact up to 15 digits; with more it is right for float32
 * unless it lies next to a rounding boundary. Only then, and for longer doubles, is the text converted the slow way.
 */
export function readFloats(reader: JsonReader, out: Float32Array | Float64Array, from: number, limit: number): number {
  const bytes = reader.bytes
  const isSingle = out instanceof Float32Array
  const view = limit - from < shortRun ? undefined : reader.view
  const lastChunk = bytes.length - 4
  let pos = reader.pos
  let index = from
  for (;;) {
    let byte = bytes[pos] ?? 0
    while (byte <= 0x20 && isSpace(byte)) byte = bytes[++pos] ?? 0
    const start = pos
    const isNegative = byte === ascii.minus
    if (isNegative) byte = bytes[++pos] ?? 0
    const first = pos
    let digits = 0
    let exponent = 0
    while (byte >= ascii.zero && byte <= ascii.nine) {
      digits = digits * 10 + (byte - ascii.zero)
      byte = bytes[++pos] ?? 0
    }
    let isSimple = pos > first && (bytes[first] !== ascii.zero || pos === first + 1)
    if (byte === ascii.dot) {
      const point = ++pos
      if (view !== undefined) {
        // Four digits at a time: are all four bytes 0x30 … 0x39, then pairs, then the pair of pairs.
        while (pos <= lastChunk) {
          const four = view.getInt32(pos, true)
          if (((four & 0xf0f0f0f0) | (((four + 0x06060606) & 0xf0f0f0f0) >>> 4)) !== 0x33333333) break
          const singles = four & 0x0f0f0f0f
          const pairs = (Math.imul(singles, 10) + (singles >>> 8)) & 0x00ff00ff
          digits = digits * 10000 + ((Math.imul(pairs, 100) + (pairs >>> 16)) & 0xffff)
          pos += 4
        }
      }
      byte = bytes[pos] ?? 0
      while (byte >= ascii.zero && byte <= ascii.nine) {
        digits = digits * 10 + (byte - ascii.zero)
        byte = bytes[++pos] ?? 0
      }
      exponent = point - pos
      isSimple &&= exponent < 0
    }
    if ((byte | 0x20) === ascii.lowerE) {
      const sign = bytes[++pos]
      if (sign === ascii.minus || sign === ascii.plus) pos += 1
      const power = pos
      let shift = 0
      byte = bytes[pos] ?? 0
      while (byte >= ascii.zero && byte <= ascii.nine) {
        shift = shift * 10 + (byte - ascii.zero)
        byte = bytes[++pos] ?? 0
      }
      exponent += sign === ascii.minus ? -shift : shift
      isSimple &&= pos > power
    }
    let value = digits
    if (exponent < 0) value /= exactPowers[-exponent] ?? 0
    else if (exponent > 0) value *= exactPowers[exponent] ?? 0
    isSimple &&= exponent >= -largestExactPower && exponent <= largestExactPower
    if (digits >= exactIntegers) {
      isSimple &&= isSingle && digits < mostDigits && Math.fround(value * below) === Math.fround(value * above)
    }
    if (isSimple) {
      out[index] = isNegative ? -value : value
    } else {
      reader.pos = start
      if (!isNumberStart(bytes[start], bytes[start + 1])) return ~index
      out[index] = Number(reader.numberText())
      pos = reader.pos
      byte = bytes[pos] ?? 0
    }
    index += 1
    while (byte <= 0x20 && isSpace(byte)) byte = bytes[++pos] ?? 0
    if (byte !== ascii.comma || index === limit) break
    pos += 1
  }
  reader.pos = pos
  return index
}

/** Integers of up to 32 bits, `min … max`; a fraction or an exponent makes a number no integer. */
export function readIntegers(
  reader: JsonReader,
  out: Float64Array,
  from: number,
  limit: number,
  min: number,
  max: number,
): number {
  const bytes = reader.bytes
  let pos = reader.pos
  let index = from
  for (;;) {
    let byte = bytes[pos] ?? 0
    while (byte <= 0x20 && isSpace(byte)) byte = bytes[++pos] ?? 0
    const start = pos
    const isNegative = byte === ascii.minus
    if (isNegative) byte = bytes[++pos] ?? 0
    const first = pos
    let digits = 0
    while (byte >= ascii.zero && byte <= ascii.nine) {
      digits = digits * 10 + (byte - ascii.zero)
      byte = bytes[++pos] ?? 0
    }
    const value = isNegative ? -digits : digits
    const isInteger = pos > first && (bytes[first] !== ascii.zero || pos === first + 1) && !isFraction(byte)
    if (!isInteger || value < min || value > max) {
      reader.pos = start
      return ~index
    }
    out[index] = value
    index += 1
    while (byte <= 0x20 && isSpace(byte)) byte = bytes[++pos] ?? 0
    if (byte !== ascii.comma || index === limit) break
    pos += 1
  }
  reader.pos = pos
  return index
}

/** Integers of 64 bits, exact. */
export function readBigIntegers(
  reader: JsonReader,
  out: BigInt64Array | BigUint64Array,
  from: number,
  limit: number,
): number {
  const bytes = reader.bytes
  const min = out instanceof BigInt64Array ? -(2n ** 63n) : 0n
  const max = out instanceof BigInt64Array ? 2n ** 63n - 1n : 2n ** 64n - 1n
  for (let index = from; ;) {
    const first = reader.peek()
    const start = reader.pos
    let pos = first === ascii.minus ? start + 1 : start
    const integer = pos
    let byte = bytes[pos] ?? 0
    let digits = 0
    while (byte >= ascii.zero && byte <= ascii.nine) {
      digits = digits * 10 + (byte - ascii.zero)
      byte = bytes[++pos] ?? 0
    }
    const isInteger = pos > integer && (bytes[integer] !== ascii.zero || pos === integer + 1) && !isFraction(byte)
    // More than 20 digits fit no 64 bits, and reading a million of them as one number would take its time.
    if (!isInteger || pos - integer > 20) return ~index
    const isExact = digits < exactIntegers
    const value = isExact
      ? BigInt(first === ascii.minus ? -digits : digits)
      : BigInt(bytes.toString('latin1', start, pos))
    if (value < min || value > max) return ~index
    out[index] = value
    index += 1
    reader.pos = pos
    if (reader.peek() !== ascii.comma || index === limit) return index
    reader.pos += 1
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function isFraction(byte: number): boolean {
  return byte === ascii.dot || (byte | 0x20) === ascii.lowerE
}

function isNumberStart(byte = 0, next = 0): boolean {
  if (byte === ascii.minus) return next === ascii.upperI || (next >= ascii.zero && next <= ascii.nine)
  return byte === ascii.upperN || byte === ascii.upperI || (byte >= ascii.zero && byte <= ascii.nine)
}
