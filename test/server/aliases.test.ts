/** Aliases over REST, and what they lead to over every protocol. */
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { defineModel } from '../../src/runtime/define-model.ts'
import { createServer, type ServerOptions } from '../../src/server/server.ts'
import { directoryWith } from '../repository/directories.ts'

const adding = (number: number) =>
  defineModel({
    inputs: { x: { datatype: 'FP32', shape: [-1] } },
    outputs: { y: { datatype: 'FP32', shape: [-1] } },
    predict: ({ x }) => ({ y: x.data.map((value) => value + number) }),
  })

async function start(options: Partial<ServerOptions> = {}) {
  const models = { 'sum-1': adding(1), 'sum-2': adding(2) }
  const server = await createServer({
    log: silentLog,
    httpPort: 0,
    enableGrpc: false,
    drainSeconds: 1,
    models,
    ...options,
  })
  onTestFinished(() => server.close())
  const { http } = await server.start()
  const call = async (method: string, path: string, body?: unknown) => {
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) }
    const response = await fetch(`${http}${path}`, init)
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  const inputs = [{ name: 'x', datatype: 'FP32', shape: [1], data: [0] }]
  const infer = async (name: string) => (await call('POST', `/v2/models/${name}/infer`, { inputs })).body
  return { call, infer }
}

const path = '/v2/repository/aliases/sum'
const to = (model: string, weight = 1) => ({ model, weight })

