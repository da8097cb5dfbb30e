/** Mutated messages to every method of a running server: no crash, no hang, no INTERNAL, no memory that grows. */
import * as grpc from '@grpc/grpc-js'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeGrpcInferRequest } from '../../src/codec/index.ts'
import { tensor } from '../../src/core/tensor.ts'
import { integer, pick, seeded, type Random } from '../codec/random.ts'
import { identity, simple, words } from './models.ts'
import { startServer, type Harness } from './support.ts'
import { messageCodec } from './tfserving-client.ts'
import { classifier, halfPlusTwo } from './tfserving-models.ts'

let harness: Harness
let client: grpc.Client
beforeAll(async () => {
  harness = await startServer({ simple, identity, words, classifier, half_plus_two: halfPlusTwo })
  client = new grpc.Client(`127.0.0.1:${harness.port}`, grpc.credentials.createInsecure())
})
afterAll(async () => {
  client.close()
  await harness.close()
})

const serving = 'tensorflow.serving'
const half = { name: 'half_plus_two', version: { value: 123 }, signature_name: 'serving_default' }
const example = {
  features: { feature: { x: { float_list: { value: [2] } }, name: { bytes_list: { value: [Buffer.from('a')] } } } },
}
const input = { example_list: { examples: [example, example] } }
const ints = Int32Array.from({ length: 16 }, (_, index) => index)

const messageNames = {
  Predict: 'PredictRequest',
  Classify: 'ClassificationRequest',
  Regress: 'RegressionRequest',
  MultiInference: 'MultiInferenceRequest',
  GetModelMetadata: 'GetModelMetadataRequest',
} as const

/** A good message of each kind, by the path of its method. */
const seeds: readonly (readonly [path: string, message: Uint8Array])[] = [
  ...(['ModelInfer', 'ModelStreamInfer'] as const).flatMap((method): [string, Uint8Array][] => [
    [
      `/inference.GRPCInferenceService/${method}`,
      encodeGrpcInferRequest({
        id: 'a',
        model: { name: 'simple', version: '1' },
        inputs: [tensor('INPUT0', 'INT32', [1, 16], ints), tensor('INPUT1', 'INT32', [1, 16], ints)],
        outputs: ['OUTPUT0'],
        parameters: { priority: 1, text: 'b', flag: true, half: 0.5 },
      }),
    ],
    [
      `/inference.GRPCInferenceService/${method}`,
      encodeGrpcInferRequest({
        model: { name: 'identity' },
        inputs: [
          tensor('t', 'BYTES', [2], [Buffer.from('ab'), Buffer.from('c')]),
          tensor('h', 'FP16', [2], Uint16Array.of(1, 2)),
          tensor('d', 'FP64', [1], Float64Array.of(1)),
        ],
      }),
    ],
  ]),
  ...Object.entries({
    Predict: {
      model_spec: half,
      inputs: { x: { dtype: 'DT_FLOAT', tensor_shape: { dim: [{ size: 2 }, { size: 1 }] }, float_val: [1, 2] } },
      output_filter: ['y'],
    },
    Classify: { model_spec: { name: 'classifier' }, input },
    Regress: { model_spec: half, input },
    MultiInference: {
      tasks: [{ model_spec: half, method_name: 'tensorflow/serving/regress' }],
      input,
    },
    GetModelMetadata: { model_spec: half, metadata_field: ['signature_def'] },
  }).map(([method, message]): [string, Uint8Array] => [
    `/${serving}.PredictionService/${method}`,
    messageCodec(`${serving}.${messageNames[method as keyof typeof messageNames]}`).encode(message), // the keys above
  ]),
  [
    `/${serving}.ModelService/GetModelStatus`,
    messageCodec(`${serving}.GetModelStatusRequest`).encode({ model_spec: half }),
  ],
  [
    `/${serving}.ModelService/HandleReloadConfigRequest`,
    messageCodec(`${serving}.ReloadConfigRequest`).encode({
      config: {
        model_config_list: {
          config: [
            {
              name: 'a',
              base_path: '/a',
              model_version_policy: { specific: { versions: [1, 2, 300] } },
              version_labels: { stable: 1 },
            },
          ],
        },
      },
    }),
  ],
  ...[
    'ModelMetadata',
    'ModelReady',
    'ModelConfig',
    'ModelStatistics',
    'RepositoryIndex',
    'TraceSetting',
    'LogSettings',
  ].map((method): [string, Uint8Array] => [
    `/inference.GRPCInferenceService/${method}`,
    Buffer.from('\x0a\x06simple\x12\x011'),
  ]),
  ...['RepositoryModelLoad', 'RepositoryModelUnload', 'SystemSharedMemoryRegister'].map(
    (method): [string, Uint8Array] => [
      `/inference.GRPCInferenceService/${method}`,
      Buffer.from('\x12\x06simple\x1a\x0c\x0a\x06config\x12\x02\x1a\x00'),
    ],
  ),
]

