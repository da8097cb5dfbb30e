import { describe, expect, it } from 'vitest'
import { parseValues } from '../../src/cli/values.ts'

describe('parseValues', () => {
  it.each<[string, unknown]>([
    ['5.1,3.5, 1.4 0.2', [5.1, 3.5, 1.4, 0.2]],
    ['7', 7],
    ['-1e3', -1000],
    ['.5,-.5,+2', [0.5, -0.5, 2]],
    [
      '[[1,2],[3,4]]',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ['[]', []],
    [
      '[1,2],[3,4]',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ['["a","b,\\"c"]', ['a', 'b,"c']],
    ['true,false', [true, false]],
    ['NaN,-Infinity,inf', [NaN, -Infinity, Infinity]],
    ['9007199254740993', 9007199254740993n],
    ['[-9223372036854775808]', [-(2n ** 63n)]],
  ])('reads %s', (text, expected) => {
    expect(parseValues(text, 'x')).toEqual(expected)
  })

  it.each([
    ['', 'no value'],
    ['1,a', "cannot read 'a'"],
    ['[1,2', 'cannot read its end'],
    ['[1 2]', "cannot read '2]'"],
    ['{"a":1}', `cannot read '{"a":1}'`],
    ['1.2.3', "cannot read '1.2.3'"],
    ['12px', "cannot read '12px'"],
    ['['.repeat(100_000), 'cannot read'],
  ])('refuses %s', (text, reason) => {
    expect(() => parseValues(text, '--input x')).toThrow(`--input x: ${reason}`)
  })

  it('reads a million numbers', () => {
    const text = `[${Array.from({ length: 1_000_000 }, (_, index) => index).join(',')}]`
    expect(parseValues(text, 'x')).toHaveLength(1_000_000)
  })
})
