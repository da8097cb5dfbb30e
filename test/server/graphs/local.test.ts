/** Graphs over models of the same server: by every door, without a socket between the steps. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { join } from 'node:path'
import { silentLog } from '../../../src/core/log.ts'
import { tensor } from '../../../src/core/tensor.ts'
import { createClient } from '../../../src/client/index.ts'
import { defineModel } from '../../../src/runtime/define-model.ts'
import { createServer, type Server } from '../../../src/server/server.ts'
import { samples } from '../../paths.ts'
import { inject } from './requests.ts'

const floats = { datatype: 'FP32', shape: [-1, 4] } as const

/** Half of what it gets, and a record of what headers and arrays came. */
const seen: { readonly data: unknown; readonly headers: Readonly<Record<string, string>> }[] = []
const given: unknown[] = []
const half = defineModel({
  inputs: { X: floats },
  outputs: { X: floats },
  preprocess: async (request, { headers }) => {
    seen.push({ data: request.inputs[0]?.data, headers })
    return request
  },
  postprocess: (response) => {
    given.push(response.outputs[0]?.data)
    return response
  },
  predict: ({ X }) => ({
    X: tensor(
      'X',
      'FP32',
      [...X.shape],
      X.data.map((value) => value / 2),
    ),
  }),
})

const never = defineModel({
  inputs: { X: floats },
  outputs: { X: floats },
  predict: (_inputs, { signal }) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('gone')))),
})

const node = (routerType: string, steps: readonly object[], servable?: object) => ({
  nodes: { root: { routerType, steps, ...(servable === undefined ? {} : { servable }) } },
})

const graphs = [
  {
    name: 'chain',
    namespace: 'lab',
    propagateHeaders: ['X-Tenant'],
    spec: node('Sequence', [
      { name: 'halve', serviceName: 'half' },
      { name: 'classify', serviceName: 'iris', data: '$response', servable: { mapping: 'auto' } },
    ]),
  },
  {
    name: 'choice',
    spec: node('Switch', [
      { serviceName: 'iris-labels', condition: 'instances.0.#(>6)' },
      { serviceName: 'classifier', condition: 'parameters.plain' },
    ]),
  },
  {
    name: 'both',
    spec: node('Ensemble', [
      { name: 'a', serviceName: 'iris' },
      { name: 'b', serviceName: 'iris' },
    ]),
  },
  { name: 'mean', spec: node('Ensemble', [{ serviceName: 'half' }, { serviceName: 'half' }], { combine: 'mean' }) },
  {
    name: 'split',
    spec: node('Splitter', [
      { serviceName: 'iris', weight: 100 },
      { serviceName: 'half', weight: 0 },
    ]),
  },
  {
    name: 'nested',
    spec: node('Sequence', [
      { serviceName: 'half' },
      { serviceName: 'half', data: '$response', servable: { mapping: 'auto' } },
    ]),
  },
  { name: 'plain-v1', spec: node('Sequence', [{ serviceName: 'iris' }]) },
  { name: 'plain-v2', spec: node('Sequence', [{ serviceName: 'classifier' }]) },
  { name: 'stuck', spec: node('Sequence', [{ serviceName: 'never' }]) },
  { name: 'outer', spec: node('Sequence', [{ serviceName: 'chain' }]) },
]

let server: Server
let [http, grpc] = ['', '']
beforeAll(async () => {
  server = await createServer({
    models: { iris: join(samples, 'iris'), 'iris-labels': join(samples, 'iris-labels'), half, never },
    graphs,
    services: { classifier: { model: 'iris', protocol: 'v2' } },
    maxRequestBytes: 65_536,
    log: silentLog,
    httpPort: 0,
    drainSeconds: 1,
  })
  const addresses = await server.start()
  http = addresses.http
  grpc = addresses.grpc ?? ''
})
afterAll(() => server.close())

