/** Models that are loaded, reloaded and unloaded while the server answers: Triton's and KServe's repository extension. */
import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { defineModel } from '../../src/runtime/define-model.ts'
import { createServer, type ServerOptions } from '../../src/server/server.ts'
import { samples } from '../paths.ts'
import { directoryWith } from '../repository/directories.ts'

const addSub = join(samples, 'add-sub', '1', 'model.onnx')

interface Answer {
  readonly status: number
  /** undefined where the body is empty. */
  readonly body: unknown
}

async function start(options: ServerOptions) {
  const server = await createServer({ log: silentLog, httpPort: 0, enableGrpc: false, drainSeconds: 1, ...options })
  onTestFinished(() => server.close())
  const { http } = await server.start()
  const call = async (path: string, body?: unknown, method = body === undefined ? 'GET' : 'POST'): Promise<Answer> => {
    const init =
      body === undefined ? { method } : { method, body: typeof body === 'string' ? body : JSON.stringify(body) }
    const response = await fetch(`${http}${path}`, init)
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) }
  }
  const post = (path: string, body: unknown = '') => call(path, body)
  return { server, get: (path: string) => call(path), post }
}

/** A repository with `add-sub` version 1. */
async function repository(): Promise<string> {
  const directory = await directoryWith({ 'add-sub/1/': '' })
  await addVersion(directory, '1')
  return directory
}

async function addVersion(directory: string, version: string): Promise<void> {
  await mkdir(join(directory, 'add-sub', version), { recursive: true })
  await cp(addSub, join(directory, 'add-sub', version, 'model.onnx'))
}

const names = ['INPUT0', 'INPUT1']
const numbers = Array.from({ length: 16 }, (_, index) => index)
const body = { inputs: names.map((name) => ({ name, datatype: 'INT32', shape: [1, 16], data: numbers })) }
const load = '/v2/repository/models/add-sub/load'
const unload = '/v2/repository/models/add-sub/unload'
const index = '/v2/repository/index'
const infer = '/v2/models/add-sub/infer'
const ready = (version: string) => ({ name: 'add-sub', version, state: 'READY' })
const error = (text: string | RegExp) => ({ error: expect.stringMatching(text) as string })

