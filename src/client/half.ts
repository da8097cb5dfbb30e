/** Half-precision numbers, which JavaScript does not have: FP16 (IEEE binary16) and BF16 as raw bits, both ways. */

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

function float32Bits(value: number): number {
  float[0] = value
  return bits[0] ?? 0
}

/** Rounds to the nearest, ties to even. */
function roundedShift(value: number, shift: number): number {
  const half = 2 ** (shift - 1)
  const rest = value % 2 ** shift
  const kept = Math.floor(value / 2 ** shift)
  return rest > half || (rest === half && kept % 2 === 1) ? kept + 1 : kept
}

/** A number as FP16 bits; what is too large becomes infinite. */
export function toFp16(value: number): number {
  const word = float32Bits(value)
  const sign = (word >>> 16) & 0x8000
  const exponent = (word >>> 23) & 0xff
  const mantissa = word & 0x7fffff
  if (exponent === 0xff) return sign | 0x7c00 | (mantissa === 0 ? 0 : 0x200)
  const scaled = exponent - 127 + 15
  if (scaled >= 31) return sign | 0x7c00
  if (scaled <= 0) return scaled < -10 ? sign : sign | roundedShift(mantissa | 0x800000, 14 - scaled)
  return sign | roundedShift(scaled * 2 ** 23 + mantissa, 13) // a carry out of the mantissa raises the exponent, as it must
}

export function fromFp16(half: number): number {
  const sign = (half & 0x8000) === 0 ? 1 : -1
  const exponent = (half >>> 10) & 0x1f
  const mantissa = half & 0x3ff
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * mantissa * 2 ** -24 : sign * (1 + mantissa / 1024) * 2 ** (exponent - 15)
}

/** A number as BF16 bits: the upper half of a float32, rounded to the nearest, ties to even. */
export function toBf16(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0
  return roundedShift(float32Bits(value), 16) & 0xffff
}

export function fromBf16(half: number): number {
  bits[0] = half * 2 ** 16
  return float[0] ?? 0
}
