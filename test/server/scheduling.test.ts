/** Queues, kept answers and what is shown of them, through the doors of a whole server. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { tensor } from '../../src/core/tensor.ts'
import { createClient } from '../../src/client/index.ts'
import { defineModel } from '../../src/runtime/define-model.ts'
import { createServer, type ServerOptions } from '../../src/server/server.ts'
import { samples } from '../paths.ts'
import { directoryWith } from '../repository/directories.ts'

async function start(options: ServerOptions) {
  const server = await createServer({ log: silentLog, httpPort: 0, drainSeconds: 1, ...options })
  onTestFinished(() => server.close())
  const addresses = await server.start()
  const json = async (path: string, body?: object) => {
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
    const response = await fetch(`${addresses.http}${path}`, init)
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: parsed(text) }
  }
  const metrics = async (start: string) =>
    (await json('/metrics')).text.split('\n').filter((line) => line.startsWith(start))
  return { server, ...addresses, json, metrics }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** `add-sub` with a model.yaml. */
async function addSub(yaml: string): Promise<string> {
  const directory = await directoryWith({ 'add-sub/model.yaml': yaml, 'add-sub/1/': '' })
  await cp(join(samples, 'add-sub', '1', 'model.onnx'), join(directory, 'add-sub', '1', 'model.onnx'))
  return directory
}

function numbers(first: number, more: object = {}) {
  const data = Array.from({ length: 16 }, (_, index) => first + index)
  const inputs = ['INPUT0', 'INPUT1'].map((name) => ({ name, datatype: 'INT32', shape: [1, 16], data }))
  return { inputs, ...more }
}

const infer = '/v2/models/add-sub/infer'

/** A model that waits until it is told to go on. */
function gate() {
  const goOn: (() => void)[] = []
  const model = defineModel({
    inputs: { x: { datatype: 'FP32', shape: [-1] } },
    outputs: { y: { datatype: 'FP32', shape: [-1] } },
    maxQueueSize: 1,
    predict: async ({ x }) => {
      await new Promise<void>((resolve) => goOn.push(resolve))
      return { y: x.data }
    },
  })
  return { model, open: () => goOn.shift()?.(), runs: goOn }
}

const x = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }] }

function clientOf(...given: Parameters<typeof createClient>) {
  const client = createClient(...given)
  onTestFinished(() => client.close())
  return client
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}

