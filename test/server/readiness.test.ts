/** When a server says that it is ready. */
import { describe, expect, it } from 'vitest'
import { defineModel } from '../../src/runtime/define-model.ts'
import { createServer } from '../../src/server/server.ts'

const half = defineModel({
  inputs: { x: { datatype: 'FP32', shape: [-1] } },
  outputs: { y: { datatype: 'FP32', shape: [-1] } },
  predict: ({ x }) => ({ y: x.data.map((value) => value / 2) }),
})

describe('a server', () => {
  it('is alive but not ready between listening and the end of the load, and lists its models all the time', async () => {
    const server = await createServer({ models: { half }, httpPort: 0, grpcPort: 0, logLevel: 'silent' })
    const { http } = await server.listen()
    expect((await fetch(`${http}/v2/health/live`)).status).toBe(200)
    expect((await fetch(`${http}/v2/health/ready`)).status).toBe(503)
    expect((await fetch(`${http}/v2/models/half/ready`)).status).toBe(503)
    expect(server.dataPlane.models()).toMatchObject([{ ref: { name: 'half' }, state: 'loading' }])
    await server.load()
    expect((await fetch(`${http}/v2/health/ready`)).status).toBe(200)
    await server.close()
  })

  it('closes before its models were loaded', async () => {
    const server = await createServer({ models: { half }, httpPort: 0, grpcPort: 0, logLevel: 'silent' })
    await server.listen()
    await expect(server.close()).resolves.toBeUndefined()
  })

  it('is closed once, however often that is asked for', async () => {
    const server = await createServer({ models: { half }, httpPort: 0, grpcPort: 0, logLevel: 'silent' })
    await server.start()
    expect(server.close()).toBe(server.close())
    await server.close()
  })
})
