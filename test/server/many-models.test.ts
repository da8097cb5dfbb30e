/** Servers with far more models than are loaded. */
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { createServer } from '../../src/server/server.ts'
import { squareBytes, squareModel } from '../../bench/density/square-model.ts'
import { samples } from '../paths.ts'
import { directoryWith } from '../repository/directories.ts'

const MiB = 2 ** 20
const iris = join(samples, 'iris', '1')
const body = JSON.stringify({ inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.3, 3.3, 6, 2.5] }] })
/** A file that no runtime could open: registering it must not read it. */
const unread = 'not read before a request'

describe('a server with thousands of models', () => {
  it('registers them by the names of directories and files, in little memory each', async () => {
    const count = 2000
    const names = Array.from({ length: count }, (_, index) => `m${index}`)
    const directory = await directoryWith(
      Object.fromEntries(names.map((name) => [`${name}/1/model.onnx`, unread] as const)),
    )
    const before = process.memoryUsage().heapUsed
    const server = await createServer({
      ...{ models: directory, log: silentLog, httpPort: 0, enableGrpc: false },
      memoryBudget: 64 * MiB,
    })
    onTestFinished(() => server.close())
    const { http } = await server.start()
    const models = server.dataPlane.models()
    expect(models).toHaveLength(count)
    expect(models.every(({ state, memoryBytes }) => state === 'ready' && memoryBytes === 0)).toBe(true)
    // Garbage included: ten thousand must fit into 200 MB.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan((count / 10_000) * 200e6)
    const answer = await fetch(`${http}/v2/models/m7/infer`, { method: 'POST', body })
    expect(answer.status).toBe(503)
  })

  it('answers all of them with the memory of a few, and never holds more', async () => {
    const directory = await directoryWith({})
    const names = Array.from({ length: 60 }, (_, index) => `iris${index}`)
    for (const name of names) {
      await mkdir(join(directory, name))
      await symlink(iris, join(directory, name, '1'))
    }
    const bytes = 399 * 10
    const server = await createServer({
      ...{ models: directory, log: silentLog, httpPort: 0, enableGrpc: false, memoryBudget: bytes },
    })
    onTestFinished(() => server.close())
    const { http } = await server.start()
    const held = (): number => server.dataPlane.models().reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)
    const expected: unknown = await (await fetch(`${http}/v2/models/iris0/infer`, { method: 'POST', body })).json()
    // Rows that share a run may differ in the last digit of a probability, never in the label.
    const label = (answer: unknown) => (answer as { outputs: readonly { data: unknown }[] }).outputs[0]?.data
    await Promise.all(
      Array.from({ length: 8 }, async (_, client) => {
        for (let turn = 0; turn < 40; turn += 1) {
          const name = names[(client * 7 + turn * turn) % names.length] ?? ''
          const answer = await fetch(`${http}/v2/models/${name}/infer`, { method: 'POST', body })
          expect(answer.status).toBe(200)
          expect(label(await answer.json())).toEqual(label(expected))
          expect(held()).toBeLessThanOrEqual(bytes)
        }
      }),
    )
  })

  it('reloads one again and again under traffic, without a failed request', async () => {
    const directory = await directoryWith({})
    await mkdir(join(directory, 'iris'))
    await symlink(iris, join(directory, 'iris', '1'))
    const server = await createServer({ models: directory, log: silentLog, httpPort: 0, enableGrpc: false })
    onTestFinished(() => server.close())
    const { http } = await server.start()
    let isDone = false
    const statuses = new Map<number, number>()
    const clients = Array.from({ length: 4 }, async () => {
      while (!isDone) {
        const { status } = await fetch(`${http}/v2/models/iris/infer`, { method: 'POST', body })
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }
    })
    for (let reload = 0; reload < 40; reload += 1) {
      const { status } = await fetch(`${http}/v2/repository/models/iris/load`, { method: 'POST' })
      expect(status).toBe(200)
    }
    isDone = true
    await Promise.all(clients)
    expect([...statuses.keys()]).toEqual([200])
  })

  it('gives memory back when a model is unloaded, time after time', async () => {
    const directory = await directoryWith({ 'square/model.onnx': squareModel() })
    const server = await createServer({ models: directory, log: silentLog, httpPort: 0, enableGrpc: false })
    onTestFinished(() => server.close())
    const { http } = await server.start()
    const control = async (verb: string) =>
      expect((await fetch(`${http}/v2/repository/models/square/${verb}`, { method: 'POST' })).status).toBe(200)
    const resident: number[] = []
    for (let cycle = 0; cycle < 30; cycle += 1) {
      await control('unload')
      resident.push(process.memoryUsage.rss())
      await control('load')
    }
    // One that stayed in each cycle would be twenty; what remains is garbage that comes and goes.
    expect(Math.min(...resident.slice(-5)) - Math.min(...resident.slice(5, 10))).toBeLessThan(5 * squareBytes)
  }, 60_000)
})