describe('kept answers', () => {
  it('E23: answer the second of two equal requests, by whatever wire', async () => {
    const { json, metrics, grpc } = await start({ models: await addSub('response_cache: {enable: true}') })
    const before = await runsOf(json)
    const first = await json(infer, numbers(1, { id: 'a' }))
    const second = await json(infer, numbers(1, { id: 'b', parameters: { priority: 1, timeout: 60_000_000 } }))
    expect(second.body).toEqual({ ...(first.body as object), id: 'b' })
    const client = clientOf(`grpc://${grpc ?? ''}`)
    const data = Int32Array.from({ length: 16 }, (_, index) => 1 + index)
    const tensors = {
      INPUT0: tensor('INPUT0', 'INT32', [1, 16], data),
      INPUT1: tensor('INPUT1', 'INT32', [1, 16], data),
    }
    await client.infer('add-sub', tensors)
    expect((await json('/v2/models/add-sub/stats')).body).toMatchObject({
      model_stats: [
        {
          inference_count: 1,
          execution_count: before + 1,
          inference_stats: { success: { count: 3 }, cache_hit: { count: 2 }, cache_miss: { count: 1 } },
        },
      ],
    })
    expect(await metrics('nv_cache_num_hits_per_model{')).toEqual([
      'nv_cache_num_hits_per_model{model="add-sub",version="1"} 2',
    ])
    expect(await metrics('servable_cache_entries ')).toEqual(['servable_cache_entries 1'])
    expect((await json('/v2/models/add-sub/config')).body).toMatchObject({ response_cache: { enable: true } })
  })

  it('are told apart by what was asked for, and gone after a reload', async () => {
    const { json, metrics } = await start({ models: await addSub('response_cache: true') })
    const all = await json(infer, numbers(1))
    const one = await json(infer, numbers(1, { outputs: [{ name: 'OUTPUT1' }] }))
    expect((all.body as { outputs: object[] }).outputs).toHaveLength(2)
    expect((one.body as { outputs: object[] }).outputs).toHaveLength(1)
    expect(await metrics('servable_cache_entries ')).toEqual(['servable_cache_entries 2'])
    await json('/v2/repository/models/add-sub/load', {})
    await json(infer, numbers(1))
    expect(await metrics('servable_cache_entries ')).toEqual(['servable_cache_entries 1'])
    await json('/v2/repository/models/add-sub/unload', {})
    expect(await metrics('servable_cache_entries ')).toEqual(['servable_cache_entries 0'])
  })

  it('are none where the model does not ask for them, or the server has no bytes', async () => {
    const off = await start({ models: await addSub('name: add-sub') })
    await off.json(infer, numbers(1))
    expect(await off.metrics('servable_cache_entries ')).toEqual(['servable_cache_entries 0'])
    expect(await off.metrics('nv_cache_num_hits_per_model{')).toEqual([])
    const none = await start({ models: await addSub('response_cache: true'), responseCacheBytes: 0 })
    await none.json(infer, numbers(1))
    await none.json(infer, numbers(1))
    expect(await none.metrics('nv_cache_num_misses_per_model{')).toEqual([
      'nv_cache_num_misses_per_model{model="add-sub",version="1"} 2',
    ])
  })

  it('leave hooks to every request: they see headers, which are no part of the key', async () => {
    let runs = 0
    const model = defineModel({
      inputs: { x: { datatype: 'FP32', shape: [-1] } },
      outputs: { y: { datatype: 'FP32', shape: [-1] } },
      responseCache: true,
      predict: ({ x: { data } }) => {
        runs += 1
        return { y: data }
      },
      postprocess: (response, { headers }) => ({ ...response, parameters: { user: headers['x-user'] ?? '' } }),
    })
    const { server } = await start({ models: { model }, enableGrpc: false })
    const ask = (user: string) =>
      server.infer(
        { model: { name: 'model' }, inputs: [tensor('x', 'FP32', [1], Float32Array.of(1))] },
        { headers: { 'x-user': user } },
      )
    const [left, right] = [await ask('a'), await ask('b')]
    expect([left.parameters, right.parameters, runs]).toEqual([{ user: 'a' }, { user: 'b' }, 1])
    ;(left.outputs[0]?.data as Float32Array)[0] = 9
    expect((await ask('c')).outputs[0]?.data).toEqual(Float32Array.of(1))
  })
})

async function runsOf(json: (path: string) => Promise<{ readonly body: unknown }>): Promise<number> {
  const { body } = await json('/v2/models/add-sub/stats')
  return (body as { model_stats: { execution_count: number }[] }).model_stats[0]?.execution_count ?? NaN
}