const flower = [6.3, 3.3, 6, 2.5]
const v1 = { instances: [flower] }
const v2 = { inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: flower }] }
const post = (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${http}${path}`, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers })
const text = async (path: string, body: unknown) => (await post(path, body)).text()

const json = async (path: string, body: unknown): Promise<unknown> => (await post(path, body)).json()
const get = async (path: string): Promise<unknown> => (await fetch(`${http}${path}`)).json()
const iris = (data: readonly number[]) => ({ inputs: [{ ...v2.inputs[0], data }] })
const halved = flower.map((value) => value / 2)

describe('a graph on the paths of models', () => {
  it('answers as its last step does, in the protocol that it was asked in', async () => {
    expect(await text('/v1/models/chain:predict', v1)).toBe(
      await text('/v1/models/iris:predict', { instances: [halved] }),
    )
    expect(await text('/v2/models/chain/infer', v2)).toBe(await text('/v2/models/iris/infer', iris(halved)))
    expect(await text('/v2/models/chain/versions/1/infer', v2)).toBe(await text('/v2/models/chain/infer', v2))
  })

  it('hands the very array of one step to the next', async () => {
    seen.length = 0
    given.length = 0
    await post('/v2/models/nested/infer', v2)
    expect(seen).toHaveLength(2)
    expect(given[0]).toBeInstanceOf(Float32Array)
    expect(seen[1]?.data).toBe(given[0])
  })

  it('takes and gives raw tensors', async () => {
    const { outputs } = await createClient(http).infer('chain', { X: [flower] })
    const plain = await createClient(http).infer('iris', { X: [halved] })
    expect(outputs).toEqual(plain.outputs)
  })

  it('answers ModelInfer over gRPC, and programs', async () => {
    const expected = (await createClient(http).infer('iris', { X: [halved] })).outputs
    expect((await createClient(`grpc://${grpc}`).infer('chain', { X: [flower] })).outputs).toEqual(expected)
    const { model, outputs } = await server.infer({
      model: { name: 'chain' },
      inputs: [tensor('X', 'FP32', [1, 4], Float32Array.from(flower))],
    })
    expect(model).toEqual({ name: 'chain', version: '1' })
    expect(outputs.map(({ name }) => name)).toEqual(['label', 'probabilities'])
  })

  it('says over gRPC that its answer holds no tensors', async () => {
    await expect(createClient(`grpc://${grpc}`).infer('both', { X: [flower] })).rejects.toThrow(
      /graph 'both' did not answer with tensors/,
    )
  })

  it('does not know other versions', async () => {
    expect((await post('/v2/models/chain/versions/2/infer', v2)).status).toBe(404)
  })

  it('refuses to explain as a model without explainer does', async () => {
    expect((await post('/v1/models/chain:explain', v1)).status).toBe(501)
  })
})

/** Steps that run together may share a run, whose last digits differ. */
const near = (value: number): unknown => expect.closeTo(value, 4)

describe('the routers over real models', () => {
  it('Switch takes the first step whose condition the request meets', async () => {
    expect(await text('/graphs/choice', v1)).toBe(await text('/v1/models/iris-labels:predict', v1))
    const plain = { ...v2, parameters: { plain: true } }
    expect(await text('/graphs/choice', plain)).toBe(await text('/v2/models/iris/infer', v2))
    const answer = await post('/graphs/choice', { instances: [[1, 2, 3, 4]] })
    expect(answer.status).toBe(404)
    expect(await answer.text()).toBe(
      '{"error":"Failed to process request","cause":"None of the routes matched with the switch condition"}',
    )
  })

  it('Ensemble answers by step, or with what it combines', async () => {
    const one = { predictions: [{ label: 2, probabilities: [0.0000039, 0.0109, 0.9891].map((p) => near(p)) }] }
    expect(await json('/graphs/both', v1)).toEqual({ a: one, b: one })
    expect(await json('/v2/models/mean/infer', v2)).toMatchObject({ outputs: [{ name: 'X', shape: [1, 4] }] })
  })

  it('Splitter sends all to a step that has all the weight', async () => {
    expect(await text('/graphs/split', v1)).toBe(await text('/v1/models/iris:predict', v1))
  })

  it('a graph is a step of another', async () => {
    expect(await text('/graphs/outer', v1)).toBe(await text('/graphs/chain', v1))
  })
})

describe('errors of local steps', () => {
  it.each([
    ['/v1/models/%:predict', { instances: [[1]] }],
    ['/v1/models/%:predict', { instances: [] }],
    ['/v2/models/%/infer', { inputs: [{ name: 'Y', datatype: 'FP32', shape: [1, 4], data: flower }] }],
    ['/v2/models/%/infer', 'no JSON'],
  ])('are those of the door %s', async (path, body) => {
    const graph = await post(path.replace('%', path.startsWith('/v1') ? 'plain-v1' : 'plain-v2'), body)
    const model = await post(path.replace('%', 'iris'), body)
    expect(graph.status).toBe(model.status)
    expect(await graph.text()).toBe(await model.text())
    expect(graph.headers.get('content-type')).toBe('application/json')
  })

  it('are those of the model over gRPC', async () => {
    const wrong = { Y: [flower] }
    const told = await createClient(`grpc://${grpc}`).infer('plain-v2', wrong).catch(String)
    expect(told).toBe(await createClient(`grpc://${grpc}`).infer('iris', wrong).catch(String))
  })
})

