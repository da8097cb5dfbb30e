/** Models that somebody else serves: the same answers by every protocol, in front of every protocol. */
import { describe, expect, it } from 'vitest'
import { InferenceError } from '../../src/core/errors.ts'
import { tensor } from '../../src/core/tensor.ts'
import { defineModel } from '../../src/runtime/define-model.ts'
import { gated, words } from '../grpc/models.ts'
import { definedBy } from './proxy-models.ts'
import { floats, halfPlusTwo, post, proxied, serve } from './proxy-support.ts'

const hops = [
  ['grpc-v2', 'triton'],
  ['v2', 'triton'],
  ['v2', 'mlserver'],
  ['v2', 'kserve'],
  ['v1', 'tfserving'],
  ['grpc-v1', 'tfserving'],
] as const

describe.each(hops)('a model behind %s as %s speaks it', (protocol, profile) => {
  const start = async () => {
    const upstream = await serve({ half_plus_two: halfPlusTwo })
    const url = protocol.startsWith('grpc') ? upstream.url.grpc : upstream.url.http
    return proxied({ profile, protocol, upstreams: [url], model: 'half_plus_two' })
  }

  it.each(['v1', 'v2', 'grpc-v1', 'grpc-v2'] as const)('answers by %s like any other', async (asked) => {
    const { client } = await start()
    const { outputs, response } = await client(asked).infer('half', { x: [1, 2, 5] })
    expect(outputs['y']?.data).toEqual(Float32Array.of(2.5, 3, 4.5))
    expect(response.model.name).toBe('half')
  })

  it('is described as its server describes it', async () => {
    const { client } = await start()
    const { inputs, outputs, versions } = await client('v2').modelMetadata('half')
    expect(inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: [-1] }])
    expect(outputs).toEqual([{ name: 'y', datatype: 'FP32', shape: [-1] }])
    expect(versions).toEqual(['1'])
  })
})

describe('a V2 gRPC hop', () => {
  it('keeps the id of the caller, makes one where there is none, and answers under its own name', async () => {
    const upstream = await serve({ half_plus_two: halfPlusTwo })
    const { client } = await proxied({ upstreams: [upstream.url.grpc], model: 'half_plus_two' })
    const x = tensor('x', 'FP32', [1], Float32Array.of(1))
    const { response } = await client('grpc-v2').infer('half', { x }, { id: 'mine' })
    expect(response).toMatchObject({ id: 'mine', model: { name: 'half', version: '1' } })
    const unnamed = await client('grpc-v2').infer('half', { x })
    expect(unnamed.response.id).not.toBe('')
  })

  it('counts in metrics and statistics as a model here does', async () => {
    const upstream = await serve({ half_plus_two: halfPlusTwo })
    const { client, url } = await proxied({ upstreams: [upstream.url.grpc], model: 'half_plus_two' })
    const x = tensor('x', 'FP32', [4], Float32Array.of(1, 2, 3, 4))
    for (let index = 0; index < 3; index += 1) await client('grpc-v2').infer('half', { x })
    const statistics = (await (await fetch(`${url.http}/v2/models/half/stats`)).json()) as {
      model_stats: { inference_count: number; execution_count: number }[]
    }
    expect(statistics.model_stats[0]).toMatchObject({ inference_count: 12, execution_count: 3 })
    const metrics = await (await fetch(`${url.http}/metrics`)).text()
    expect(metrics).toMatch(/half.*\} 3$/m)
  })

  it('streams what a decoupled model says, word by word', async () => {
    const upstream = await serve({ words: definedBy(words) })
    const { client } = await proxied(
      { upstreams: [upstream.url.grpc], model: 'words', decoupled: true, inputs: [], outputs: [] },
      { name: 'say' },
    )
    const said: string[] = []
    const input = tensor('text', 'BYTES', [1], [Buffer.from('one two three')])
    for await (const { outputs } of client('grpc-v2').stream('say', { text: input })) {
      const [word] = outputs['output']?.data ?? []
      said.push(Buffer.from(word as Uint8Array).toString()) // one BYTES element
    }
    expect(said).toEqual(['one', 'two', 'three'])
  })
})

describe('what the upstream says of a request', () => {
  const picky = defineModel({
    inputs: { x: { datatype: 'FP32', shape: [-1] } },
    outputs: { y: { datatype: 'FP32', shape: [-1] } },
    predict: () => {
      throw new InferenceError('failed_precondition', 'x must be in a good mood')
    },
  })

  it.each(['grpc', 'http'] as const)('reaches the caller with its status over %s', async (kind) => {
    const upstream = await serve({ half: picky })
    const { url, client } = await proxied({ upstreams: [upstream.url[kind]] })
    const answer = await post(`${url.http}/v2/models/half/infer`, floats([1]))
    expect(answer).toMatchObject({ status: 400, body: { error: 'x must be in a good mood' } })
    const x = tensor('x', 'FP32', [1], Float32Array.of(1))
    await expect(client('grpc-v2').infer('half', { x })).rejects.toMatchObject({
      message: 'x must be in a good mood',
    })
  })

  it('is its own check of names: nothing is checked twice', async () => {
    const upstream = await serve({ half: halfPlusTwo })
    const { url } = await proxied({ upstreams: [upstream.url.grpc] })
    const wrong = { inputs: [{ name: 'z', datatype: 'FP32', shape: [1], data: [1] }] }
    const there = await post(`${upstream.url.http}/v2/models/half/infer`, wrong)
    const here = await post(`${url.http}/v2/models/half/infer`, wrong)
    expect(here).toMatchObject({ status: 400, body: there.body })
  })
})

describe('cancellation', () => {
  it.each(['grpc', 'http'] as const)('reaches the model of the upstream over %s', async (kind) => {
    const gate = gated()
    const upstream = await serve({ slow: definedBy(gate) })
    const { client } = await proxied({ upstreams: [upstream.url[kind]], inputs: [], outputs: [] }, { name: 'slow' })
    const abort = new AbortController()
    const x = tensor('x', 'FP32', [1], Float32Array.of(1))
    const answer = client('grpc-v2').infer('slow', { x }, { signal: abort.signal })
    const signal = await gate.started
    const cancelled = new Promise((resolve) => signal.addEventListener('abort', resolve))
    abort.abort()
    await expect(answer).rejects.toMatchObject({ code: 'cancelled' })
    await cancelled
    expect(signal.aborted).toBe(true)
  })
})