describe('a full queue', () => {
  it.each([
    [{}, 503, 'resource_exhausted'],
    [{ refuseStatus: 429, grpcRefuseStatus: 'unavailable' }, 429, 'unavailable'],
  ] as const)('%j: refuses, and counts why', async (options, status, code) => {
    const { model, open, runs } = gate()
    const { server, json, metrics, grpc } = await start({ models: { model }, ...options })
    const running = json('/v2/models/model/infer', x)
    await until(() => runs.length === 1)
    const waiting = json('/v2/models/model/infer', x)
    await until(() => server.dataPlane.status({ name: 'model' }).scheduling?.().waitingRequests === 1)
    const refused = await json('/v2/models/model/infer', x)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([status, '1'])
    const client = clientOf(`grpc://${grpc ?? ''}`, { retries: 0 })
    await expect(client.infer('model', { x: [1] })).rejects.toMatchObject({ code })
    expect(await metrics('servable_refusals_total{model="model",version="1",reason="queue_full"}')).toEqual([
      'servable_refusals_total{model="model",version="1",reason="queue_full"} 2',
    ])
    expect(await metrics('nv_inference_request_failure{model="model",version="1",reason="REJECTED"}')).toEqual([
      'nv_inference_request_failure{model="model",version="1",reason="REJECTED"} 2',
    ])
    expect(await metrics('nv_inference_pending_request_count{')).toEqual([
      'nv_inference_pending_request_count{model="model",version="1"} 1',
    ])
    open()
    await until(() => runs.length === 1)
    open()
    expect([(await running).status, (await waiting).status]).toEqual([200, 200])
  })

  it('B43: has room again as soon as a caller leaves, by REST and by gRPC', async () => {
    const { model, open, runs } = gate()
    const { server, http, grpc, json } = await start({ models: { model } })
    const waiting = () => server.dataPlane.status({ name: 'model' }).scheduling?.().waitingRequests
    const running = json('/v2/models/model/infer', x)
    await until(() => runs.length === 1)
    const client = clientOf(`grpc://${grpc ?? ''}`, { retries: 0 })
    const ways: ((signal: AbortSignal) => Promise<unknown>)[] = [
      (signal) => fetch(`${http}/v2/models/model/infer`, { method: 'POST', body: JSON.stringify(x), signal }),
      (signal) => client.infer('model', { x: [1] }, { signal }),
    ]
    for (const way of ways) {
      const controller = new AbortController()
      const left = way(controller.signal).catch(() => 'left')
      await until(() => waiting() === 1)
      controller.abort()
      await until(() => waiting() === 0)
      expect(await left).toBe('left')
    }
    open()
    expect((await running).status).toBe(200)
    expect(runs).toEqual([])
  })
})

describe('what is shown of a model that batches', () => {
  it('E15: its configuration says so, with the options it was given', async () => {
    const yaml =
      'scheduling: {batching: on, max_batch_size: 8, preferred_batch_size: 4, max_queue_delay_microseconds: 100}'
    const { json } = await start({ models: await addSub(yaml), enableGrpc: false })
    expect((await json('/v2/models/add-sub/config')).body).toMatchObject({
      max_batch_size: 8,
      input: [{ data_type: 'TYPE_INT32', dims: [16] }, { dims: [16] }],
      dynamic_batching: { preferred_batch_size: [4], max_queue_delay_microseconds: 100 },
    })
  })

  it('has a largest batch without options, and none where batching is off', async () => {
    const on = await start({ models: await addSub('name: add-sub'), enableGrpc: false })
    expect((await on.json('/v2/models/add-sub/config')).body).toMatchObject({
      max_batch_size: 128,
      dynamic_batching: {},
    })
    const off = await start({ models: await addSub('name: add-sub'), enableGrpc: false, batching: 'off' })
    expect((await off.json('/v2/models/add-sub/config')).body).not.toHaveProperty('dynamic_batching')
  })

  it('tells what it has learned, in the statistics and in the metrics', async () => {
    const { json, metrics } = await start({ models: await addSub('name: add-sub'), enableGrpc: false })
    await Promise.all([1, 2, 3].map((first) => json(infer, numbers(first))))
    const { body } = await json('/v2/models/add-sub/stats')
    expect(body).toMatchObject({
      model_stats: [
        {
          inference_count: 3,
          scheduling: { batching: true, waiting_requests: 0, refusals: { queue_full: 0 }, isolations: 0 },
        },
      ],
    })
    for (const name of ['servable_batch_alpha_seconds', 'servable_batch_beta_seconds', 'servable_batch_size']) {
      expect(await metrics(`${name}{model="add-sub",version="1"}`)).toHaveLength(1)
    }
    const [runs] = await metrics('servable_batch_rows_count{')
    expect(runs).toBe(`servable_batch_rows_count{model="add-sub",version="1"} ${await runsOf(json)}`)
    expect(await metrics('nv_inference_count{')).toEqual(['nv_inference_count{model="add-sub",version="1"} 3'])
    expect(await metrics('servable_batching_info{')).toEqual([expect.stringContaining('batching="on"')])
  })
})
