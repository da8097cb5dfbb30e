/** JSON as Go reads and writes it; expectations recorded from Go's encoding/json. */
import { describe, expect, it } from 'vitest'
import { readGoObject, writeGoJson } from '../../src/graph/go-json.ts'

function rewritten(text: string): string {
  const read = readGoObject(text)
  return 'error' in read ? read.error : writeGoJson(read.value)
}

describe('a JSON object through Go', () => {
  it.each([
    ['{"b":1,"a":2,"10":3,"2":4}', '{"10":3,"2":4,"a":2,"b":1}'],
    [
      '{"n":9007199254740993,"m":1.0,"z":-0,"e":1e21,"f":1e20,"t":0.0000001}',
      '{"e":1e+21,"f":100000000000000000000,"m":1,"n":9007199254740992,"t":1e-7,"z":-0}',
    ],
    ['{"s":"<b>&\\u2028\\/\\u0001é"}', '{"s":"\\u003cb\\u003e\\u0026\\u2028/\\u0001é"}'],
    ['{"😀":1,"\uffee":2}', '{"\uffee":2,"😀":1}'],
    ['{"a":1,"a":{"b":2}}', '{"a":{"b":2}}'],
    ['{"__proto__":{"x":1}}', '{"__proto__":{"x":1}}'],
    ['{"s":"\\ud800x"}', '{"s":"\uFFFDx"}'],
    [' null ', 'null'],
  ])('%s', (text, expected) => {
    expect(rewritten(text)).toBe(expected)
  })

  it.each([
    ['', 'unexpected end of JSON input'],
    ['bad gateway', "invalid character 'b' looking for beginning of value"],
    ['{"a":1', 'unexpected end of JSON input'],
    ['{a:1}', "invalid character 'a' looking for beginning of object key string"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b"}', `invalid character '"' after object key:value pair`],
    ['[1 2]', "invalid character '2' after array element"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ['{} x', "invalid character 'x' after top-level value"],
    ['{"a":tru}', "invalid character '}' in literal true (expecting 'e')"],
    ['{"a":01}', "invalid character '1' after object key:value pair"],
    ['{"a":1.}', "invalid character '}' after decimal point in numeric literal"],
    ['{"a":1ex}', "invalid character 'x' in exponent of numeric literal"],
    ['{"a":"\\x"}', "invalid character 'x' in string escape code"],
    ['{"a":"\\u12g4"}', "invalid character 'g' in \\u hexadecimal character escape"],
    ['{"a":"\n"}', "invalid character '\\n' in string literal"],
    ['[1]', 'json: cannot unmarshal array into Go value of type map[string]interface {}'],
    ['"x"', 'json: cannot unmarshal string into Go value of type map[string]interface {}'],
    ['1', 'json: cannot unmarshal number into Go value of type map[string]interface {}'],
    ['true', 'json: cannot unmarshal bool into Go value of type map[string]interface {}'],
    ['{"a":["1e999",1e400]}', 'json: cannot unmarshal number 1e400 into Go value of type float64'],
  ])('%s is refused: %s', (text, message) => {
    expect(rewritten(text)).toBe(message)
  })

  it('may be deep, but not deeper than Go reads', () => {
    const deep = (depth: number): string => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`
    expect(rewritten(deep(9_999))).toBe(deep(9_999))
    expect(rewritten(deep(10_001))).toBe('exceeded max depth')
    expect(rewritten(deep(1_000_000))).toBe('exceeded max depth')
  })
})
