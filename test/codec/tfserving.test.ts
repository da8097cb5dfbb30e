/** TF Serving's messages: round trips, agreement with another implementation, hostile bytes. */
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Feature, Features } from '../../src/codec/features.ts'
import { decodeInput, encodeInput } from '../../src/codec/tensorflow/example.ts'
import { decodeExampleRequest, decodeMultiInferenceRequest } from '../../src/codec/tensorflow/inference.ts'
import { decodeModelMetadataRequest, decodeModelStatusRequest } from '../../src/codec/tensorflow/model-info.ts'
import { peekModelSpec } from '../../src/codec/tensorflow/model-spec.ts'
import {
  decodePredictRequest,
  decodePredictResponse,
  encodePredictRequest,
  encodePredictResponse,
} from '../../src/codec/tensorflow/predict.ts'
import { InferenceError } from '../../src/core/errors.ts'
import type { TensorMetadata } from '../../src/core/model.ts'
import { dataTypes } from '../../src/core/tensor.ts'
import { root } from '../paths.ts'
import { integer, pick, seeded, type Random } from './random.ts'
import { randomTensor } from './tensors.ts'

const definitions = loadSync('tensorflow_serving/apis/prediction_service.proto', {
  includeDirs: [join(root, 'proto')],
  keepCase: true,
  longs: String,
})
function otherCodec(name: string): MessageTypeDefinition<object, object> {
  const definition = definitions[`tensorflow.serving.${name}`]
  if (definition === undefined) throw new Error(`no message ${name} in proto/`)
  return definition as MessageTypeDefinition<object, object> // the names are those of messages
}
const other = otherCodec('PredictRequest')
const reencoded = (bytes: Uint8Array): Buffer => other.serialize(other.deserialize(Buffer.from(bytes)))

const spec = { name: 'm', version: '7', signatureName: 'serving_default' }

describe('PredictRequest and PredictResponse', () => {
  it.each(dataTypes)('keep every %s tensor, alone and through another implementation', (datatype) => {
    const random = seeded(dataTypes.indexOf(datatype))
    for (let round = 0; round < 40; round += 1) {
      const inputs = [randomTensor(random, 'first', datatype), randomTensor(random, 'second', datatype)]
      const call = { spec, inputs, outputFilter: ['y', 'z'] }
      const bytes = encodePredictRequest(call)
      expect(decodePredictRequest(bytes)).toEqual(call)
      expect(decodePredictRequest(reencoded(bytes))).toEqual(call)
      const answer = { spec, outputs: inputs }
      expect(decodePredictResponse(encodePredictResponse(answer))).toEqual(answer)
    }
  })

  it('read values that are not packed, and fields in any order', () => {
    const packed = Buffer.from([0x2a, 8, 0, 0, 128, 63, 0, 0, 0, 64]) // float_val [1, 2]
    const single = Buffer.from([0x2d, 0, 0, 128, 63, 0x2d, 0, 0, 0, 64])
    const head = Buffer.from([0x12, 4, 0x12, 2, 8, 2, 8, 1]) // shape [2], DT_FLOAT
    const model = Buffer.from([0x0a, 3, 0x0a, 1, 0x6d])
    for (const values of [packed, single]) {
      for (const tensor of [Buffer.concat([values, head]), Buffer.concat([head, values])]) {
        const value = Buffer.concat([Buffer.from([0x12, tensor.length]), tensor])
        for (const entry of [
          Buffer.concat([Buffer.from([0x0a, 1, 0x78]), value]),
          Buffer.concat([value, Buffer.from([0x0a, 1, 0x78])]),
        ]) {
          const request = Buffer.concat([Buffer.from([0x12, entry.length]), entry, model])
          const [x] = decodePredictRequest(request).inputs
          expect(x).toMatchObject({ name: 'x', datatype: 'FP32', shape: [2], data: Float32Array.of(1, 2) })
        }
      }
    }
  })

  it('view tensor_content where it is aligned', () => {
    const content = Buffer.from(Float32Array.from({ length: 64 }, (_, index) => index).buffer)
    const request = other.serialize({
      model_spec: { name: 'm' },
      inputs: { x: { dtype: 'DT_FLOAT', tensor_shape: { dim: [{ size: 64 }] }, tensor_content: content } },
    })
    const views = Array.from({ length: 4 }, (_, shift) => {
      const bytes = new Uint8Array(request.length + shift).fill(0)
      bytes.set(request, shift)
      const [x] = decodePredictRequest(bytes.subarray(shift)).inputs
      expect(x?.data).toEqual(Float32Array.from({ length: 64 }, (_value, index) => index))
      return x?.datatype === 'FP32' && x.data.buffer === bytes.buffer
    })
    expect(views.filter(Boolean)).toHaveLength(1)
  })

  it('read strings from tensor_content: lengths first, then bytes', () => {
    const request = other.serialize({
      model_spec: { name: 'm' },
      inputs: {
        x: {
          dtype: 'DT_STRING',
          tensor_shape: { dim: [{ size: 3 }] },
          tensor_content: Buffer.from('\x01\x00\x02abc', 'latin1'),
        },
      },
    })
    const [x] = decodePredictRequest(request).inputs
    expect(x?.datatype === 'BYTES' && x.data.map((value) => Buffer.from(value).toString())).toEqual(['a', '', 'bc'])
  })

  it('count what repeated values would fill over all tensors of a message', () => {
    const tensor = { dtype: 'DT_UINT8', tensor_shape: { dim: [{ size: 40 * 1024 * 1024 }] }, int_val: [1] }
    const one = other.serialize({ model_spec: { name: 'm' }, inputs: { x: tensor } })
    expect(decodePredictRequest(one).inputs[0]?.data.length).toBe(40 * 1024 * 1024)
    const two = other.serialize({ model_spec: { name: 'm' }, inputs: { x: tensor, y: tensor } })
    expect(() => decodePredictRequest(two)).toThrow(/input 'y': tensor_shape asks for 41943039 elements more/)
  })
})

