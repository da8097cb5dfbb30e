import { status } from '@grpc/grpc-js'
import { afterEach, describe, expect, it } from 'vitest'
import { decodeRepositoryIndex } from '../../src/codec/v2-grpc-messages.ts'
import { createClient, InferenceError, type ConnectOptions, type InferResult } from '../../src/client/index.ts'
import type { Clock } from '../../src/client/retry.ts'
import { fakeGrpcServer, Refusal, type React } from './fake-grpc-server.ts'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** Waits take no time; what was waited is written down. */
function fakeClock(): Clock & { readonly waits: number[] } {
  const waits: number[] = []
  return { waits, now: () => 0, random: () => 1, wait: async (ms) => void waits.push(ms) }
}

async function connected(react: React, options: ConnectOptions = {}) {
  const server = await fakeGrpcServer(react)
  const clock = fakeClock()
  const client = createClient(server.url, { clock, ...options })
  closers.push(() => client.close())
  closers.push(() => server.close())
  return { client, server, clock }
}

async function failure(answer: Promise<unknown>): Promise<InferenceError> {
  const [result] = await Promise.allSettled([answer])
  if (result.status === 'fulfilled') throw new Error('expected an error')
  expect(result.reason).toBeInstanceOf(InferenceError)
  return InferenceError.from(result.reason)
}

async function collect(results: AsyncIterable<InferResult>): Promise<InferResult[]> {
  const collected: InferResult[] = []
  for await (const result of results) collected.push(result)
  return collected
}

const x = { shape: [1, 2], data: Float32Array.of(1, 2) }
const rawX = Buffer.from(x.data.buffer)
const head = { model_name: 'm', model_version: '3' }

/** As Triton answers: raw. */
const rawAnswer = {
  ...head,
  outputs: [{ name: 'y', datatype: 'FP32', shape: [2] }],
  raw_output_contents: [Buffer.from(Float32Array.of(3, 4).buffer)],
}

describe('a client of foreign V2 servers', () => {
  it('sends raw inputs, metadata and the deadline', async () => {
    const { client, server } = await connected(() => rawAnswer)
    const started = Date.now()
    await client.infer('m', { x }, { headers: { Authorization: 'Bearer t', 'trace-bin': 'AQI=' }, timeoutMs: 5000 })
    const [call] = server.calls
    expect(call).toMatchObject({
      method: 'ModelInfer',
      request: {
        model_name: 'm',
        inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2] }],
        raw_input_contents: [rawX],
      },
    })
    expect(call?.metadata.get('authorization')).toEqual(['Bearer t'])
    expect(call?.metadata.get('trace-bin')).toEqual([Buffer.of(1, 2)])
    expect(call?.deadline).toBeGreaterThan(started)
    expect(call?.deadline).toBeLessThan(Date.now() + 5100)
  })

  it('reads raw outputs', async () => {
    const { client } = await connected(() => rawAnswer)
    const { outputs, response } = await client.infer('m', { x })
    expect(outputs['y']?.data).toEqual(Float32Array.of(3, 4))
    expect(response.model).toEqual({ name: 'm', version: '3' })
  })

  it('reads typed outputs', async () => {
    const typed = [
      { name: 'y', datatype: 'FP32', shape: [2], contents: { fp32_contents: [3, 4] } },
      { name: 'z', datatype: 'BYTES', shape: [1], contents: { bytes_contents: [Buffer.from('a')] } },
    ]
    const { client } = await connected(() => ({ ...head, outputs: typed, parameters: { ok: { bool_param: true } } }))
    const { outputs, response } = await client.infer('m', { x })
    expect(outputs['y']?.data).toEqual(Float32Array.of(3, 4))
    expect(outputs['z']?.data).toEqual([new Uint8Array([97])])
    expect(response.parameters).toEqual({ ok: true })
  })

  it('reads metadata, whatever the writing of datatypes', async () => {
    const { client } = await connected(() => ({
      name: 'm',
      versions: ['1', '3'],
      platform: 'tensorrt_plan',
      inputs: [{ name: 'x', datatype: 'fp32', shape: [-1, 2] }],
      outputs: [{ name: 'y', datatype: 'TYPE_X', shape: [] }],
      properties: { owner: 'me' },
    }))
    expect(await client.modelMetadata('m')).toEqual({
      name: 'm',
      versions: ['1', '3'],
      platform: 'tensorrt_plan',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
      outputs: [{ name: 'y', shape: [] }],
      parameters: { owner: 'me' },
    })
  })

  it('tries again on UNAVAILABLE and waits as the server says', async () => {
    const busy = new Refusal(status.UNAVAILABLE, 'Exceeds maximum queue size', { 'retry-after': '2' })
    const { client, clock, server } = await connected((_, index) => (index < 2 ? busy : rawAnswer))
    await client.infer('m', { x })
    expect(server.calls.length).toBe(3)
    expect(clock.waits).toEqual([2000, 2000])
  })

  it.each([
    [status.INVALID_ARGUMENT, 'invalid_argument'],
    [status.NOT_FOUND, 'not_found'],
    [status.RESOURCE_EXHAUSTED, 'resource_exhausted'],
    [status.UNAUTHENTICATED, 'unauthenticated'],
    [status.UNKNOWN, 'internal'],
    [status.ABORTED, 'failed_precondition'],
  ] as const)('makes status %s the code %s, and does not try again', async (code, expected) => {
    const { client, server } = await connected(() => new Refusal(code, 'so it is'))
    const error = await failure(client.infer('m', { x }))
    expect([error.code, error.message]).toEqual([expected, 'so it is'])
    expect(server.calls.length).toBe(1)
  })

  it('says where an answer cannot be read', async () => {
    const { client } = await connected(() => ({ ...rawAnswer, raw_output_contents: [Buffer.alloc(3)] }))
    const { code, message } = await failure(client.infer('m', { x }))
    expect(code).toBe('internal')
    expect(message).toContain('ModelInfer: the answer cannot be read: ')
  })

  it('reads the index of a repository', () => {
    const index = Buffer.from(
      '0a0f' + '0a016d' + '120133' + '1a055245414459' + '22' + '00' + '0a07' + '0a056e65766572',
      'hex',
    )
    expect(decodeRepositoryIndex(index)).toEqual([{ name: 'm', version: '3', state: 'READY' }, { name: 'never' }])
  })

  it('says where a server lists no models', async () => {
    const { client } = await connected(() => new Refusal(status.UNIMPLEMENTED, 'no index'))
    expect(await failure(client.models())).toMatchObject({ code: 'unimplemented' })
  })

  it('takes an unknown model for one that is not ready', async () => {
    const { client } = await connected(() => new Refusal(status.NOT_FOUND, 'Model m not found'))
    expect(await client.isModelReady('m')).toBe(false)
  })
})

