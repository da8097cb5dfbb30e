/** Graphs over models of the same server: by every door, without a socket between the steps. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { join } from 'node:path'
import { silentLog } from '../../../src/core/log.ts'
import { tensor } from '../../../src/core/tensor.ts'
import { createClient } from '../../../src/client/index.ts'
import { defineModel } from '../../../src/runtime/define-model.ts'
import { createServer, type Server } from '../../../src/server/server.ts'
import { samples } from '../../paths.ts'

const floats = { datatype: 'FP32', shape: [-1, 4] } as const

/** Half of what it gets, and a record of what headers and arrays came. */
const seen: { readonly data: unknown; readonly headers: Readonly<Record<string, string>> }[] = []
const half = defineModel({
  inputs: { X: floats },
  outputs: { X: floats },
  preprocess: async (request, { headers }) => {
    seen.push({ data: request.inputs[0]?.data, headers })
    return request
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
  { name: 'outer', spec: node('Sequence', [{ serviceName: 'chain' }]) },
]

let server: Server
let [http, grpc] = ['', '']
beforeAll(async () => {
  server = await createServer({
    models: { iris: join(samples, 'iris'), 'iris-labels': join(samples, 'iris-labels'), half },
    graphs,
    services: { classifier: { model: 'iris', protocol: 'v2' } },
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

describe('a graph over local models', () => {
  it('answers on the paths of models as its last step does there', async () => {
    const whole = { instances: [flower.map((value) => value / 2)] }
    expect(await text('/v1/models/chain:predict', v1)).toBe(await text('/v1/models/iris:predict', whole))
    const halved = { inputs: [{ ...v2.inputs[0], data: flower.map((value) => value / 2) }] }
    expect(await text('/v2/models/chain/infer', v2)).toBe(await text('/v2/models/iris/infer', halved))
    expect(await text('/graphs/chain', v2)).toBe(await text('/v2/models/chain/infer', v2))
  })
})

describe('grpc', () => {
  it('answers ModelInfer', async () => {
    const client = createClient(`grpc://${grpc}`)
    const { outputs } = await client.infer('chain', { X: [flower] })
    expect(Object.keys(outputs)).toEqual(['label', 'probabilities'])
  })
})