const expected: readonly TensorMetadata[] = [
  { name: 'f', datatype: 'FP32', shape: [-1, 2] },
  { name: 'i', datatype: 'INT64', shape: [-1] },
  { name: 's', datatype: 'BYTES', shape: [-1, -1] },
]

function randomExample(random: Random): Features {
  const features: [string, Feature][] = [
    ['f', { kind: 'float', values: Float32Array.of(random(), random()) }],
    ['i', { kind: 'int64', values: BigInt64Array.of(BigInt(integer(random, 1e9)) * -3n) }],
    ['s', { kind: 'bytes', values: Array.from({ length: 3 }, () => Buffer.from(String(random()))) }],
  ]
  return new Map(features)
}

describe('Input', () => {
  it('keeps examples, with a context and without', () => {
    const random = seeded(3)
    const examples = Array.from({ length: 5 }, () => randomExample(random))
    const plain = decodeInput(encodeInput(examples), expected)
    expect(plain.rows).toBe(5)
    expect(plain.tensors.map(({ name, shape }) => [name, shape])).toEqual([
      ['f', [5, 2]],
      ['i', [5]],
      ['s', [5, 3]],
    ])
    expect(plain.tensors[0]?.data).toEqual(
      Float32Array.from(examples.flatMap((example) => Array.from(example.get('f')?.values ?? [], Number))),
    )
    const withContext = encodeInput(
      examples.map((example) => new Map([...example].slice(1))),
      examples[0],
    )
    expect(decodeInput(withContext, expected).tensors.slice(1)).toEqual(plain.tensors.slice(1))
  })

  it('takes what the first example has where a model declares nothing', () => {
    const { tensors } = decodeInput(encodeInput([randomExample(seeded(4))]), [])
    expect(tensors.map(({ datatype, shape }) => [datatype, shape])).toEqual([
      ['FP32', [1, 2]],
      ['INT64', [1, 1]],
      ['BYTES', [1, 3]],
    ])
  })

  it.each([
    ['INT8', 128n],
    ['UINT8', -1n],
    ['UINT64', -1n],
    ['BOOL', 2n],
    ['INT32', 2n ** 31n],
  ] as const)('refuses what %s cannot hold', (datatype, value) => {
    const input = encodeInput([new Map([['x', { kind: 'int64', values: [value] }]])])
    expect(() => decodeInput(input, [{ name: 'x', datatype, shape: [-1] }])).toThrow(
      `examples[0]: Key: x. Value ${value} is out of the range of ${datatype}`,
    )
  })

  it('leaves an optional feature out, in every example or in none', () => {
    const optional: TensorMetadata[] = [
      { name: 'x', datatype: 'FP32', shape: [-1] },
      { name: 'o', datatype: 'FP32', shape: [-1], isOptional: true },
    ]
    const x: [string, Feature] = ['x', { kind: 'float', values: [1] }]
    const o: [string, Feature] = ['o', { kind: 'float', values: [2] }]
    expect(decodeInput(encodeInput([new Map([x])]), optional).tensors).toHaveLength(1)
    expect(decodeInput(encodeInput([new Map([x, o])]), optional).tensors).toHaveLength(2)
    for (const pair of [
      [new Map([x]), new Map([x, o])],
      [new Map([x, o]), new Map([x])],
    ]) {
      expect(() => decodeInput(encodeInput(pair), optional)).toThrow(InferenceError)
    }
  })
})