describe('mutated messages', () => {
  it('are answered or refused, and leave nothing behind', async () => {
    const random = seeded(20_261_122)
    const first = await send(2000, random)
    const before = memory()
    const codes = await send(10_000, random)
    const grown = memory() - before
    for (const counts of [first, codes]) {
      expect([
        counts.get(grpc.status.INTERNAL),
        counts.get(grpc.status.UNKNOWN),
        counts.get(grpc.status.DEADLINE_EXCEEDED),
      ]).toEqual([undefined, undefined, undefined])
    }
    expect(codes.get(grpc.status.OK)).toBeGreaterThan(1000)
    expect(codes.get(grpc.status.INVALID_ARGUMENT)).toBeGreaterThan(1000)
    expect(harness.log.filter(({ level }) => level === 'warn')).toEqual([])
    // One kept object of 400 bytes a message would be more than that.
    expect(grown).toBeLessThan(3 * 2 ** 20)
    expect(await harness.client.call('ModelReady', { name: 'simple' })).toMatchObject({ ready: true })
  }, 120_000)
})

/** @returns how often each status came */
async function send(count: number, random: Random): Promise<Map<grpc.status, number>> {
  const codes = new Map<grpc.status, number>()
  let sent = 0
  const worker = async (): Promise<void> => {
    while (sent < count) {
      sent += 1
      const [path, seed] = pick(random, seeds)
      const code = await call(path, mutate(random, seed))
      codes.set(code, (codes.get(code) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: 32 }, worker))
  return codes
}

const asIs = (bytes: Buffer): Buffer => bytes

function call(path: string, message: Buffer): Promise<grpc.status> {
  return new Promise((resolve) => {
    const options = { deadline: Date.now() + 20_000 }
    const ended = ({ code }: grpc.StatusObject): void => resolve(code)
    if (path.endsWith('ModelStreamInfer')) {
      const stream = client.makeBidiStreamRequest(path, asIs, asIs, options)
      stream
        .on('error', () => undefined)
        .on('status', ended)
        .resume()
      stream.end(message)
    } else client.makeUnaryRequest(path, asIs, asIs, message, options, () => undefined).on('status', ended)
  })
}

/** Flips, cuts, repeats or invents a few bytes; now and then none. */
function mutate(random: Random, seed: Uint8Array): Buffer {
  let bytes = Buffer.from(seed)
  for (let count = integer(random, 4); count > 0; count -= 1) {
    const at = integer(random, bytes.length)
    switch (integer(random, 5)) {
      case 0:
        bytes = bytes.subarray(0, at)
        break
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(integer(random, bytes.length + 1))])
        break
      case 2:
        if (at < bytes.length) bytes[at] = integer(random, 256)
        break
      case 3:
        bytes.fill(0xff, at, Math.min(at + integer(random, 12), bytes.length))
        break
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.of(integer(random, 256)), bytes.subarray(at)])
    }
  }
  return bytes
}

/** Bytes that are alive: heap, and what lies outside of it. */
function memory(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void // what the flag adds
  for (let round = 0; round < 3; round += 1) collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
