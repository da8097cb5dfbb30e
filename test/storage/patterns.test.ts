import { describe, expect, it } from 'vitest'
import { isWanted, readPatterns } from '../../src/storage/patterns.ts'

const fits = (path: string, pattern: string) => isWanted(path, { allow: [pattern] })

describe('patterns of files', () => {
  it.each([
    ['*.onnx', 'a/b/model.onnx', true], // a star crosses slashes, as in Python's fnmatch
    ['*.onnx', 'model.onnx.txt', false],
    ['model.?nnx', 'model.onnx', true],
    ['[a-c]*', 'beta', true],
    ['[!a-c]*', 'beta', false],
    ['[!a-c]*', 'delta', true],
    ['[]]x', ']x', true],
    ['[abc', '[abc', true],
    ['a[-]b', 'a-b', true],
    ['*/1/*', 'iris/1/model.onnx', true],
    ['', '', true],
    ['', 'a', false],
    ['**', 'anything/at/all', true],
    ['a*b*c', 'a-b-b-c', true],
    ['a*b*c', 'a-b-b', false],
  ])('%j on %j is %s', (pattern, path, expected) => {
    expect(fits(path, pattern)).toBe(expected)
  })

  it('want what is allowed and not ignored', () => {
    const patterns = { allow: ['*.onnx', '*.json'], ignore: ['*draft*'] }
    expect(['a.onnx', 'a.json', 'a.txt', 'draft.onnx'].filter((path) => isWanted(path, patterns))).toEqual([
      'a.onnx',
      'a.json',
    ])
  })

  it('with many stars end in time', () => {
    const started = performance.now()
    expect(fits('a'.repeat(5000), `${'*a'.repeat(200)}b`)).toBe(false)
    expect(performance.now() - started).toBeLessThan(5000)
  })

  it('are read as JSON or between commas', () => {
    expect(readPatterns('["*.onnx", "*.json"]', 'X')).toEqual(['*.onnx', '*.json'])
    expect(readPatterns(' *.onnx , *.json,', 'X')).toEqual(['*.onnx', '*.json'])
    expect(readPatterns(undefined, 'X')).toEqual([])
    expect(() => readPatterns('[1]', 'STORAGE_ALLOW_PATTERNS')).toThrow('STORAGE_ALLOW_PATTERNS: expected')
    expect(() => readPatterns('["a"', 'STORAGE_ALLOW_PATTERNS')).toThrow('STORAGE_ALLOW_PATTERNS: expected')
  })
})