describe('aliases', () => {
  it('are made, told, changed and deleted', async () => {
    const { call, infer } = await start()
    expect(await call('GET', path)).toEqual({ status: 404, body: { error: "there is no alias 'sum'" } })
    const first = { name: 'sum', targets: [to('sum-1')] }
    expect(await call('PUT', path, { targets: [{ model: 'sum-1' }] })).toEqual({ status: 200, body: first })
    expect(await infer('sum')).toMatchObject({ model_name: 'sum-1', outputs: [{ data: [1] }] })
    expect(await call('GET', '/v2/repository/aliases')).toEqual({ status: 200, body: { aliases: [first] } })
    const second = { name: 'sum', targets: [{ model: 'sum-2', version: '1', weight: 5 }] }
    expect(await call('PUT', path, { targets: [{ model: 'sum-2', version: 1, weight: 5 }] })).toEqual({
      status: 200,
      body: second,
    })
    expect(await infer('sum')).toMatchObject({ model_name: 'sum-2', outputs: [{ data: [2] }] })
    expect(await call('GET', path)).toEqual({ status: 200, body: second })
    expect(await call('DELETE', path)).toEqual({ status: 200, body: { name: 'sum', deleted: true } })
    expect(await call('DELETE', path)).toMatchObject({ status: 404 })
    expect(await infer('sum')).toEqual({ error: 'Model with name sum does not exist.' })
  })

  it('are asked as their models are', async () => {
    const { call } = await start()
    await call('PUT', path, { targets: [to('sum-1')] })
    expect(await call('GET', '/v2/models/sum')).toMatchObject({ status: 200, body: { name: 'sum-1' } })
    expect(await call('GET', '/v2/models/sum/ready')).toMatchObject({ status: 200, body: { ready: true } })
    expect(await call('POST', '/v1/models/sum:predict', { instances: [1, 2] })).toEqual({
      status: 200,
      body: { predictions: [2, 3] },
    })
    expect(await call('GET', '/v2/models/sum/config')).toMatchObject({ status: 200 })
    expect(await call('GET', '/v2/models/sum/stats')).toMatchObject({ body: { model_stats: [{ name: 'sum-1' }] } })
    expect(await call('GET', '/v1/models/sum')).toMatchObject({
      status: 200,
      body: { ready: true, model_version_status: [{ version: '1', state: 'AVAILABLE' }] },
    })
  })

  it('send a part of the requests to a canary', async () => {
    const { call, infer } = await start()
    await call('PUT', path, { targets: [to('sum-1', 90), to('sum-2', 10)] })
    const answers = await Promise.all(Array.from({ length: 200 }, () => infer('sum')))
    const canaries = answers.filter(({ model_name: name }) => name === 'sum-2').length
    expect(canaries).toBeGreaterThan(15)
    expect(canaries).toBeLessThan(25)
  })

  it('are changed from what the caller has seen, or not at all', async () => {
    const { call } = await start()
    const set = (model: string, expected: unknown) => call('PUT', path, { targets: [to(model)], expected })
    expect(await set('sum-1', [to('sum-2')])).toEqual({
      status: 409,
      body: { error: "alias 'sum' does not exist", current: null },
    })
    expect(await set('sum-1', null)).toMatchObject({ status: 200 })
    const current = { name: 'sum', targets: [to('sum-1')] }
    expect(await set('sum-2', null)).toEqual({
      status: 409,
      body: { error: "alias 'sum' is not as expected", current },
    })
    expect(await call('DELETE', path, { expected: [to('sum-2')] })).toMatchObject({ status: 409, body: { current } })
    const racers = await Promise.all(Array.from({ length: 8 }, () => set('sum-2', [to('sum-1')])))
    expect(racers.filter(({ status }) => status === 200)).toHaveLength(1)
  })

  it.each([
    [{}, 400, /^'targets' must be a list/],
    [{ targets: [] }, 400, /^'targets' must be a list/],
    [{ targets: ['sum-1'] }, 400, /^targets\[0\] must be an object/],
    [{ targets: [{ model: '' }] }, 400, /^targets\[0\].model/],
    [{ targets: [{ model: 'sum-1', version: 'x' }] }, 400, /^targets\[0\].version/],
    [{ targets: [{ model: 'sum-1', weight: -1 }] }, 400, /^targets\[0\].weight/],
    [{ targets: [{ model: 'sum-1', weigth: 1 }] }, 400, /^targets\[0\] has no 'weigth'/],
    [{ targets: [{ model: 'sum-1', weight: 0 }] }, 400, /weights of 0 or more, one above 0/],
    [{ targets: [{ model: 'sum-9' }] }, 404, /^Model with name sum-9 does not exist/],
    [{ targets: [{ model: 'sum-1', version: 9 }] }, 404, /version 9 is not found/],
    [{ targets: [{ model: 'sum-1' }], expected: {} }, 400, /^'expected' must be a list/],
  ])('are refused with the reason: %j', async (body, status, error) => {
    const { call } = await start()
    const answer = await call('PUT', path, body)
    expect(answer).toEqual({ status, body: { error: expect.stringMatching(error) as string } })
    expect(await call('GET', '/v2/repository/aliases')).toEqual({ status: 200, body: { aliases: [] } })
  })

  it('do not take the name of a model, and cannot be changed where models cannot', async () => {
    const { call } = await start()
    const body = { targets: [to('sum-2')] }
    expect(await call('PUT', '/v2/repository/aliases/sum-1', body)).toMatchObject({ status: 409 })
    expect(await call('POST', path, body)).toMatchObject({ status: 405 })
    const closed = await start({ modelControl: 'none' })
    expect(await closed.call('PUT', path, body)).toMatchObject({ status: 503 })
    expect(await closed.call('GET', '/v2/repository/aliases')).toMatchObject({ status: 200 })
  })

  it('are there again after a restart where a file keeps them', async () => {
    const namesFile = join(await directoryWith({}), 'names.jsonl')
    const first = await start({ namesFile })
    await first.call('PUT', path, { targets: [to('sum-1')] })
    await first.call('PUT', '/v2/repository/aliases/other', { targets: [to('sum-1')] })
    await first.call('PUT', path, { targets: [to('sum-2')] })
    await first.call('DELETE', '/v2/repository/aliases/other')
    const second = await start({ namesFile })
    expect(await second.call('GET', '/v2/repository/aliases')).toEqual({
      status: 200,
      body: { aliases: [{ name: 'sum', targets: [to('sum-2')] }] },
    })
    expect(await second.infer('sum')).toMatchObject({ model_name: 'sum-2' })
    const third = await start({ namesFile, models: { 'sum-1': adding(1) } })
    expect(await third.infer('sum')).toEqual({ error: 'Model with name sum-2 does not exist.' })
  })
})