describe('the repository', () => {
  it('E1, E2, E3: lists every version, or the ready ones', async () => {
    const { post } = await start({ models: await repository() })
    expect(await post(index)).toEqual({ status: 200, body: [ready('1')] })
    expect(await post(index, {})).toEqual({ status: 200, body: [ready('1')] })
    expect(await post(index, { ready: true })).toEqual({ status: 200, body: [ready('1')] })
    expect(await post(index, { ready: 'yes' })).toEqual({
      status: 400,
      body: { error: `Invalid value for 'ready': expected a boolean` },
    })
  })

  it('E5, E11: unloads and loads a model', async () => {
    const { get, post } = await start({ models: await repository() })
    expect(await post(unload, { parameters: { unload_dependents: false } })).toEqual({
      status: 200,
      body: { name: 'add-sub', unload: true },
    })
    expect(await post(index)).toEqual({
      status: 200,
      body: [{ name: 'add-sub', version: '1', state: 'UNAVAILABLE', reason: 'unloaded' }],
    })
    expect(await post(index, { ready: true })).toEqual({ status: 200, body: [] })
    expect(await post(infer, body)).toEqual({
      status: 404,
      body: { error: `Request for unknown model: 'add-sub' has no available versions` },
    })
    expect(await post('/v2/models/add-sub/versions/1/infer', body)).toMatchObject({
      status: 503,
      body: error('is not at ready state'),
    })
    expect(await get('/v2/models/add-sub')).toMatchObject({ status: 404 })
    expect(await post(load)).toEqual({ status: 200, body: { name: 'add-sub', load: true } })
    expect(await post(infer, body)).toMatchObject({ status: 200 })
    expect(await get('/v2/models/add-sub')).toMatchObject({ status: 200 })
  })

  it('finds new versions and models, and lets go of versions that are gone', async () => {
    const directory = await repository()
    const { get, post } = await start({ models: directory })
    await addVersion(directory, '2')
    expect(await post(load)).toMatchObject({ status: 200 })
    expect(await post(infer, body)).toMatchObject({ status: 200, body: { model_version: '2' } })
    await rm(join(directory, 'add-sub', '1'), { recursive: true })
    expect(await post(load)).toMatchObject({ status: 200 })
    expect(await post(index, { ready: true })).toEqual({ status: 200, body: [ready('2')] })
    await cp(join(directory, 'add-sub'), join(directory, 'copy'), { recursive: true })
    expect(await get('/v2/models/copy')).toMatchObject({ status: 404 })
    expect(await post('/v2/repository/models/copy/load')).toMatchObject({ status: 200 })
    expect(await get('/v2/models/copy')).toMatchObject({ status: 200 })
  })

  it('E6: goes on with the loaded version where the new files are broken', async () => {
    const directory = await repository()
    const { get, post } = await start({ models: directory })
    await writeFile(join(directory, 'add-sub', '1', 'model.onnx'), 'no model')
    expect(await post(load)).toMatchObject({
      status: 400,
      body: error(/^failed to load 'add-sub', version 1: .*serving$/),
    })
    expect(await post(infer, body)).toMatchObject({ status: 200 })
    expect(await post(index)).toMatchObject({ body: [{ state: 'READY', reason: expect.any(String) as string }] })
    await writeFile(join(directory, 'add-sub', '1', 'model.onnx'), 'no model')
    await mkdir(join(directory, 'add-sub', '2'))
    await writeFile(join(directory, 'add-sub', '2', 'model.onnx'), 'no model')
    expect(await post(load)).toMatchObject({ status: 400 })
    expect(await get('/v2/health/ready')).toMatchObject({ status: 200 })
    expect(await post(index)).toMatchObject({
      body: [{ state: 'READY' }, { version: '2', state: 'UNAVAILABLE', reason: expect.any(String) as string }],
    })
  })

  it.each([
    ['E8 a file without config', { 'file:1/model.onnx': 'YWJj' }, 400, 'without .config.'],
    ['E9 a config that is no string', { config: {} }, 400, 'must be a string'],
    ['a config that is no JSON', { config: '{' }, 400, 'Invalid config override'],
    ['a config that is no object', { config: '[]' }, 400, 'Invalid config override'],
    ['an unknown parameter', { speed: 1 }, 400, `Unrecognized load parameter 'speed'`],
    ['a file that is no text', { config: '{}', 'file:1/model.onnx': 1 }, 400, 'base64'],
    ['a config with an unknown field', { config: '{"max_batch_sise":4}' }, 400, `did you mean 'max_batch_size'`],
    ['a config of another model', { config: '{"name":"other"}' }, 400, `'name' is 'other'`],
    ['a config for a backend that is not here', { config: '{"backend":"python"}' }, 400, 'python is not here'],
    ['a file that is no base64', { config: '{}', 'file:1/model.onnx': 'a?==' }, 400, 'no valid base64'],
    ['a file outside of the model', { config: '{}', 'file:../model.onnx': 'YWJj' }, 400, 'relative to the model'],
    ['an absolute path', { config: '{}', 'file:/1/model.onnx': 'YWJj' }, 400, 'relative to the model'],
    ['a backslash', { config: '{}', 'file:1\\model.onnx': 'YWJj' }, 400, 'relative to the model'],
    ['a file that names code', { config: '{}', 'file:model.yaml': 'YWJj' }, 400, 'cannot be uploaded'],
    ['a file that is no model', { config: '{}', 'file:1/model.onnx': 'YWJj' }, 400, `failed to load 'add-sub'`],
  ])('refuses %s', async (_title, parameters, status, text) => {
    const { post } = await start({ models: await repository() })
    expect(await post(load, { parameters })).toEqual({ status, body: error(text) })
    expect(await post(infer, body)).toMatchObject({ status: 200 })
  })

  it('E12 and others: refuses what is not there, and names that are paths', async () => {
    const { post } = await start({ models: await repository() })
    const of = (name: string, verb: string) => post(`/v2/repository/models/${name}/${verb}`)
    expect(await of('nope', 'unload')).toEqual({ status: 400, body: error('Model to be unloaded has not been served') })
    expect(await of('nope', 'load')).toEqual({ status: 404, body: error(`failed to load 'nope'`) })
    for (const verb of ['load', 'unload']) {
      for (const name of ['..%2Fother', 'a%2Fb', 'a%5Cb']) {
        expect(await of(name, verb)).toEqual({ status: 400, body: error('path traversal') })
      }
    }
    expect(await post('/v2/repository/other/models/add-sub/load')).toEqual({
      status: 501,
      body: error('repository_name'),
    })
    expect(await post('/v2/repository/other/index')).toEqual({ status: 501, body: error('repository_name') })
    expect(await post(load, '[1]')).toEqual({ status: 400, body: error('JSON object') })
    expect(await post(load, '{')).toEqual({ status: 400, body: error('failed to parse') })
    expect(await post(unload, { parameters: { unload_dependents: 1 } })).toEqual({
      status: 400,
      body: error('unload_dependents'),
    })
  })

  it('refuses loads and unloads by setting, and says so in its extensions', async () => {
    const { get, post } = await start({ models: await repository(), modelControl: 'none' })
    const refusal = { status: 503, body: error('explicit model load / unload is not allowed if polling is enabled') }
    expect(await post(load)).toEqual(refusal)
    expect(await post(unload)).toEqual(refusal)
    expect(await post(index)).toEqual({ status: 200, body: [ready('1')] })
    const { body: server } = await get('/v2')
    expect(server).toHaveProperty('extensions')
    expect(server).not.toHaveProperty('extensions', expect.arrayContaining(['model_repository']) as string[])
  })

  it('loads a model of the program again', async () => {
    let opened = 0
    const one = defineModel({
      inputs: { x: { datatype: 'FP32', shape: [-1] } },
      outputs: { y: { datatype: 'FP32', shape: [-1] } },
      load: () => void (opened += 1),
      predict: ({ x }) => ({ y: x.data }),
    })
    const { post } = await start({ models: { one } })
    expect(await post('/v2/repository/models/one/unload')).toMatchObject({ status: 200 })
    expect(await post('/v2/repository/models/one/load')).toMatchObject({ status: 200 })
    expect(opened).toBe(2)
  })

  it('E14: queues loads and unloads of one model', async () => {
    const { post } = await start({ models: await repository() })
    const answers = await Promise.all([post(load), post(unload), post(load), post(unload), post(load)])
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    expect(await post(infer, body)).toMatchObject({ status: 200 })
  })

  it('fails no request while it reloads 50 times under constant traffic', async () => {
    let open = 0
    const one = defineModel({
      inputs: { x: { datatype: 'FP32', shape: [-1] } },
      outputs: { y: { datatype: 'FP32', shape: [-1] } },
      load: () => void (open += 1),
      predict: async ({ x }) => {
        await new Promise((resolve) => setImmediate(resolve))
        if (open === 0) throw new Error('closed while it runs')
        return { y: x.data }
      },
      close: () => void (open -= 1),
    })
    const { server, post } = await start({ models: { one } })
    const request = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }] }
    const statuses = await underTraffic(post, '/v2/models/one/infer', request, async () => {
      for (let reload = 0; reload < 50; reload += 1) {
        expect(await post('/v2/repository/models/one/load')).toMatchObject({ status: 200 })
      }
    })
    expect([...statuses.keys()]).toEqual([200])
    expect(statuses.get(200)).toBeGreaterThan(50)
    await server.close()
    expect(open).toBe(0)
  })

  it('fails no request while it reloads an ONNX model', async () => {
    const { post } = await start({ models: await repository() })
    const statuses = await underTraffic(post, infer, body, async () => {
      for (let reload = 0; reload < 3; reload += 1) expect(await post(load)).toMatchObject({ status: 200 })
    })
    expect([...statuses.keys()]).toEqual([200])
  })
})

