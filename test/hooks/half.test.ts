/** Half floats agree with IEEE 754. */
import { describe, expect, it } from 'vitest'
import { decodeHalf, encodeHalf } from '../../src/hooks/half.ts'

describe('half floats', () => {
  it.each(['FP16', 'BF16'] as const)('%s: every pattern survives', (datatype) => {
    const patterns = Array.from({ length: 0x10000 }, (_, bits) => bits)
    const survives = (bits: number, value: number) => Number.isNaN(value) || encodeHalf(datatype, value) === bits
    expect(patterns.filter((bits) => !survives(bits, decodeHalf(datatype, bits)))).toEqual([])
    expect(decodeHalf(datatype, encodeHalf(datatype, NaN))).toBeNaN()
  })
  it.each([
    [1 / 3, 0x3555],
    [2049, 0x6800], // halfway: to even
    [2051, 0x6802],
    [65504, 0x7bff],
    [65519.9, 0x7bff],
    [65520, 0x7c00],
    [-Infinity, 0xfc00],
    [-0, 0x8000],
    [2 ** -24, 1],
    [2 ** -25, 0],
    [2 ** -14 - 2 ** -26, 0x0400],
    [2 - 2 ** -30, 0x4000],
  ])('FP16 of %d', (value, bits) => {
    expect(encodeHalf('FP16', value)).toBe(bits)
  })
})
