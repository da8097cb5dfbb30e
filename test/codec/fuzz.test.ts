import { describe, expect, it } from 'vitest'
import {
  decodeV1Request,
  decodeV1Response,
  decodeV2Request,
  decodeV2Response,
  encodeV1Request,
  encodeV1Response,
  encodeV2Request,
  encodeV2Response,
} from '../../src/codec/index.ts'
import { InferenceError } from '../../src/core/errors.ts'
import { dataTypes } from '../../src/core/tensor.ts'
import { cpuMsOf } from '../cpu-time.ts'
import { integer, pick, seeded } from './random.ts'
import type { Random } from './random.ts'
import { jsonTypes, randomTensor } from './tensors.ts'
import { whole } from './text.ts'

const model = { name: 'm', version: '1' }
const rounds = 33_334

/** What breaks parsers: syntax, types, numbers out of range, huge shapes, keys of the protocols, bytes that are no text. */
const junk = [
  ...[
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '\\u',
    '\\ud800',
    '-',
    '+',
    '.',
    'e',
    '1e999',
    '00',
    '0x',
    ' ',
    '\0',
    '\x7f',
  ],
  ...[
    'null',
    'true',
    'false',
    'NaN',
    'Infinity',
    '-Infinity',
    '1.5',
    '-1',
    '300',
    '18446744073709551616',
    '9007199254740993',
  ],
  ...[
    '[4611686018427387904,16]',
    '[1000000000000]',
    '[0]',
    '[]',
    '{}',
    '""',
    '"x"',
    '{"b64":"AA=="}',
    '{"b64":1}',
    '[[1]]',
  ],
  ...[
    '"data":[1],',
    '"shape":[2],',
    '"datatype":"INT64",',
    '"datatype":"FP16",',
    '"datatype":"BYTES",',
    '"name":"t1",',
  ],
  ...[
    '"parameters":{"binary_data_size":8},',
    '"parameters":{"shared_memory_region":"r"},',
    '"outputs":[{"name":"t0"}],',
  ],
  ...[
    '"instances":[1],',
    '"inputs":[1],',
    '"signature_name":"x",',
    '"__proto__":',
    '"id":7,',
    '['.repeat(300),
    '[{"a":'.repeat(200),
  ],
]

function mutate(random: Random, body: Buffer): Buffer {
  let mutated = body
  for (let times = integer(random, 4); times > 0; times -= 1) {
    const at = integer(random, mutated.length + 1)
    const until = Math.min(mutated.length, at + integer(random, pick(random, [1, 3, 40])))
    const middle =
      random() < 0.7
        ? Buffer.from(pick(random, junk))
        : Buffer.from(Array.from({ length: integer(random, 4) }, () => integer(random, 256)))
    mutated = Buffer.concat([mutated.subarray(0, at), middle, mutated.subarray(until)])
  }
  if (random() < 0.1) mutated = mutated.subarray(0, integer(random, mutated.length + 1))
  if (random() < 0.05) mutated = Buffer.concat([mutated, mutated])
  return random() < 0.02
    ? Buffer.from(Array.from({ length: integer(random, 60) }, () => integer(random, 256)))
    : mutated
}

function headerLength(random: Random, right: number | undefined, length: number): number | undefined {
  if (random() < 0.8) return right
  return pick(random, [undefined, 0, -1, NaN, 1.5, 1e9, length, integer(random, length + 2)])
}

/** A value, or an error that blames the client. */
function survives(work: () => unknown, body: Buffer): number {
  try {
    work()
    return 1
  } catch (reason) {
    if (reason instanceof InferenceError && (reason.code === 'invalid_argument' || reason.code === 'unimplemented'))
      return 0
    throw new Error(`${String(reason)} for ${JSON.stringify(body.toString('latin1'))}`, { cause: reason })
  }
}

