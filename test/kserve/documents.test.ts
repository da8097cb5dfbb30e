/** What files of manifests may be, and what hostile ones get. */
import { describe, expect, it } from 'vitest'
import { parseDocuments } from '../../src/kserve/documents.ts'

const parse = (text: string) => parseDocuments(text, 'm.yaml')

describe('documents', () => {
  it('are told apart, empty ones left out', () => {
    expect(parse('a: 1\n---\n---\n# nothing\n---\nb: 2\n...\n').map(({ value }) => value)).toEqual([{ a: 1 }, { b: 2 }])
  })

  it('may be JSON', () => {
    expect(parse('{"a": {"b": [1, "x"]}}').map(({ value }) => value)).toEqual([{ a: { b: [1, 'x'] } }])
  })

  it('tell the line of each field, in every document', () => {
    const [, second] = parse('a: 1\n---\nspec:\n  list:\n    - name: x\n      image: y\n    - {name: z}\n')
    expect(second?.where([])).toBe('m.yaml:3')
    expect(second?.where(['spec', 'list', 0, 'image'])).toBe('m.yaml:6')
    expect(second?.where(['spec', 'list', 1, 'name'])).toBe('m.yaml:7')
    expect(second?.where(['spec', 'missing', 'deeper'])).toBe('m.yaml:3')
  })

  it('share parts by anchors and merge keys', () => {
    const [only] = parse('base: &b {x: 1}\nown: {<<: *b, y: 2}\nsame: *b\n')
    expect(only?.value).toEqual({ base: { x: 1 }, own: { x: 1, y: 2 }, same: { x: 1 } })
    expect(only?.where(['same', 'x'])).toBe('m.yaml:1')
  })

  it('come from the items of a List', () => {
    const items = parse('kind: List\napiVersion: v1\nitems:\n- {kind: A}\n- kind: B\n  x: 1\n')
    expect(items.map(({ value }) => value)).toEqual([{ kind: 'A' }, { kind: 'B', x: 1 }])
    expect(items[1]?.where(['x'])).toBe('m.yaml:6')
  })

  it('have no field that is null', () => {
    expect(parse('a: null\nb: {c: ~, d: [null]}\n')[0]?.value).toEqual({ b: { d: [null] } })
  })
})

describe('a hostile file', () => {
  const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]']
  for (const [name, last] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf', 'hg'].map((pair) => [...pair])) {
    bomb.push(`${name}: &${name} [${Array.from({ length: 9 }, () => `*${last}`).join()}]`)
  }

  const wide = Array.from({ length: 20_000 }, (_, index) => `k${index}: ${index}`).join('\n')
  const many = (name: string) => Array.from({ length: 500 }, () => name).join(',')
  const merges = `a: &a {x: 1}\nb: &b {<<: [${many('*a')}]}\nc: {<<: [${many('*b')}]}`

  it.each([
    ['an alias bomb', bomb.join('\n'), /^m\.yaml:\d+: its aliases repeat too much$/],
    ['a text of 10 MB', `a: ${'x'.repeat(10_000_000)}`, /^m\.yaml:1: has 10000003 characters/],
    ['lists in lists', `a:\n- ${'['.repeat(200_000)}`, /^m\.yaml:2: is nested too deeply, at most 200 levels$/],
    ['lists on one line', `a:\n  ${'- '.repeat(100_000)}x`, /^m\.yaml:2: is nested too deeply/],
    ['too many documents', '---\na: 1\n'.repeat(1001), /^m\.yaml:1: holds 1001 documents/],
    ['a wide map', wide, /^m\.yaml:1: has 20000 keys, a map may have 5000$/],
    ['a wide map in a list', `a: 1\nb:\n- {${'x, '.repeat(6000)}}`, /^m\.yaml:3: has 6000 keys/],
    ['a key of 2 MB', `${'k'.repeat(2_000_000)}: 1`, /^m\.yaml:1: a key is too long, it may have 1024 characters$/],
    ['an alias in itself', 'a: &a [*a]', /^m\.yaml:1: its aliases repeat too much$/],
    ['merge keys of merge keys', merges, /^m\.yaml:3: its aliases repeat too much$/],
    ['a key twice', 'a: 1\nb: 2\na: 3\n', /^m\.yaml:3: Map keys must be unique$/],
    ['an alias of nothing', 'a: 1\nb: *nowhere\n', /^m\.yaml:2: an alias names no anchor$/],
    ['no YAML', 'a: 1\nb: [1,\n', /^m\.yaml:\d: .+$/],
  ])('%s is refused with its line', (_, text, message) => {
    expect(() => parse(text)).toThrow(message)
  })

  it.each(['password: *hunter2', 'password: |hunter2\n', 'a: "x" hunter2', '- a\nhunter2: c: d', 'k: "hunter2'])(
    '%j is refused without a word of what is in it',
    (text) => {
      let message = ''
      try {
        parse(text)
      } catch (reason) {
        message = String(reason)
      }
      expect(message).toContain('m.yaml:')
      expect(message).not.toContain('hunter2')
    },
  )

  it('cannot reach the prototype of objects', () => {
    parse('__proto__: {polluted: true}\n')
    expect(Object.keys(Object.prototype)).toEqual([])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})
