/** Hosts of services and graphs: over gRPC by `:authority` as over REST by `Host`, and for no other model than theirs. */
import { status } from '@grpc/grpc-js'
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failure, TestClient } from '../../grpc/support.ts'
import { ServingClient } from '../../grpc/tfserving-client.ts'
import { isReady, isvcText, startControlled, v2Request, type ControlledServer } from './support.ts'

const graph = [
  'apiVersion: serving.kserve.io/v1alpha1',
  'kind: InferenceGraph',
  'metadata: {name: both}',
  'spec: {nodes: {root: {routerType: Sequence, steps: [{serviceName: flowers}]}}}',
].join('\n')
const row = [6.3, 3.3, 6, 2.5]
const input = { name: 'X', datatype: 'FP32', shape: [1, 4], contents: { fp32_contents: row } }
const tensor = { dtype: 'DT_FLOAT', tensor_shape: { dim: [{ size: 1 }, { size: 4 }] }, float_val: row }

let controlled: ControlledServer
const open: { close(): void }[] = []

/** `flowers` with a canary that has no traffic, `other`, and the graph `both`. */
beforeAll(async () => {
  controlled = await startControlled()
  await controlled.apply(isvcText('iris'))
  await controlled.until(isReady)
  await controlled.apply(isvcText('iris-labels', ['canaryTrafficPercent: 0']))
  await controlled.until(isReady)
  await controlled.apply(isvcText('iris', [], 'other'), 'other')
  await controlled.until(isReady, 'other')
  const path = '/apis/serving.kserve.io/v1alpha1/namespaces/default/inferencegraphs/both'
  expect((await controlled.call('PUT', path, graph)).code).toBe(201)
})

afterAll(async () => {
  for (const client of open.splice(0)) client.close()
  await controlled.server.close()
})

const portOf = (address: string): number => Number(address.split(':').at(-1))

function grpcAt(host: string): TestClient {
  const options = { 'grpc.default_authority': host }
  const client = new TestClient('inference.GRPCInferenceService', portOf(controlled.grpc), options)
  open.push(client)
  return client
}

function servingAt(host: string): ServingClient {
  const client = new ServingClient(portOf(controlled.grpc), { 'grpc.default_authority': host })
  open.push(client)
  return client
}

/** The datatype of the first output: that of `iris-labels` is BYTES. */
async function answerAt(host: string, model: string): Promise<string | undefined> {
  const { outputs } = await grpcAt(host).call('ModelInfer', { model_name: model, inputs: [input] })
  return outputs[0]?.datatype
}

interface RestAnswer {
  readonly status: number | undefined
  readonly text: string
}

/** fetch sets no Host. */
function restAt(host: string, path: string, body?: object): Promise<RestAnswer> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST'
    const sent = request(`${controlled.http}${path}`, { method, headers: { host } }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => (text += chunk.toString()))
      response.on('end', () => resolve({ status: response.statusCode, text }))
    })
    sent.on('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

describe('the host of a service over gRPC', () => {
  it('leads to its model, named or not', async () => {
    for (const host of [
      'flowers.default.example.com',
      'flowers.default.example.com:80',
      'flowers-default.example.com',
    ]) {
      expect(await answerAt(host, 'flowers')).toBe('INT64')
      expect(await answerAt(host, '')).toBe('INT64')
    }
    expect(await answerAt('flowers-predictor.default.example.com', '')).toBe('INT64')
    const client = grpcAt('flowers.default.example.com')
    expect(await client.call('ModelReady', {})).toMatchObject({ ready: true })
    expect(await client.call('ModelMetadata', {})).toMatchObject({ name: 'flowers' })
  })

  it('leads with a tag to one of its revisions', async () => {
    expect(await answerAt('latest-flowers-predictor.default.example.com', 'flowers')).toBe('BYTES')
    expect(await answerAt('latest-flowers-predictor.default.example.com', '')).toBe('BYTES')
    expect(await answerAt('prev-flowers-predictor.default.example.com', '')).toBe('INT64')
  })

  it('knows no other model', async () => {
    const client = grpcAt('flowers.default.example.com')
    for (const model of ['other', 'nobody', 'both']) {
      expect(await failure(client.call('ModelInfer', { model_name: model, inputs: [input] }))).toMatchObject({
        code: status.NOT_FOUND,
        details: `Model with name ${model} does not exist on the host of 'flowers'.`,
      })
      expect(await failure(client.call('ModelMetadata', { name: model }))).toMatchObject({ code: status.NOT_FOUND })
      expect(await client.call('ModelReady', { name: model })).toMatchObject({ ready: false })
    }
  })

  it('leads to its model in a stream and through TF Serving’s services', async () => {
    const stream = grpcAt('latest-flowers-predictor.default.example.com').duplex('ModelStreamInfer')
    const answered = new Promise<unknown>((resolve, reject) => {
      stream.on('data', resolve)
      stream.on('error', reject)
    })
    stream.write({ model_name: '', inputs: [input] })
    expect(await answered).toMatchObject({ infer_response: { outputs: [{ datatype: 'BYTES' }, {}] } })
    stream.end()
    const client = servingAt('flowers.default.example.com')
    const predicted = await client.call('Predict', { model_spec: {}, inputs: { X: tensor } })
    expect(predicted.model_spec).toMatchObject({ name: 'flowers', version: { value: '1' } })
    expect(await client.call('GetModelStatus', { model_spec: {} })).toMatchObject({
      model_version_status: [{ state: 'AVAILABLE' }],
    })
    expect(
      await failure(client.call('Predict', { model_spec: { name: 'other' }, inputs: { X: tensor } })),
    ).toMatchObject({ code: status.NOT_FOUND })
  })

  it('of a graph leads to the graph', async () => {
    expect(await answerAt('both.default.example.com', '')).toBe('INT64')
    const client = grpcAt('both.default.example.com')
    const refused = failure(client.call('ModelInfer', { model_name: 'flowers', inputs: [input] }))
    expect(await refused).toMatchObject({ code: status.NOT_FOUND })
  })

  it('of nobody leads to every model', async () => {
    for (const host of ['localhost', 'somebody.default.example.com', '10.0.0.1:80']) {
      expect(await answerAt(host, 'other')).toBe('INT64')
      expect(await failure(grpcAt(host).call('ModelInfer', { inputs: [input] }))).toMatchObject({
        code: status.INVALID_ARGUMENT,
      })
    }
  })
})

describe('the host of a service over REST', () => {
  it('knows no other model, in any protocol', async () => {
    const host = 'flowers.default.example.com'
    expect((await restAt(host, '/v2/models/flowers/infer', v2Request)).status).toBe(200)
    expect((await restAt(host, '/v1/models/flowers:predict', { instances: [row] })).status).toBe(200)
    const calls: readonly (readonly [string, object?])[] = [
      ['/v2/models/other/infer', v2Request],
      ['/v2/models/other'],
      ['/v2/models/other/ready'],
      ['/v1/models/other:predict', { instances: [row] }],
      ['/v1/models/other'],
    ]
    for (const [path, body] of calls) {
      expect(await restAt(host, path, body)).toEqual({
        status: 404,
        text: '{"error":"Model with name other does not exist."}',
      })
      expect((await restAt('localhost', path, body)).status).toBe(200)
    }
    expect((await restAt('localhost', '/serving/default/flowers/v2/models/other')).status).toBe(404)
    expect((await restAt(host, '/v2/health/ready')).status).toBe(200)
  })
})
