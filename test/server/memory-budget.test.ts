/** A server whose models do not all fit into its memory budget, over every door. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createClient } from '../../src/client/index.ts'
import { silentLog } from '../../src/core/log.ts'
import { createServer, type ServerOptions } from '../../src/server/server.ts'
import { samples } from '../paths.ts'
import { directoryWith } from '../repository/directories.ts'

async function start(names: readonly string[], options: ServerOptions, yaml: Readonly<Record<string, string>> = {}) {
  const files = names.flatMap((name) => [
    [`${name}/1/`, ''] as const,
    [`${name}/model.yaml`, yaml[name] ?? ''] as const,
  ])
  const directory = await directoryWith(Object.fromEntries(files))
  for (const name of names) {
    await cp(join(samples, 'add-sub', '1', 'model.onnx'), join(directory, name, '1', 'model.onnx'))
  }
  const server = await createServer({ models: directory, log: silentLog, httpPort: 0, drainSeconds: 1, ...options })
  onTestFinished(() => server.close())
  const addresses = await server.start()
  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${addresses.http}${path}`, init)
    return { status: response.status, body: JSON.parse((await response.text()) || '{}') as Record<string, unknown> }
  }
  const loaded = () =>
    server.dataPlane
      .models()
      .filter(({ memoryBytes }) => memoryBytes > 0)
      .map(({ ref }) => ref.name)
  return { server, get, loaded, ...addresses }
}

const row = Array.from({ length: 16 }, (_, index) => index)
const v1 = JSON.stringify({ instances: [{ INPUT0: row, INPUT1: row }] })
const inputs = { datatype: 'INT32', shape: [1, 16], data: Int32Array.from(row) } as const

describe('a server that loads when asked', () => {
  it('is ready before, and answers over every door', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g']
    const { get, loaded, http, grpc = '' } = await start(names, { load: 'lazy' })
    expect((await get('/v2/health/ready')).status).toBe(200)
    expect((await get('/v2/models/a/ready')).status).toBe(200)
    expect((await get('/v1/models/a')).status).toBe(200)
    expect(loaded()).toEqual([])
    expect((await get('/v2/models/a')).body).toMatchObject({ name: 'a', inputs: [{ name: 'INPUT0' }, {}] })
    expect((await get('/v1/models/b:predict', { method: 'POST', body: v1 })).status).toBe(200)
    expect((await get('/v2/models/c/config')).body).toMatchObject({ name: 'c' })
    expect((await get('/v1/models/d/metadata')).status).toBe(200)
    for (const [model, url, protocol] of [
      ['e', http, 'v2'],
      ['f', `grpc://${grpc}`, 'v2'],
      ['g', `grpc://${grpc}`, 'v1'],
    ] as const) {
      const client = createClient(url, { protocol })
      onTestFinished(() => client.close())
      expect((await client.infer(model, { INPUT0: inputs, INPUT1: inputs })).outputs).toMatchObject({
        OUTPUT0: {},
        OUTPUT1: {},
      })
    }
    expect(loaded()).toEqual(names)
  })
  it('keeps to its budget, and what is pinned', async () => {
    const alone = await start(['a'], {})
    const each = alone.server.dataPlane.models()[0]?.memoryBytes ?? 0
    expect(each).toBeGreaterThan(0)
    const { get, loaded } = await start(['a', 'b', 'c'], { memoryBudget: Math.ceil(each * 2.5) }, { a: 'pinned: true' })
    expect(loaded()).toEqual(['a'])
    for (const name of ['b', 'c', 'b', 'c']) {
      expect((await get(`/v1/models/${name}:predict`, { method: 'POST', body: v1 })).status).toBe(200)
      expect(loaded()).toEqual(['a', name])
    }
  })
  it('tells at the start of a model that cannot be found out about', async () => {
    const directory = await directoryWith({ 'bad/model.yaml': 'nonsense: 1', 'bad/model.onnx': '' })
    const server = await createServer({ models: directory, load: 'lazy', log: silentLog, httpPort: 0 })
    onTestFinished(() => server.close())
    await server.start()
    expect(server.dataPlane.models()).toMatchObject([{ state: 'failed' }])
  })
})
