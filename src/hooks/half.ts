/** FP16 and BF16, whose bits JavaScript has no number for. */

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** Decodes one element of a tensor's raw bits. */
export function decodeHalf(datatype: 'FP16' | 'BF16', half: number): number {
  if (datatype === 'BF16') {
    bits[0] = half << 16
    return float[0] ?? NaN
  }
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >> 10) & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** Encodes a number as raw bits, rounding to the nearest, halves to even. */
export function encodeHalf(datatype: 'FP16' | 'BF16', value: number): number {
  if (Number.isNaN(value)) return datatype === 'FP16' ? 0x7e00 : 0x7fc0
  return datatype === 'FP16' ? encodeFp16(value) : encodeBf16(value)
}

function encodeBf16(value: number): number {
  float[0] = value
  const raw = bits[0] ?? 0
  return (raw + 0x7fff + ((raw >>> 16) & 1)) >>> 16
}

function encodeFp16(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const magnitude = Math.abs(value)
  if (magnitude >= 65520) return sign | 0x7c00 // halfway between the largest, 65504, and the next power of two
  if (magnitude < 2 ** -14) return sign | roundHalfEven(magnitude * 2 ** 24)
  float[0] = magnitude
  let exponent = ((bits[0] ?? 0) >>> 23) - 127
  if (magnitude < 2 ** exponent) exponent -= 1 // float32 rounded up to a power of two
  // A fraction that rounds up to 1024 carries into the exponent by itself.
  return sign | (((exponent + 15) << 10) + roundHalfEven((magnitude / 2 ** exponent - 1) * 1024))
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
}
