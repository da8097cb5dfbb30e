import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { identity } from './models.ts'
import { failure, startServer, type Answer, type Harness, type TestClient } from './support.ts'

let harness: Harness
let health: TestClient
beforeAll(async () => {
  harness = await startServer({ identity })
  health = harness.connect('grpc.health.v1.Health')
})
afterAll(() => harness.close())

describe('Health.Check', () => {
  it.each(['', 'inference.GRPCInferenceService', 'identity'])("says that '%s' serves", async (service) => {
    expect(await health.call('Check', { service })).toEqual({ status: 'SERVING' })
  })

  it('answers NOT_FOUND for what it does not know', async () => {
    expect((await failure(health.call('Check', { service: 'nope' }))).code).toBe(status.NOT_FOUND)
  })

  it('says that the server does not serve while a model has failed', async () => {
    const load = async () => Promise.reject(new Error('no such file'))
    await harness.repository.load({ ref: { name: 'broken', version: '1' }, runtime: 'test', load })
    expect(await health.call('Check', { service: '' })).toEqual({ status: 'NOT_SERVING' })
    expect(await health.call('Check', { service: 'broken' })).toEqual({ status: 'NOT_SERVING' })
    expect(await health.call('Check', { service: 'identity' })).toEqual({ status: 'SERVING' })
    await harness.repository.unload({ name: 'broken' })
  })
})

describe('Health.Watch', () => {
  it('tells the status now and after each change', async () => {
    const watch = health.watch('Watch', { service: 'later' })
    watch.on('error', () => undefined)
    const next = () => new Promise<Answer>((resolve) => watch.once('data', resolve))
    expect(await next()).toEqual({ status: 'SERVICE_UNKNOWN' })
    const statuses: string[] = []
    const serving = new Promise<void>((resolve) =>
      watch.on('data', (answer: Answer) => {
        statuses.push(answer.status)
        if (answer.status === 'SERVING') resolve()
      }),
    )
    await harness.add('later', identity)
    await serving
    const unloaded = next()
    await harness.repository.unload({ name: 'later' })
    expect(await unloaded).toEqual({ status: 'NOT_SERVING' })
    watch.cancel()
  })

  it('tells that the server drains, then ends', async () => {
    const other = await startServer({ identity })
    const watch = other.connect('grpc.health.v1.Health').watch('Watch', { service: '' })
    const statuses: string[] = []
    const ended = new Promise<{ code: status }>((resolve) => watch.on('status', resolve))
    watch.on('error', () => undefined)
    watch.on('data', (answer: Answer) => statuses.push(answer.status))
    await new Promise((resolve) => watch.once('data', resolve))
    await other.server.drain(10_000)
    expect((await ended).code).toBe(status.UNAVAILABLE)
    expect(statuses).toEqual(['SERVING', 'NOT_SERVING'])
    await other.close()
  })
})
