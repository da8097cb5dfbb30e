/** Headers that a model sets: over REST in the head of the answer, over gRPC in the metadata behind it. */
import * as grpc from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeGrpcInferRequest, encodePredictRequest } from '../../src/codec/index.ts'
import type { InferenceRequest } from '../../src/core/inference.ts'
import { silentLog } from '../../src/core/log.ts'
import { tensor } from '../../src/core/tensor.ts'
import { defineModel } from '../../src/runtime/define-model.ts'
import { createServer, type Server } from '../../src/server/server.ts'

const floats = { datatype: 'FP32', shape: [-1] } as const

/** Answers what it gets, with these headers. */
const withHeaders = (headers: Readonly<Record<string, string>>) =>
  defineModel({
    inputs: { x: floats },
    outputs: { y: floats },
    predict: ({ x }) => ({ y: x.data }),
    postprocess: async (response) => ({ ...response, headers }),
  })

const models = {
  told: withHeaders({
    'X-Model-Card': 'iris-7',
    'x-cost': '3',
    'Content-Length': '1',
    connection: 'close',
    date: 'never',
  }),
  broken: withHeaders({ 'x-text': 'a\r\nset-cookie: b' }),
  misnamed: withHeaders({ 'no name': 'a' }),
}

let server: Server
let [http, address] = ['', '']
beforeAll(async () => {
  server = await createServer({ models, log: silentLog, httpPort: 0, grpcPort: 0, drainSeconds: 1 })
  const addresses = await server.start()
  http = addresses.http
  address = addresses.grpc ?? ''
})
afterAll(() => server.close())

const body = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }] }
const post = (path: string, sent: object) =>
  fetch(`${http}${path}`, { method: 'POST', body: JSON.stringify(sent), headers: { accept: '*/*' } })

/** The trailing metadata of a call, and its status. */
async function call(path: string, request: Uint8Array, isStream = false): Promise<grpc.StatusObject> {
  const client = new grpc.Client(address, grpc.credentials.createInsecure())
  const asIs = (bytes: Buffer): Buffer => bytes
  try {
    return await new Promise((resolve) => {
      if (isStream) {
        const duplex = client.makeBidiStreamRequest(path, asIs, asIs)
        duplex
          .on('status', resolve)
          .on('error', () => undefined)
          .resume()
        duplex.end(Buffer.from(request))
      } else {
        const unary = client.makeUnaryRequest(path, asIs, asIs, Buffer.from(request), () => undefined)
        unary.on('status', resolve)
      }
    })
  } finally {
    client.close()
  }
}

const requestOf = (name: string): InferenceRequest => ({
  model: { name },
  inputs: [tensor('x', 'FP32', [1], Float32Array.of(1))],
})
const infer = (name: string, isStream = false) =>
  call(
    `/inference.GRPCInferenceService/${isStream ? 'ModelStreamInfer' : 'ModelInfer'}`,
    encodeGrpcInferRequest(requestOf(name)),
    isStream,
  )

describe('headers that a model sets', () => {
  it.each([
    ['V2', '/v2/models/told/infer', body],
    ['V1', '/v1/models/told:predict', { instances: [1] }],
    ['generate', '/v2/models/told/generate', { x: [1] }],
    ['a stream', '/v2/models/told/generate_stream', { x: [1] }],
  ])('come with the answer over REST: %s', async (_wire, path, sent) => {
    const response = await post(path, sent)
    expect(response.status).toBe(200)
    expect(Object.fromEntries(response.headers)).toMatchObject({ 'x-model-card': 'iris-7', 'x-cost': '3' })
    expect(await response.text()).toContain('1')
    expect(response.headers.get('date')).not.toBe('never')
  })

  it('come behind the answer over gRPC: V2, its stream, and Predict', async () => {
    const answers = await Promise.all([
      infer('told'),
      infer('told', true),
      call(
        '/tensorflow.serving.PredictionService/Predict',
        encodePredictRequest({
          spec: { name: 'told', signatureName: '' },
          inputs: requestOf('told').inputs,
          outputFilter: [],
        }),
      ),
    ])
    for (const { code, metadata } of answers) {
      expect(code).toBe(grpc.status.OK)
      expect(metadata.get('x-model-card')).toEqual(['iris-7'])
      expect(metadata.get('content-length')).toEqual([])
    }
  })

  it.each(['broken', 'misnamed'])('are a fault of the model where no header can carry them: %s', async (name) => {
    for (const verb of ['infer', 'generate_stream']) {
      const response = await post(`/v2/models/${name}/${verb}`, verb === 'infer' ? body : { x: [1] })
      expect([response.status, await response.json()]).toEqual([500, { error: 'internal error' }])
    }
    expect(await infer(name)).toMatchObject({ code: grpc.status.INTERNAL, details: 'internal error' })
  })
})
