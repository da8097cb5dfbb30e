/** A server that was started anew has the models ready that were in use. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { RecentModels } from '../../src/server/recent-models.ts'
import { createServer } from '../../src/server/server.ts'
import { handTimers } from '../repository/hand-timers.ts'
import { directoryWith } from '../repository/directories.ts'
import { samples } from '../paths.ts'

const weights = await readFile(join(samples, 'iris', '1', 'model.onnx')).catch(() =>
  readFile(join(samples, 'iris', 'model.onnx')),
)
const names = ['a', 'b', 'c', 'd']

/** A server of four models that their first requests load. */
async function start(models: string, recentFile: string) {
  const server = await createServer({
    ...{ models, recentFile, log: silentLog, httpPort: 0, enableGrpc: false, drainSeconds: 1 },
    ...{ memoryBudget: 1 << 30 },
  })
  let isClosed: Promise<void> | undefined
  const close = () => (isClosed ??= server.close())
  onTestFinished(close)
  const { http } = await server.start()
  const ask = async (name: string) => {
    const input = { datatype: 'FP32', shape: [1, 4], data: [1, 2, 3, 4] }
    const metadata = await fetch(`${http}/v2/models/${name}`)
    const { inputs } = (await metadata.json()) as { inputs: readonly { name: string }[] }
    const body = JSON.stringify({ inputs: inputs.map((each) => ({ ...input, name: each.name })) })
    expect((await fetch(`${http}/v2/models/${name}/infer`, { method: 'POST', body })).status).toBe(200)
  }
  const loaded = () => server.dataPlane.models().flatMap(({ ref, memoryBytes }) => (memoryBytes > 0 ? [ref.name] : []))
  return { close, ask, loaded, ready: async () => (await fetch(`${http}/v2/health/ready`)).status }
}

async function place(): Promise<{ readonly models: string; readonly file: string }> {
  const directory = await directoryWith(
    Object.fromEntries(names.map((name) => [`models/${name}/1/model.onnx`, weights])),
  )
  return { models: join(directory, 'models'), file: join(directory, 'state', 'recent.json') }
}

describe('models that were in use', () => {
  it('are loaded before the next server is ready', async () => {
    const { models, file } = await place()
    const first = await start(models, file)
    expect(first.loaded()).toEqual([])
    await first.ask('c')
    await first.ask('a')
    await first.close()
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
      models: ['a', 'c'].map((name) => ({ name, version: '1' })),
    })
    const second = await start(models, file)
    expect(second.loaded().toSorted()).toEqual(['a', 'c'])
    expect(await second.ready()).toBe(200)
  })

  it.each([
    ['that is broken', '{'],
    ['of models that are gone', JSON.stringify({ models: [{ name: 'gone', version: '1' }] })],
  ])('are loaded by their first requests after a file %s', async (_title, text) => {
    const { models } = await place()
    const file = join(models, '..', 'recent.json')
    await writeFile(file, text)
    const server = await start(models, file)
    expect([server.loaded(), await server.ready()]).toEqual([[], 200])
    await server.ask('b')
    expect(server.loaded()).toEqual(['b'])
  })

  it('are written once a minute', async () => {
    const { file } = await place()
    const timers = handTimers()
    let list = [{ name: 'a', version: '1' }]
    const recent = new RecentModels({ path: file, list: () => list, log: silentLog, timers })
    recent.follow()
    timers.pass(60_000)
    await recent.write()
    expect(await recent.read()).toEqual(list)
    list = []
    timers.pass(60_000)
    await recent.write()
    expect(await recent.read()).toEqual([])
    recent.close()
  })
})