describe('where a graph answers', () => {
  const at = async (host: string, url: string, method: 'GET' | 'POST' = 'POST') =>
    inject(new URL(http), { host, url, method, body: JSON.stringify(v1) })

  it.each(['chain.lab', 'chain.lab.example.com:8080', 'CHAIN-lab.example.com', 'chain.lab:80'])(
    'takes any path on its host %s',
    async (host) => {
      const expected = await text('/graphs/chain', v1)
      expect((await at(host, '/')).body).toBe(expected)
      expect((await at(host, '/v1/models/iris:predict?x=1')).body).toBe(expected)
    },
  )

  it.each(['chain', 'chain-lab', 'chain.default', 'x.chain.lab', 'chainx.lab.y', 'localhost', ''])(
    'leaves other hosts alone: %s',
    async (host) => {
      expect((await at(host, '/')).status).toBe(405)
    },
  )

  it('takes any method there, as the router does', async () => {
    expect((await at('chain.lab', '/', 'GET')).status).toBe(400)
    expect((await at('chain.lab', '/readyz', 'GET')).status).toBe(200)
  })

  it('takes its path below /serving, with its namespace', async () => {
    const expected = await text('/graphs/chain', v1)
    expect(await text('/serving/lab/chain', v1)).toBe(expected)
    expect(await text('/serving/lab/chain/v1/models/chain:predict', v1)).toBe(expected)
    expect((await post('/serving/default/chain', v1)).status).toBe(404)
    expect((await post('/serving/%zz/chain', v1)).status).toBeGreaterThanOrEqual(400)
  })

  it('knows no other graphs, and other methods nowhere else', async () => {
    const answer = await post('/graphs/nope', v1)
    expect([answer.status, await answer.json()]).toEqual([
      404,
      { error: 'InferenceGraph with name nope does not exist.' },
    ])
    expect((await fetch(`${http}/graphs/chain`)).status).toBe(405)
  })

  it('refuses a body beyond the limit', async () => {
    expect((await post('/graphs/chain', 'x'.repeat(70_000))).status).toBe(413)
  })
})

describe('what is told of a graph', () => {
  it('is listed and ready as a model is', async () => {
    expect(await get('/v2/models')).toMatchObject({ models: expect.arrayContaining(['iris', 'chain']) as unknown })
    expect(await get('/v2/models/chain/ready')).toEqual({ name: 'chain', ready: true })
    expect(await json('/v2/repository/index', {})).toEqual(
      expect.arrayContaining([{ name: 'chain', version: '1', state: 'READY' }]),
    )
  })

  it('has the inputs of its first models and the outputs of its last', async () => {
    expect(await get('/v2/models/chain')).toMatchObject({
      platform: 'inference_graph',
      inputs: [{ name: 'X', datatype: 'FP32', shape: [-1, 4] }],
      outputs: [{ name: 'label' }, { name: 'probabilities' }],
    })
    expect(await get('/v2/models/both')).toMatchObject({ inputs: [{ name: 'X' }], outputs: [] })
  })

  it('tells its configuration and statistics as a model does', async () => {
    expect(await get('/v2/models/chain/config')).toMatchObject({ name: 'chain', max_batch_size: 0 })
    expect(await get('/v2/models/chain/stats')).toMatchObject({ model_stats: [{ name: 'chain' }] })
    expect(await get('/v1/models/chain')).toMatchObject({ name: 'chain', ready: true })
    expect(await get('/v1/models/chain/metadata')).toMatchObject({ model_spec: { name: 'chain' } })
  })

  it('explains what every step did', async () => {
    const { status, body, steps } = (await json('/v2/models/choice/infer?explain=true', v1)) as {
      readonly status: number
      readonly body: unknown
      readonly steps: readonly object[]
    }
    expect(status).toBe(200)
    expect(body).toEqual(await json('/v1/models/iris-labels:predict', v1))
    expect(steps).toMatchObject([
      { node: 'root', step: '0', target: 'service:iris-labels', outcome: 'answered', status: 200, calls: 1 },
    ])
  })

  it('counts answers and steps under names of the specification', async () => {
    await post('/graphs/choice', { instances: [[1, 2, 3, 4]] })
    const metrics = await (await fetch(`${http}/metrics`)).text()
    expect(metrics).toMatch(/servable_graph_requests_total\{graph="choice",code="404"\} \d/)
    expect(metrics).toMatch(/servable_graph_step_duration_seconds_count\{graph="chain",node="root",step="halve"\} \d/)
    expect(metrics).toMatch(
      /servable_graph_steps_total\{graph="choice",node="root",step="0",outcome="passed over"\} \d/,
    )
    expect(metrics).toMatch(
      /servable_requests_total\{model="choice",version="1",protocol="v1",verb="infer",code="not_found"\} \d/,
    )
    expect(metrics).not.toContain('graph="nope"')
  })

  it('gives the headers that its patterns let through to the hooks of a step', async () => {
    seen.length = 0
    await post('/graphs/chain', v1, { 'x-tenant': 'blue', 'x-other': 'no' })
    expect(seen[0]?.headers).toEqual({ 'x-tenant': 'blue', 'content-type': 'application/json' })
  })
})

describe('deadlines', () => {
  it('end a graph as they end a model', async () => {
    const answer = await post('/graphs/stuck', v1, { 'x-request-timeout': '20ms' })
    expect([answer.status, await answer.json()]).toEqual([504, { error: 'the deadline of the request passed' }])
  })
})
