/** The examples of V1 in JSON: hostile bodies, and what features become. */
import { describe, expect, it } from 'vitest'
import { decodeV1Examples, encodeV1Results } from '../../src/codec/v1-examples.ts'
import { InferenceError } from '../../src/core/errors.ts'
import type { TensorMetadata } from '../../src/core/model.ts'
import { dataTypes } from '../../src/core/tensor.ts'
import { integer, pick, seeded } from './random.ts'

const expected: readonly TensorMetadata[] = dataTypes
  .filter((datatype) => datatype !== 'FP16' && datatype !== 'BF16')
  .map((datatype) => ({ name: datatype, datatype, shape: [-1, -1] }))
const features = Object.fromEntries(
  expected.map(({ name, datatype }) => [
    name,
    datatype === 'BYTES' ? ['text', { b64: 'AAE=' }] : datatype.startsWith('FP') ? [0.5, -2.5] : [1, 0],
  ]),
)
const text = JSON.stringify({ signature_name: 'serving_default', context: features, examples: [{}, features] })

/** Of a model that parses examples itself. */
const parsed = {
  inputs: [{ name: 'inputs', datatype: 'BYTES', shape: [-1] }],
  outputs: [{ name: 'scores', datatype: 'FP32', shape: [-1] }],
} as const
const parsing = { ...parsed, signatures: [{ ...parsed, name: 'serving_default', methodName: '' }] }

const junk = [
  ...['{', '}', '[', ']', ',', ':', '"', '\\', '\\ud800', '-', '.', 'e', ' ', '\0', 'null', 'true', 'NaN', '-Infinity'],
  ...['1e999', '9223372036854775808', '9'.repeat(400), '{"b64":"="}', '"examples":[{}]', '[[1]]'],
]

describe('decodeV1Examples', () => {
  it('makes every feature an input, from the context or the example', () => {
    const { inputs, rows } = decodeV1Examples(Buffer.from(text), 'classify', { inputs: expected, outputs: [] })
    expect(rows).toBe(2)
    expect(inputs.map(({ name, datatype, shape }) => [name, datatype, shape])).toEqual(
      expected.map(({ name, datatype }) => [name, datatype, [2, 2]]),
    )
  })

  it.each(['FP16', 'BF16'] as const)('refuses a model that takes %s, which no feature can hold', (datatype) => {
    const body = Buffer.from('{"examples":[{"x":1.5}]}')
    expect(() =>
      decodeV1Examples(body, 'regress', { inputs: [{ name: 'x', datatype, shape: [-1] }], outputs: [] }),
    ).toThrow(`input 'x' takes ${datatype}, which no feature can hold: use Predict`)
  })

  it('answers hostile bodies by values or invalid_argument', { timeout: 60_000 }, () => {
    const random = seeded(21)
    const outcomes = { values: 0, refusals: 0 }
    for (let round = 0; round < 20_000; round += 1) {
      let body = text
      for (let times = 1 + integer(random, 3); times > 0; times -= 1) {
        const at = integer(random, body.length + 1)
        const end = Math.min(body.length, at + integer(random, 4))
        body = body.slice(0, at) + pick(random, [...junk, '', body.slice(at, at + 40)]) + body.slice(end)
      }
      const declared = pick(random, [{ inputs: expected, outputs: [] }, { inputs: [], outputs: [] }, parsing])
      try {
        decodeV1Examples(Buffer.from(body), 'classify', declared)
        outcomes.values += 1
      } catch (reason) {
        if (!(reason instanceof InferenceError) || reason.code !== 'invalid_argument') {
          throw new Error(`round ${round}: ${body}`, { cause: reason })
        }
        outcomes.refusals += 1
      }
    }
    expect(outcomes.values).toBeGreaterThan(500)
    expect(outcomes.refusals).toBeGreaterThan(5000)
  })

  it('refuses nesting of any depth in a feature, and skips it elsewhere', () => {
    const deep = '['.repeat(200_000) + ']'.repeat(200_000)
    expect(() =>
      decodeV1Examples(Buffer.from(`{"examples":[{"x":${deep}}]}`), 'regress', { inputs: [], outputs: [] }),
    ).toThrow(InferenceError)
    const { rows } = decodeV1Examples(Buffer.from(`{"other":${deep},"examples":[{"x":1}]}`), 'regress', {
      inputs: [],
      outputs: [],
    })
    expect(rows).toBe(1)
  })
})

describe('encodeV1Results', () => {
  it('writes scores with the fewest digits of a float32, and labels as strings', () => {
    const classes = [[{ label: 'a"b', score: Math.fround(0.1) }], [], [{ label: '', score: NaN }]]
    const written = (body: Uint8Array): string => Buffer.from(body).toString()
    expect(written(encodeV1Results({ kind: 'classify', classes }))).toBe('{"results":[[["a\\"b",0.1]],[],[["",NaN]]]}')
    expect(written(encodeV1Results({ kind: 'regress', values: [] }))).toBe('{"results":[]}')
  })
})
