import { describe, expect, it } from 'vitest'
import { longestFloat32, writeFloat32 } from '../../src/codec/float-text.ts'
import { integer, seeded } from './random.ts'

const room = Buffer.alloc(64)
const text = (value: number) => room.toString('latin1', 0, writeFloat32(room, 0, Math.fround(value)))

/** The fewest digits that read back, found by trying. */
function reference(value: number): string {
  for (let digits = 1; digits < 9; digits += 1) {
    const shorter = value.toPrecision(digits)
    if (Math.fround(Number(shorter)) === value) return shorter
  }
  return value.toPrecision(9)
}

const digitsOf = (number: string) =>
  number.replace(/e.*/, '').replace(/[-.]/g, '').replace(/^0+/, '').replace(/0+$/, '')

describe('float32 as text', () => {
  it('writes what TensorFlow Serving writes', () => {
    const values = [9000000, 999999, 0.5, 0.0003, 0.00003, 555557.5]
    expect(values.map(text)).toEqual(['9e+06', '999999.0', '0.5', '0.0003', '3e-05', '555557.5'])
  })

  it('keeps whole numbers floats, and the tokens bare', () => {
    const values = [0, -0, 1, -5, 100000, 16777216, 1e10, NaN, Infinity, -Infinity]
    expect(values.map(text)).toEqual([
      '0.0',
      '-0.0',
      '1.0',
      '-5.0',
      '100000.0',
      '16777216.0',
      '1e+10',
      'NaN',
      'Infinity',
      '-Infinity',
    ])
  })

  it('writes the edges', () => {
    const values = [
      0.1, 5.1, 3.4028234663852886e38, 1.1754943508222875e-38, 1.401298464324817e-45, 9.9999994, 0.99999994,
    ]
    expect(values.map(text)).toEqual([
      '0.1',
      '5.1',
      '3.4028235e+38',
      '1.1754944e-38',
      '1e-45',
      '9.999999',
      '0.99999994',
    ])
  })

  it('is exactly the shortest for 100,000 random bit patterns and for powers of two', () => {
    const random = seeded(1)
    const bits = new Uint32Array(1)
    const value = new Float32Array(bits.buffer)
    for (let round = 0; round < 100_000; round += 1) {
      bits[0] = round < 512 ? round << 23 : round < 2_000 ? integer(random, 0x800000) : integer(random, 2 ** 32)
      const float = value[0] ?? 0
      if (!Number.isFinite(float) || float === 0) continue
      const written = text(float)
      const expected = reference(float)
      if (Number(written) !== Number(expected) || digitsOf(written) !== digitsOf(expected)) {
        expect(`${written} (${bits[0]})`).toBe(expected)
      }
      if (written.length > longestFloat32) expect(written.length).toBeLessThanOrEqual(longestFloat32)
      JSON.parse(written)
    }
  })
})
