import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createClient, type Client } from '../../src/client/index.ts'
import { simple } from '../grpc/models.ts'
import { startServer, type Harness } from '../grpc/support.ts'

let harness: Harness
let client: Client
beforeAll(async () => {
  harness = await startServer({ simple })
  client = createClient(`127.0.0.1:${harness.port}`, { protocol: 'grpc-v1', retries: 0 })
})
afterAll(async () => {
  client.close()
  await harness.close()
})

const numbers = Array.from({ length: 16 }, (_, index) => index)

describe('a client by the V1 protocol over gRPC', () => {
  it('takes datatypes and shapes from the signature', async () => {
    const { outputs, response } = await client.infer('simple', { INPUT0: numbers, INPUT1: numbers })
    expect(outputs['OUTPUT0']).toMatchObject({
      datatype: 'INT32',
      shape: [1, 16],
      data: Int32Array.from(numbers, (value) => value * 2),
    })
    expect(response.model).toEqual({ name: 'simple', version: '1' })
  })

  it('reads the signature', async () => {
    expect(await client.modelMetadata('simple')).toEqual({
      name: 'simple',
      versions: ['1'],
      platform: '',
      inputs: [
        { name: 'INPUT0', datatype: 'INT32', shape: [-1, 16] },
        { name: 'INPUT1', datatype: 'INT32', shape: [-1, 16] },
      ],
      outputs: [
        { name: 'OUTPUT0', datatype: 'INT32', shape: [-1, 16] },
        { name: 'OUTPUT1', datatype: 'INT32', shape: [-1, 16] },
      ],
      parameters: {},
    })
  })

  it('asks for readiness', async () => {
    expect([await client.isLive(), await client.isReady()]).toEqual([true, true])
    expect(await client.isModelReady('simple')).toBe(true)
    expect(await client.isModelReady('nobody')).toBe(false)
  })

  it('says what the protocol does not have', async () => {
    await expect(client.serverMetadata()).rejects.toMatchObject({ code: 'unimplemented' })
    await expect(client.models()).rejects.toMatchObject({ code: 'unimplemented' })
    await expect(client.stream('simple', { INPUT0: numbers, INPUT1: numbers }).next()).rejects.toMatchObject({
      code: 'unimplemented',
    })
  })
})
