/** Writes float32 numbers with the fewest digits that read back as the same float32. */
import { exactPowers, largestExactPower } from './powers-of-ten.ts'

/** Bytes that the longest float32 takes: `-1.23456789e-38`. */
export const longestFloat32 = 15

const value32 = new Float32Array(1)
const bits32 = new Uint32Array(value32.buffer)

/** Largest powers of ten at or below 2^(n-150): the decimal exponent of a float32, or one less, by its binary exponent. */
const decimalExponents = Int8Array.from({ length: 256 }, (_, exponent) => Math.floor(Math.log10(2 ** (exponent - 127))))
const lowestExponent = -45
const allPowers = Float64Array.from({ length: 90 }, (_, index) => Number(`1e${index + lowestExponent}`))

/** Six digits always survive the way through float32, so the shortest form of up to six digits is unique. */
const safeDigits = 6
/** Nine digits always tell one float32 from the next. */
const mostDigits = 9

/**
 * Writes a number as JSON, `NaN`, `Infinity` and `-Infinity` as bare tokens. Whole numbers keep a `.0` or an exponent, so
 * that readers which tell floats from integers see a float; exponents are chosen as `%g` does: `9e+06`, `999999.0`, `3e-05`.
 *
 * @param value a float32
 * @param bytes with room for {@link longestFloat32} bytes at `pos`
 * @returns the position behind the text
 */
export function writeFloat32(bytes: Uint8Array, pos: number, value: number): number {
  if (value !== value) return writeText(bytes, pos, 'NaN')
  if (value < 0 || (value === 0 && 1 / value < 0)) {
    bytes[pos++] = 0x2d
    value = -value
  }
  if (value === Infinity) return writeText(bytes, pos, 'Infinity')
  if (value < 1e6 && value === (value | 0)) {
    pos = writeDigits(bytes, pos, value, digitsOf(value))
    bytes[pos] = 0x2e
    bytes[pos + 1] = 0x30
    return pos + 2
  }
  value32[0] = value
  const binary = (bits32[0] ?? 0) >>> 23
  let exponent = decimalExponents[binary] ?? 0
  if (value >= (allPowers[exponent + 1 - lowestExponent] ?? Infinity)) exponent += 1
  // Below the normal numbers digits are fewer, and beyond these powers doubles are too coarse: rare, so slow.
  if (binary === 0 || exponent < -30 || exponent > 27) return writeSlowly(bytes, pos, value)
  for (let count = safeDigits; count <= mostDigits; count += 1) {
    const shift = count - 1 - exponent
    const scaled = scale(value, shift)
    const digits = Math.floor(scaled + 0.5)
    const rest = scaled + 0.5 - digits
    if (rest < nearTie || rest > 1 - nearTie) return writeSlowly(bytes, pos, value)
    const back = scale(digits, -shift)
    const isBack = Math.fround(back * below) === value
    if (isBack !== (Math.fround(back * above) === value)) return writeSlowly(bytes, pos, value)
    if (isBack) return writeDecimal(bytes, pos, digits, count, exponent)
  }
  return writeSlowly(bytes, pos, value)
}

/** Two scalings are off by no more than 4 × 2^-53. */
const below = 1 - 2 ** -50
const above = 1 + 2 ** -50

/** Scaled numbers stay below 10^9, so they are off by less than this. */
const nearTie = 1e-6

/** value × 10^power, for powers up to ±44 */
function scale(value: number, power: number): number {
  if (power > largestExactPower) return value * 1e22 * (exactPowers[power - largestExactPower] ?? NaN)
  if (power >= 0) return value * (exactPowers[power] ?? NaN)
  if (power >= -largestExactPower) return value / (exactPowers[-power] ?? NaN)
  return value / 1e22 / (exactPowers[-power - largestExactPower] ?? NaN)
}

function writeSlowly(bytes: Uint8Array, pos: number, value: number): number {
  for (let count = 1; ; count += 1) {
    const text = value.toExponential(count - 1)
    if (count < mostDigits && Math.fround(Number(text)) !== value) continue
    const split = text.indexOf('e')
    return writeDecimal(bytes, pos, Number(text.slice(0, split).replace('.', '')), count, Number(text.slice(split + 1)))
  }
}

/** Lays out `digits`, a number of `count` digits, as d.ddd × 10^exponent. */
function writeDecimal(bytes: Uint8Array, pos: number, digits: number, count: number, exponent: number): number {
  const exponentFrom = count <= safeDigits ? safeDigits : mostDigits
  if (digits >= (exactPowers[count] ?? 0)) {
    exponent += 1 // rounded up to the next power of ten
    digits /= 10
  }
  let significant = digits | 0
  while (count > 1 && significant % 10 === 0) {
    significant = (significant / 10) | 0
    count -= 1
  }
  if (exponent < -4 || exponent >= exponentFrom) {
    pos = writePoint(bytes, pos, significant, count, 1)
    bytes[pos++] = 0x65
    bytes[pos++] = exponent < 0 ? 0x2d : 0x2b
    return writeDigits(bytes, pos, Math.abs(exponent), 2)
  }
  if (exponent < 0) {
    pos = writeText(bytes, pos, '0.000'.slice(0, 1 - exponent))
    return writeDigits(bytes, pos, significant, count)
  }
  if (exponent + 1 >= count) {
    pos = writeDigits(bytes, pos, significant * (exactPowers[exponent + 1 - count] ?? 1), exponent + 1)
    return writeText(bytes, pos, '.0')
  }
  return writePoint(bytes, pos, significant, count, exponent + 1)
}

/** Digits with a point behind the first `whole` of them, where any follow. */
function writePoint(bytes: Uint8Array, pos: number, digits: number, count: number, whole: number): number {
  if (count === whole) return writeDigits(bytes, pos, digits, count)
  const end = writeDigits(bytes, pos + 1, digits, count)
  bytes.copyWithin(pos, pos + 1, pos + 1 + whole)
  bytes[pos + whole] = 0x2e
  return end
}

/** A non-negative integer below 2^31 as `count` digits, zeros in front. */
export function writeDigits(bytes: Uint8Array, pos: number, value: number, count: number): number {
  let rest = value | 0
  for (let at = pos + count - 1; at >= pos; at -= 1) {
    const tens = (rest / 10) | 0
    bytes[at] = 0x30 + (rest - tens * 10)
    rest = tens
  }
  return pos + count
}

/** How many digits a non-negative integer below 2^31 has. */
export function digitsOf(value: number): number {
  let count = 1
  while (count < 10 && value >= (exactPowers[count] ?? Infinity)) count += 1
  return count
}

/** ASCII text. */
export function writeText(bytes: Uint8Array, pos: number, text: string): number {
  for (let index = 0; index < text.length; index += 1) bytes[pos + index] = text.charCodeAt(index)
  return pos + text.length
}