describe('a stream from a foreign server', () => {
  it('ends with the text of an error in the stream', async () => {
    const { client, server } = await connected(() => [
      { infer_response: rawAnswer },
      { error_message: 'out of tokens', infer_response: head },
    ])
    const stream = client.stream('m', { x })
    expect((await stream.next()).value?.outputs['y']?.shape).toEqual([2])
    expect(await failure(stream.next())).toMatchObject({ code: 'internal', message: 'out of tokens' })
    expect(server.calls[0]?.metadata.get('triton_grpc_error')).toEqual(['true'])
  })

  it('ends with the status of a call that fails', async () => {
    const { client } = await connected(() => [
      { infer_response: rawAnswer },
      new Refusal(status.RESOURCE_EXHAUSTED, 'too long'),
    ])
    const stream = client.stream('m', { x })
    await stream.next()
    expect(await failure(stream.next())).toMatchObject({ code: 'resource_exhausted', message: 'too long' })
  })

  it('tries again only before the first response', async () => {
    const down = new Refusal(status.UNAVAILABLE, 'going down')
    const { client, server } = await connected((_, index) =>
      index === 0 ? [down] : [{ infer_response: rawAnswer }, down],
    )
    const error = await failure(collect(client.stream('m', { x })))
    expect(error).toMatchObject({ code: 'unavailable', message: 'going down' })
    expect(server.calls.length).toBe(2)
  })
})

describe('a client of TensorFlow Serving over gRPC', () => {
  const v1 = { protocol: 'v1' } as const
  const tensor = (values: readonly number[]) => ({
    dtype: 'DT_FLOAT',
    tensor_shape: { dim: [{ size: values.length }] },
    float_val: values,
  })
  const predicted = { outputs: { y: tensor([3, 4]) }, model_spec: { name: 'm', version: { value: 7 } } }

  it('predicts', async () => {
    const { client, server } = await connected(() => predicted, v1)
    const { outputs, response } = await client.infer('m', { x }, { version: '7', outputs: ['y'] })
    expect(outputs['y']).toMatchObject({ datatype: 'FP32', shape: [2], data: Float32Array.of(3, 4) })
    expect(response.model).toEqual({ name: 'm', version: '7' })
    expect(server.calls[0]).toMatchObject({
      method: 'Predict',
      request: {
        model_spec: { name: 'm', version: { value: 7 } },
        output_filter: ['y'],
        inputs: { x: { dtype: 'DT_FLOAT', tensor_shape: { dim: [{ size: 1 }, { size: 2 }] } } },
      },
    })
  })

  it('refuses a version that is no number', async () => {
    const { client } = await connected(() => predicted, v1)
    const error = await failure(client.infer('m', { x }, { version: 'canary' }))
    expect([error.code, error.message]).toEqual([
      'invalid_argument',
      "version 'canary': versions of the V1 protocol are numbers",
    ])
  })

  it('is ready where a version is available', async () => {
    const { client } = await connected(
      () => ({
        model_version_status: [
          { version: 1, state: 'END' },
          { version: 2, state: 'AVAILABLE' },
        ],
      }),
      v1,
    )
    expect(await client.isModelReady('m')).toBe(true)
    const unloaded = await connected(() => ({ model_version_status: [{ version: 1, state: 'END' }] }), v1)
    expect(await unloaded.client.isModelReady('m')).toBe(false)
  })

  it('takes any answer for life, and nobody for none', async () => {
    const { client, server } = await connected(() => new Refusal(status.INVALID_ARGUMENT, 'no name'), v1)
    expect([await client.isLive(), await client.isReady()]).toEqual([true, true])
    server.close()
    expect(await client.isLive()).toBe(false)
  })
})