/** How many requests of four callers ended with which status while `work` was done. */
async function underTraffic(
  post: (path: string, body: unknown) => Promise<Answer>,
  path: string,
  request: unknown,
  work: () => Promise<void>,
): Promise<ReadonlyMap<number, number>> {
  let isDone = false
  const statuses = new Map<number, number>()
  const traffic = async () => {
    while (!isDone) {
      const { status } = await post(path, request)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  const callers = Array.from({ length: 4 }, traffic)
  await work()
  isDone = true
  await Promise.all(callers)
  return statuses
}

describe('statistics', () => {
  it('E18: counts rows, executions and requests', async () => {
    const sum = defineModel({
      inputs: { x: { datatype: 'FP32', shape: [-1, 2] } },
      outputs: { y: { datatype: 'FP32', shape: [-1, 2] } },
      predict: ({ x }) => ({ y: { shape: x.shape, data: x.data } }),
    })
    const { get, post } = await start({ models: { sum } })
    const input = { name: 'x', datatype: 'FP32', shape: [3, 2], data: [1, 2, 3, 4, 5, 6] }
    expect(await post('/v2/models/sum/infer', { inputs: [input] })).toMatchObject({ status: 200 })
    expect(await post('/v2/models/sum/infer', { inputs: [] })).toMatchObject({ status: 400 })
    expect(await post('/v2/models/sum/infer', { inputs: [{ ...input, name: 'z' }] })).toMatchObject({ status: 400 })
    const one = { count: 1, ns: expect.any(Number) as number }
    const compute = { compute_input: one, compute_infer: one, compute_output: one }
    const statistics = {
      model_stats: [
        {
          name: 'sum',
          version: '1',
          last_inference: expect.any(Number) as number,
          inference_count: 3,
          execution_count: 1,
          inference_stats: {
            success: one,
            fail: one,
            queue: one,
            ...compute,
            cache_hit: { count: 0, ns: 0 },
            cache_miss: { count: 0, ns: 0 },
          },
          response_stats: {},
          batch_stats: [{ batch_size: 3, ...compute }],
          memory_usage: [],
          scheduling: expect.objectContaining({ batching: false, batch_size: 1, isolations: 0 }) as object,
        },
      ],
    }
    for (const path of ['/v2/models/stats', '/v2/models/sum/stats', '/v2/models/sum/versions/1/stats']) {
      expect(await get(path)).toEqual({ status: 200, body: statistics })
    }
    expect(await get('/v2/models/nope/stats')).toMatchObject({ status: 404 })
    expect(await get('/v2/models/sum/versions/9/stats')).toMatchObject({ status: 404 })
  })
})
