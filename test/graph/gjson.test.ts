/** GJSON paths: the truth table of the reference, and answers recorded from tidwall/gjson v1.18.0. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { compileGjson, isValidJson } from '../../src/graph/gjson.ts'
import { cpuMsOf } from '../cpu-time.ts'
import { fixtures, shared, withoutShared } from '../paths.ts'

interface Table {
  readonly gjson: {
    readonly document: unknown
    readonly rows: readonly { readonly path: string; readonly exists: boolean; readonly raw: string }[]
  }
  readonly validJson: readonly { readonly input: string; readonly valid: boolean }[]
}

/** `raw` is null where the path leads nowhere. */
interface Recorded {
  readonly json: string
  readonly path: string
  readonly raw: string | null
}

const table =
  shared === undefined
    ? undefined
    : (JSON.parse(readFileSync(join(shared, 'cases', 'inference-graph.json'), 'utf8')) as Table) // written by us
const recorded = JSON.parse(readFileSync(join(fixtures, 'gjson.json'), 'utf8')) as readonly Recorded[] // recorded answers

describe.skipIf(table === undefined)(`the truth table (${withoutShared})`, () => {
  const document = JSON.stringify(table?.gjson.document)

  it.each(table?.gjson.rows ?? [])('$path exists: $exists', ({ path, exists, raw }) => {
    expect(compileGjson(path).exists(document)).toBe(exists)
    expect(compileGjson(path).get(document) ?? '').toBe(raw)
  })

  it.each(table?.validJson ?? [])('$input is valid JSON: $valid', ({ input, valid }) => {
    expect(isValidJson(input === '<byte 0xff>' ? '\uFFFD' : input)).toBe(valid)
  })
})

describe('recorded answers', () => {
  it('has enough of them', () => {
    expect(recorded.length).toBeGreaterThan(400)
  })

  it.each(recorded)('$path of $json', ({ json, path, raw }) => {
    expect(compileGjson(path).get(json) ?? null).toBe(raw)
  })
})

describe('a path', () => {
  it('can be used for any number of documents', () => {
    const path = compileGjson('instances.#(n>5).t')
    expect(path.get('{"instances":[{"n":9,"t":"x"}]}')).toBe('"x"')
    expect(path.get('{"instances":[{"n":1,"t":"x"}]}')).toBeUndefined()
    expect(path.get('{"instances":[{"n":6,"t":"y"}]}')).toBe('"y"')
  })

  it('finds nothing in an empty text', () => {
    for (const path of ['a', '0', '#', '#(a==1)', '', '@this']) expect(compileGjson(path).exists('')).toBe(false)
  })

  it('does not run out of stack in a deep document', () => {
    const deep = '['.repeat(20_000) + ']'.repeat(20_000)
    expect(compileGjson('@flatten:{"deep":true}').exists(deep)).toBe(true)
    expect(compileGjson('@dig:x').exists(deep)).toBe(true)
    expect(compileGjson('@pretty').exists(deep)).toBe(true)
    expect(compileGjson('0.0.0.0').exists(deep)).toBe(true)
  })

  it('matches a hostile pattern in little time', () => {
    const json = JSON.stringify({ a: ['a'.repeat(20_000)] })
    const path = compileGjson(`a.#(%"${'a*'.repeat(50)}b")`)
    const spentMs = cpuMsOf(() => expect(path.exists(json)).toBe(false))
    expect(spentMs).toBeLessThan(2000)
  })

  it('formats JSON over several lines', () => {
    const json = '{"b":[1,2,3],"a":{"c":{}},"d":[]}'
    expect(compileGjson('@pretty').get(json)).toBe('{\n  "b": [1, 2, 3],\n  "a": {\n    "c": {}\n  },\n  "d": []\n}\n')
    const sorted = compileGjson('@pretty:{"sortKeys":true,"indent":"\t","width":0}').get(json)
    expect(sorted).toBe('{\n\t"a": {\n\t\t"c": {}\n\t},\n\t"b": [\n\t\t1,\n\t\t2,\n\t\t3\n\t],\n\t"d": []\n}\n')
  })
})