describe('hostile bytes', () => {
  const rounds = 50_000

  /** Flips, cuts, repeats and inserts bytes; lengths and tags are hit as often as data. */
  function mutate(random: Random, bytes: Buffer): Buffer {
    let mutated = Buffer.from(bytes)
    for (let times = 1 + integer(random, 4); times > 0; times -= 1) {
      const at = integer(random, mutated.length + 1)
      const byte = pick(random, [0, 1, 0x7f, 0x80, 0xff, integer(random, 256)])
      switch (integer(random, 4)) {
        case 0:
          if (at < mutated.length) mutated[at] = byte
          break
        case 1:
          mutated = mutated.subarray(0, at)
          break
        case 2:
          mutated = Buffer.concat([mutated.subarray(0, at), mutated.subarray(integer(random, at + 1))])
          break
        default:
          mutated = Buffer.concat([
            mutated.subarray(0, at),
            Buffer.alloc(1 + integer(random, 9), byte),
            mutated.subarray(at),
          ])
      }
    }
    return mutated
  }

  it(`become values or invalid_argument, ${rounds} times`, { timeout: 120_000 }, () => {
    const random = seeded(9)
    const example = {
      features: {
        feature: {
          f: { float_list: { value: [1, 2] } },
          i: { int64_list: { value: [3] } },
          s: { bytes_list: { value: [Buffer.from('x')] } },
        },
      },
    }
    const input = { example_list_with_context: { examples: [example, example], context: example } }
    const model = { name: 'model', version: { value: 3 }, signature_name: 'serving_default' }
    const tasks = [{ model_spec: model, method_name: 'tensorflow/serving/classify' }]
    const decodeExamples = (bytes: Uint8Array): unknown =>
      decodeInput(decodeExampleRequest(bytes, 'test').input, expected)
    const kinds: readonly (readonly [() => Buffer, (bytes: Uint8Array) => unknown])[] = [
      [
        () =>
          Buffer.from(
            encodePredictRequest({
              spec,
              inputs: dataTypes.map((datatype) => randomTensor(random, datatype, datatype)),
              outputFilter: ['y'],
            }),
          ),
        decodePredictRequest,
      ],
      [
        () => Buffer.from(encodePredictResponse({ spec, outputs: [randomTensor(random, 'y', 'BYTES')] })),
        decodePredictResponse,
      ],
      [() => otherCodec('ClassificationRequest').serialize({ model_spec: model, input }), decodeExamples],
      [() => otherCodec('MultiInferenceRequest').serialize({ tasks, input }), decodeMultiInferenceRequest],
      [
        () => otherCodec('GetModelMetadataRequest').serialize({ model_spec: model, metadata_field: ['signature_def'] }),
        decodeModelMetadataRequest,
      ],
      [() => otherCodec('GetModelMetadataRequest').serialize({ model_spec: model }), decodeModelStatusRequest],
    ]
    const outcomes = { values: 0, refusals: 0 }
    for (let round = 0; round < rounds; round += 1) {
      const [make, decode] = pick(random, kinds)
      const bytes = mutate(random, make())
      peekModelSpec(bytes)
      try {
        decode(bytes)
        outcomes.values += 1
      } catch (reason) {
        if (!(reason instanceof InferenceError) || reason.code !== 'invalid_argument') {
          throw new Error(`round ${round}: ${bytes.toString('hex')}`, { cause: reason })
        }
        outcomes.refusals += 1
      }
    }
    expect(outcomes.values).toBeGreaterThan(rounds / 20)
    expect(outcomes.refusals).toBeGreaterThan(rounds / 4)
  })
})