describe('decoders under fire', () => {
  it('decodeV2Request: 33,334 broken bodies', () => {
    const random = seeded(21)
    let good = 0
    for (let round = 0; round < rounds; round += 1) {
      const binary = random() < 0.5
      const inputs = [0, 1].map((index) =>
        randomTensor(random, `t${index}`, pick(random, binary ? dataTypes : jsonTypes)),
      )
      const sent = encodeV2Request({ id: 'i', model, inputs, parameters: { a: 1 }, outputs: ['y'] }, { binary })
      const body = mutate(random, whole(sent.body))
      good += survives(() => decodeV2Request(body, headerLength(random, sent.headerLength, body.length), model), body)
    }
    expect(good).toBeGreaterThan(rounds / 20)
    expect(good).toBeLessThan(rounds * 0.9)
  })

  it('decodeV2Response: 33,334 broken bodies', () => {
    const random = seeded(22)
    let good = 0
    for (let round = 0; round < rounds; round += 1) {
      const isBinary = random() < 0.5
      const outputs = [0, 1].map((index) =>
        randomTensor(random, `t${index}`, pick(random, isBinary ? dataTypes : jsonTypes)),
      )
      const sent = encodeV2Response({ id: 'i', model, outputs, parameters: { a: 'x' } }, { isBinary })
      const body = mutate(random, whole(sent.body))
      good += survives(() => decodeV2Response(body, headerLength(random, sent.headerLength, body.length)), body)
    }
    expect(good).toBeGreaterThan(rounds / 20)
    expect(good).toBeLessThan(rounds * 0.9)
  })

  it('decodeV1Request and decodeV1Response: 33,334 broken bodies', () => {
    const random = seeded(23)
    let good = 0
    const chosen = { parameters: { signature_name: 'b' } }
    for (let round = 0; round < rounds; round += 1) {
      const tensors = Array.from({ length: 1 + integer(random, 2) }, (_, index) =>
        randomTensor(random, `t${index}`, pick(random, jsonTypes), [2, 3].slice(0, 1 + integer(random, 2))),
      )
      const format = pick(random, ['row', 'columnar'] as const)
      const metadata = random() < 0.3 ? [] : tensors.map(({ name, datatype }) => ({ name, datatype, shape: [-1] }))
      const isRequest = random() < 0.7
      const sent = isRequest
        ? encodeV1Request({ model, inputs: tensors, ...(random() < 0.3 ? chosen : {}) }, format)
        : encodeV1Response({ model, outputs: tensors }, format)
      const body = mutate(random, Buffer.from(sent))
      const named = (name: string) => ({ name, methodName: '', inputs: metadata, outputs: [] })
      const several = { inputs: metadata, outputs: [], signatures: [named('a'), named('b')] }
      const decode = isRequest ? decodeV1Request : decodeV1Response
      good += survives(
        () =>
          isRequest && random() < 0.5 ? decodeV1Request(body, model, metadata, several) : decode(body, model, metadata),
        body,
      )
    }
    expect(good).toBeGreaterThan(rounds / 20)
    expect(good).toBeLessThan(rounds * 0.9)
  })

  it('is not slowed down by hostile sizes', () => {
    const many = Array.from({ length: 100_000 }, (_, index) => `{"name":"o${index}"}`).join(',')
    const keys = Array.from({ length: 100_000 }, (_, index) => `"k${index}":1`).join(',')
    const digits = '9'.repeat(1_000_000)
    const hostile = [
      `{"outputs":[${many}]}`,
      `{"instances":[{${keys}},{${keys}}]}`,
      `{"inputs":{${keys}},"parameters":{${keys}}}`,
      `{"parameters":{"a":${digits}}}`,
      `{"inputs":[{"name":"x","datatype":"INT64","shape":[1],"data":[${digits}]}]}`,
      `{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[0.${digits}e${digits}]}]}`,
      `{"inputs":[{"name":"x","datatype":"FP32","shape":[${'1,'.repeat(500_000)}1],"data":[1]}]}`,
      `{"instances":${'['.repeat(500_000)}`,
      `{"instances":[{"a":${'[{"b":'.repeat(200_000)}`,
      `{"instances":[${'{"b64":'.repeat(200_000)}`,
      `{"id":"${'\\u00e9'.repeat(200_000)}"}`,
      `{${'"instances":[1],'.repeat(100_000)}"signature":"signature_name"}`,
    ].map((text) => Buffer.from(text))
    const signature = { name: 'a', methodName: '', inputs: [], outputs: [] }
    const several = { inputs: [], outputs: [], signatures: [signature, { ...signature, name: 'b' }] }
    const spentMs = cpuMsOf(() => {
      for (const body of hostile) {
        survives(() => decodeV2Request(body, undefined, model), body)
        survives(() => decodeV1Request(body, model, []), body)
        survives(() => decodeV1Request(body, model, [], several), body)
        survives(() => decodeV2Response(body), body)
      }
    })
    expect(spentMs).toBeLessThan(10_000)
  })
})
