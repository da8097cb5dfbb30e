import { describe, expect, it } from 'vitest'
import { JsonReader } from '../../src/codec/json-reader.ts'
import { ascii } from '../../src/codec/json-string.ts'
import { bytes, refusal } from './text.ts'
import { integer, pick, seeded } from './random.ts'
import type { Random } from './random.ts'

/** Any value, built with the reader. */
function parse(reader: JsonReader): unknown {
  const byte = reader.peek()
  if (byte === ascii.openBrace) {
    const object = new Map<string, unknown>()
    for (let open = reader.openObject(); open; open = reader.nextMember()) object.set(reader.key(), parse(reader))
    return Object.fromEntries(object)
  }
  if (byte === ascii.openBracket) {
    const array: unknown[] = []
    for (let open = reader.openArray(); open; open = reader.nextElement()) array.push(parse(reader))
    return array
  }
  if (byte === ascii.quote) return reader.string()
  if (byte === ascii.lowerT || byte === ascii.lowerF) return reader.boolean()
  return reader.isNull() ? null : Number(reader.numberText())
}

function read(text: string): unknown {
  const reader = new JsonReader(bytes(text))
  const value = parse(reader)
  reader.end()
  return value
}

/** A copy of the reader's place after skipping what `read` builds. */
function skip(text: string): void {
  const reader = new JsonReader(bytes(text))
  reader.skipValue()
  reader.end()
}

function outcome(work: () => unknown): unknown {
  try {
    return { value: work() }
  } catch {
    return 'refused'
  }
}

function randomValue(random: Random, depth: number): unknown {
  switch (integer(random, depth > 3 ? 5 : 7)) {
    case 0:
      return null
    case 1:
      return random() < 0.5
    case 2:
      return pick(random, [
        0,
        -0,
        1,
        -17,
        0.1,
        1e300,
        5e-324,
        2 ** 53,
        random(),
        (random() - 0.5) * 10 ** integer(random, 30),
      ])
    case 3:
    case 4:
      return Array.from({ length: integer(random, 12) }, () =>
        pick(random, ['a', 'ß', '€', '😀', '"', '\\', '\n', '\u0000', '/', '\u007f', '\ufffd']),
      ).join('')
    case 5:
      return Array.from({ length: integer(random, 5) }, () => randomValue(random, depth + 1))
    default:
      // No escapes in keys: JSON.parse of Node 24 and 26 takes `"k1\""` for a `"k1\\"` that it met before.
      return Object.fromEntries(
        Array.from({ length: integer(random, 5) }, (_, index) => [`k${index}é`, randomValue(random, depth + 1)]),
      )
  }
}

describe('JsonReader', () => {
  it('reads and skips what JSON.parse reads, and refuses what it refuses', () => {
    const random = seeded(7)
    for (let round = 0; round < 20_000; round += 1) {
      let text = JSON.stringify(randomValue(random, 0), null, integer(random, 3))
      if (random() < 0.7) {
        const at = integer(random, text.length)
        const junk = pick(random, [
          '',
          '0',
          '-',
          '.',
          'e',
          ',',
          ':',
          '[',
          ']',
          '{',
          '}',
          '"',
          '\\',
          '\\u00e4',
          ' ',
          'true',
          '\t',
        ])
        text = text.slice(0, at) + junk + text.slice(at + integer(random, 2))
      }
      if (/k\d*\\/.test(text)) continue
      if (/NaN|Infinity/.test(text) || bytes(text).toString() !== text || /\\u[dD][89a-fA-F]/.test(text)) continue
      const expected = outcome(() => JSON.parse(text) as unknown)
      if (JSON.stringify(outcome(() => read(text))) !== JSON.stringify(expected)) {
        expect([text, outcome(() => read(text))]).toEqual([text, expected])
      }
      expect(outcome(() => skip(text)) === 'refused').toBe(expected === 'refused')
    }
  })

  it('reads escapes and surrogate pairs', () => {
    expect(read('"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\\"\\\\"')).toBe('Aé€😀/\b\f\n\r\t"\\')
  })

  it.each(['"\\ud83d"', '"\\ud83dx"', '"\\ude00"', '"\\ud83d\\u0041"', '"\\u12g4"', '"\\x"', '"\n"', '"abc', '"abc\\'])(
    'refuses the string %s',
    (text) => {
      expect(refusal(() => read(text)).code).toBe('invalid_argument')
      expect(refusal(() => read(text)).message).toMatch(/^JSON Parse error: .* at offset: \d+$/)
    },
  )

  it('takes NaN and the infinities for numbers', () => {
    expect(read('[NaN, Infinity, -Infinity]')).toEqual([NaN, Infinity, -Infinity])
    for (const text of ['-NaN', 'nan', 'Inf', '+1', '.5', '1.', '01', '1e', '0x10', '-']) {
      expect(refusal(() => read(text)).code).toBe('invalid_argument')
    }
  })

  it('skips 500,000 levels of nesting', () => {
    const depth = 500_000
    expect(() => skip('['.repeat(depth) + ']'.repeat(depth))).not.toThrow()
    expect(() => skip('{"a":'.repeat(depth) + '1' + '}'.repeat(depth))).not.toThrow()
    expect(refusal(() => skip('['.repeat(depth))).code).toBe('invalid_argument')
  })

  it('refuses bytes that are not UTF-8, and nothing at all', () => {
    expect(refusal(() => new JsonReader(Buffer.from([0x22, 0xff, 0x22]))).message).toContain('not valid UTF-8')
    expect(refusal(() => new JsonReader(bytes(' \n'))).message).toBe('JSON Parse error: The document is empty')
  })
})
