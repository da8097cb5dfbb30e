/** Answers tell which revision gave them, where a model has revisions. */
import * as grpc from '@grpc/grpc-js'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeGrpcInferRequest } from '../../../src/codec/v2-grpc.ts'
import { tensor } from '../../../src/core/tensor.ts'
import { samples } from '../../paths.ts'
import { isReady, isvcText, startControlled, v2Request, type ControlledServer } from './support.ts'

const header = 'x-servable-revision'
const first = 'flowers-predictor-00001'
const second = 'flowers-predictor-00002'
const row = [6.3, 3.3, 6, 2.5]

let controlled: ControlledServer
let client: grpc.Client

/** `flowers` with a canary of half, and `plain`, which no manifest brought. */
beforeAll(async () => {
  controlled = await startControlled({ models: { plain: join(samples, 'iris') } })
  await controlled.apply(isvcText('iris'))
  await controlled.until(isReady)
  await controlled.apply(isvcText('iris-labels', ['canaryTrafficPercent: 50']))
  await controlled.until(isReady)
  client = new grpc.Client(controlled.grpc, grpc.credentials.createInsecure())
})

afterAll(async () => {
  client.close()
  await controlled.server.close()
})

function post(path: string, body: object): Promise<Response> {
  return fetch(`${controlled.http}${path}`, { method: 'POST', body: JSON.stringify(body) })
}

interface Trailed {
  readonly code: grpc.status
  readonly revision: grpc.MetadataValue | undefined
}

/** @param values of the one row */
function inferByGrpc(model: string, values = row): Promise<Trailed> {
  const inputs = [tensor('X', 'FP32', [1, values.length], Float32Array.from(values))]
  const bytes = Buffer.from(encodeGrpcInferRequest({ model: { name: model }, inputs }))
  const asIs = (message: Buffer): Buffer => message
  return new Promise((resolve) => {
    const call = client.makeUnaryRequest(
      '/inference.GRPCInferenceService/ModelInfer',
      asIs,
      asIs,
      bytes,
      () => undefined,
    )
    call.on('status', ({ code, metadata }) => resolve({ code, revision: metadata.get(header)[0] }))
  })
}

describe('the revision that answered', () => {
  it('is told over REST, V1 and V2', async () => {
    const seen = new Set<string | null>()
    for (let asked = 0; asked < 6; asked += 1) {
      const answer = await post('/v2/models/flowers/infer', v2Request)
      const isCanary = (await answer.text()).includes('"BYTES"')
      expect(answer.headers.get(header)).toBe(isCanary ? second : first)
      seen.add(answer.headers.get(header))
      const predicted = await post('/v1/models/flowers:predict', { instances: [row] })
      expect(predicted.headers.get(header)).toBe((await predicted.text()).includes('virginica') ? second : first)
    }
    expect([...seen].toSorted()).toEqual([first, second])
  })

  it('is the one that is asked for by its own name', async () => {
    for (const revision of [first, second, first, second]) {
      expect((await post(`/v2/models/${revision}/infer`, v2Request)).headers.get(header)).toBe(revision)
      expect(await inferByGrpc(revision)).toEqual({ code: grpc.status.OK, revision })
    }
  })

  it('is told over gRPC', async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => inferByGrpc('flowers')))
    expect([...new Set(answers.map(({ revision }) => revision))].toSorted()).toEqual([first, second])
  })

  it('is told where it refuses', async () => {
    const narrow = { inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 3], data: [1, 2, 3] }] }
    const refused = await post(`/v2/models/${first}/infer`, narrow)
    expect([refused.status, refused.headers.get(header)]).toEqual([400, first])
    expect(await inferByGrpc(first, [1, 2, 3])).toEqual({ code: grpc.status.INVALID_ARGUMENT, revision: first })
  })

  it('is nothing where a model has none', async () => {
    const answer = await post('/v2/models/plain/infer', v2Request)
    expect([answer.status, answer.headers.has(header)]).toEqual([200, false])
    expect(await inferByGrpc('plain')).toEqual({ code: grpc.status.OK, revision: undefined })
    expect((await post('/v2/models/nobody/infer', v2Request)).headers.has(header)).toBe(false)
  })
})
