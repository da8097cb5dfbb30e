import { describe, expect, it } from 'vitest'
import { readFloats } from '../../src/codec/json-numbers.ts'
import { JsonReader } from '../../src/codec/json-reader.ts'
import { bytes } from './text.ts'
import { integer, pick, seeded } from './random.ts'
import type { Random } from './random.ts'

function read(texts: readonly string[], out: Float32Array | Float64Array): number {
  const reader = new JsonReader(bytes(`[${texts.join(',')}]`))
  reader.openArray()
  return readFloats(reader, out, 0, out.length)
}

const view = new DataView(new ArrayBuffer(8))

/** Texts that are easy to get wrong: long, short, tiny, huge, and next to a rounding boundary of float32. */
function numberText(random: Random): string {
  view.setUint32(0, integer(random, 2 ** 32))
  view.setUint32(4, integer(random, 2 ** 32))
  const single = view.getFloat32(0)
  const double = view.getFloat64(0)
  switch (integer(random, 9)) {
    case 0:
      return random().toFixed(integer(random, 20))
    case 1:
      return String(random())
    case 2:
      return Number.isFinite(single) ? String(single) : '0'
    case 3:
      return Number.isFinite(double) ? String(double) : '-0.0'
    case 4: {
      view.setUint32(0, view.getUint32(0) + 1)
      const middle = (single + view.getFloat32(0)) / 2
      return Number.isFinite(middle) ? middle.toPrecision(integer(random, 30) + 1) : '1e400'
    }
    case 5:
      return `${integer(random, 10)}.${String(random()).slice(2)}${String(random()).slice(2)}e${integer(random, 100) - 50}`
    case 6:
      return `${pick(random, ['', '-'])}${integer(random, 2 ** 31)}${'0'.repeat(integer(random, 30))}`
    case 7:
      return `0.${'0'.repeat(integer(random, 50))}${integer(random, 1e9)}`
    default:
      return ((random() - 0.5) * 10 ** (integer(random, 80) - 40)).toExponential(integer(random, 17))
  }
}

describe('readFloats', () => {
  it('gives exactly what JSON.parse and Math.fround give', () => {
    const random = seeded(3)
    for (let round = 0; round < 200; round += 1) {
      const texts = Array.from({ length: round % 2 === 0 ? 1_000 : 8 }, () => numberText(random))
      const doubles = texts.map(Number)
      const singles = new Float32Array(texts.length)
      const wide = new Float64Array(texts.length)
      expect(read(texts, singles)).toBe(texts.length)
      expect(read(texts, wide)).toBe(texts.length)
      for (let index = 0; index < texts.length; index += 1) {
        const double = doubles[index] ?? 0
        if (!Object.is(singles[index], Math.fround(double))) expect([texts[index], singles[index]]).toEqual(double)
        if (!Object.is(wide[index], double)) expect([texts[index], wide[index]]).toEqual(double)
      }
    }
  })

  it('stops at a value of another kind, at a comma when full, and behind the last', () => {
    const out = new Float32Array(2)
    const reader = new JsonReader(bytes('[1, "x"]'))
    reader.openArray()
    expect(readFloats(reader, out, 0, 2)).toBe(~1)
    expect(reader.pos).toBe(4)
    expect(read(['1', '2', '3'], out)).toBe(2)
    expect(read(['1'], out)).toBe(1)
  })
})
