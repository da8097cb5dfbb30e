/** Records of TensorFlow files, and the requests that are logged in them. */
import { describe, expect, it } from 'vitest'
import { encodeInput } from '../../src/codec/tensorflow/example.ts'
import { encodePredictRequest } from '../../src/codec/tensorflow/predict.ts'
import { decodePredictionLog } from '../../src/codec/tensorflow/prediction-log.ts'
import { readRecords, writeRecords } from '../../src/codec/tensorflow/record.ts'
import type { Signatures } from '../../src/core/named-signature.ts'
import { tensor } from '../../src/core/tensor.ts'
import { embedded } from './embedded.ts'

describe('readRecords', () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
  const texts = (records: readonly Uint8Array[]) => records.map((record) => new TextDecoder().decode(record))

  it('reads and writes the format byte by byte', () => {
    // Made by a bitwise CRC-32C in Python: that of these nine digits is its check value, e3069283.
    const file = Buffer.from('090000000000000037f97139313233343536373839e5b08ac7', 'hex')
    expect(texts(readRecords(file, 10))).toEqual(['123456789'])
    expect(Buffer.from(writeRecords([bytes('123456789')])).toString('hex')).toBe(file.toString('hex'))
  })

  it('reads what was written, empty records too', () => {
    const records = [bytes('one'), bytes(''), bytes('three'.repeat(1000))]
    expect(texts(readRecords(writeRecords(records), 3))).toEqual(texts(records))
    expect(readRecords(new Uint8Array(0), 3)).toEqual([])
  })

  it('names the record that is damaged, cut off, or one too many', () => {
    const file = writeRecords([bytes('one'), bytes('two')])
    const damaged = (at: number): Uint8Array => file.with(at, (file[at] ?? 0) ^ 1)
    const second = 12 + 3 + 4
    expect(() => readRecords(file, 1)).toThrow('record 2: there are more than 1 records')
    expect(() => readRecords(file.subarray(0, -1), 9)).toThrow('record 2: the file ends inside it')
    expect(() => readRecords(file.subarray(0, second + 5), 9)).toThrow('record 2: the file ends inside it')
    expect(() => readRecords(damaged(second), 9)).toThrow('record 2: the checksum of its length is wrong')
    expect(() => readRecords(damaged(second + 12), 9)).toThrow('record 2: the checksum of its bytes is wrong')
    expect(() => readRecords(bytes('{"inputs": [], "more": 1}'), 9)).toThrow(
      'record 1: the checksum of its length is wrong',
    )
  })
})

describe('decodePredictionLog', () => {
  const expected: Signatures = { inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }], outputs: [] }
  const x = tensor('x', 'FP32', [2, 2], Float32Array.of(1, 2, 3, 4))
  const spec = { name: 'other', signatureName: '' }
  const features = (...values: number[]) => new Map([['x', { kind: 'float' as const, values }]])
  const examples = encodeInput([features(1, 2), features(3, 4)])

  it('reads a predict log with its filter of outputs', () => {
    const request = encodePredictRequest({ spec, inputs: [x], outputFilter: ['y'] })
    const log = embedded(6, embedded(1, request))
    expect(decodePredictionLog(log, expected)).toEqual({ kind: 'runs', runs: [{ inputs: [x], outputs: ['y'] }] })
  })

  it('reads a predict log that names no model', () => {
    const request = encodePredictRequest({ spec, inputs: [x], outputFilter: [] })
    const nameless = request.subarray(2 + 2 + 'other'.length)
    expect(decodePredictionLog(embedded(6, embedded(1, nameless)), expected)).toMatchObject({ runs: [{ inputs: [x] }] })
  })

  it.each([
    ['classify', 2, embedded(2, examples)],
    ['regress', 3, embedded(2, examples)],
    ['multi-inference', 4, embedded(2, examples)],
  ])('makes inputs of the examples in a %s log', (_name, field, request) => {
    expect(decodePredictionLog(embedded(field, embedded(1, request)), expected)).toEqual({
      kind: 'runs',
      runs: [{ inputs: [x], outputs: [] }],
    })
  })

  it('names the kinds that no model here answers', () => {
    expect(decodePredictionLog(embedded(5, new Uint8Array(0)), expected)).toEqual({
      kind: 'unsupported',
      name: 'session_run_log',
    })
    expect(decodePredictionLog(embedded(7, new Uint8Array(0)), expected)).toEqual({
      kind: 'unsupported',
      name: 'predict_streamed_log',
    })
    expect(decodePredictionLog(new Uint8Array(0), expected)).toEqual({ kind: 'unsupported', name: 'an empty log' })
  })

  it('throws for what is no log', () => {
    expect(() => decodePredictionLog(Uint8Array.of(0x32, 0x7f, 1), expected)).toThrow('malformed PredictionLog')
  })
})
