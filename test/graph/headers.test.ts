/** Which headers go on to the steps, and Go's regular expressions that say so. */
import { describe, expect, it } from 'vitest'
import { canonicalName, compileHeaderPatterns } from '../../src/graph/index.ts'
import { propagatedHeaders } from '../../src/graph/headers.ts'

const names = (patterns: readonly string[], headers: Readonly<Record<string, string | readonly string[]>>) =>
  propagatedHeaders(headers, compileHeaderPatterns(patterns)).map(([name, value]) => `${name}: ${value}`)

describe('headers', () => {
  it('are kept back unless a pattern fits, and the content type is JSON', () => {
    expect(names([], { authorization: 'x', 'content-type': 'text/plain' })).toEqual(['Content-Type: application/json'])
    expect(names(['Content-Type'], { 'content-type': 'text/plain' })).toEqual(['Content-Type: text/plain'])
    expect(names(['Content-Type'], { 'content-type': '' })).toEqual(['Content-Type: application/json'])
  })

  it('are matched by their canonical names, case counting, anywhere in the name, once', () => {
    const headers = { 'x-request-id': '1', authorization: 'T' }
    expect(names(['x-request-id'], headers)).toEqual(['Content-Type: application/json'])
    expect(names(['Request', 'X-Request-Id'], headers)).toEqual(['X-Request-Id: 1', 'Content-Type: application/json'])
    expect(names(['(?i)REQUEST'], headers)).toEqual(['X-Request-Id: 1', 'Content-Type: application/json'])
    expect(names(['^Auth', ''], { host: 'h', 'content-length': '3', cookie: 'c' })).toEqual([
      'Cookie: c',
      'Content-Type: application/json',
    ])
  })

  it('keep all their values', () => {
    expect(names(['X-A'], { 'x-a': ['1', '2'] })).toEqual(['X-A: 1', 'X-A: 2', 'Content-Type: application/json'])
  })

  it('have the names that Go gives them', () => {
    expect(['x-request-id', 'WWW-AUTHENTICATE', 'etag', 'a b'].map(canonicalName)).toEqual([
      'X-Request-Id',
      'Www-Authenticate',
      'Etag',
      'a b',
    ])
  })
})

describe('patterns', () => {
  it.each(['*Trace-Id*', 'X-[a', '(?=x)', '(?!x)', '(?<=x)y', '\\1', 'a**', 'a{1001}', '(a', 'x)', '(?i'])(
    'that Go refuses are refused: %s',
    (pattern) => {
      expect(compileHeaderPatterns([pattern, 'X']).refused).toHaveLength(1)
      expect(compileHeaderPatterns([pattern, 'X']).patterns).toHaveLength(1)
    },
  )

  it.each([
    ['(?P<n>X)-A', 'X-A'],
    ['^X-[[:alpha:]]+$', 'X-Abc'],
    ['\\AX-\\d+\\z', 'X-12'],
    ['\\QX-A+\\E', 'X-A+'],
    ['X-\\pL', 'X-A'],
    ['X-A??', 'X-'],
    ['(?is)x-a', 'X-A'],
  ])('that Go takes are taken: %s', (pattern, name) => {
    const { patterns } = compileHeaderPatterns([pattern])
    expect(patterns[0]?.test(name)).toBe(true)
  })
})
