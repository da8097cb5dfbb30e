/** Protocol buffers as text: what is read, and what is told of what is not. */
import { describe, expect, it } from 'vitest'
import { parseTextProto, type TextMessage, type TextValue } from '../../src/codec/text-proto.ts'

function plain({ fields }: TextMessage): unknown[] {
  const shown = (value: TextValue): unknown => (value.kind === 'message' ? plain(value.message) : value.text)
  return fields.map(({ name, value }) => [name, shown(value)])
}

const read = (text: string) => plain(parseTextProto(text, 'x.pbtxt'))

describe('a text', () => {
  it('has fields with words, strings, lists and messages', () => {
    expect(
      read('a: 1 b: "x" c: TYPE_FP32, d: -1.5e3; e: [1, 2] f { g: true } h: { } i < j: 1 > k [ { l: 1 }, {} ]'),
    ).toEqual([
      ['a', '1'],
      ['b', 'x'],
      ['c', 'TYPE_FP32'],
      ['d', '-1.5e3'],
      ['e', '1'],
      ['e', '2'],
      ['f', [['g', 'true']]],
      ['h', []],
      ['i', [['j', '1']]],
      ['k', [['l', '1']]],
      ['k', []],
    ])
  })
  it('joins strings and reads escapes', () => {
    expect(read(`a: "x" # a comment "y"\n 'y\\'' b: "\\n\\t\\\\\\x41\\101\\u00e9\\q"`)).toEqual([
      ['a', "xy'"],
      ['b', '\n\t\\AAéq'],
    ])
  })
  it('knows the line of everything', () => {
    const { fields } = parseTextProto('a: 1\n\n# c\nb: [\n 2,\n 3\n]\nc {\n d: 4 }', 'x')
    expect(fields.map(({ name, line }) => `${name}${line}`)).toEqual(['a1', 'b5', 'b6', 'c8'])
    const last = fields[3]?.value
    expect(last?.kind === 'message' && last.message.fields[0]?.line).toBe(9)
  })
})

describe('a text that is none', () => {
  it.each([
    ['a', 'x.pbtxt:1: a value is missing'],
    ['a 1', "x.pbtxt:1: ':' or '{' was expected, not 1"],
    ['a {\n b: 1', "x.pbtxt:2: '}' is missing"],
    ['a: 1\n}', 'x.pbtxt:2: the name of a field was expected, not }'],
    ['a: [1 2]', "x.pbtxt:1: ']' is missing"],
    ['a: [1, 2', "x.pbtxt:1: ']' is missing"],
    ['\na: "x', 'x.pbtxt:2: unexpected "\\"x"'],
    ['a: :', 'x.pbtxt:1: a value was expected, not :'],
    ['1: 2', 'x.pbtxt:1: the name of a field was expected, not 1'],
  ])('%j', (text, message) => {
    expect(() => parseTextProto(text, 'x.pbtxt')).toThrow(message)
  })
  it('is not followed to any depth', () => {
    expect(() => parseTextProto('a {'.repeat(100_000), 'x')).toThrow('messages lie deeper than 64')
  })
})
