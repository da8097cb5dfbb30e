/** A server that follows its files: what is new is served once it is whole, what is gone is not. */
import { cp, mkdir, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { findModels, type ServedModelSource } from '../../src/server/models.ts'
import { defaultConfig } from '../../src/server/config.ts'
import { RepositoryPoll } from '../../src/server/repository-poll.ts'
import { createServer, type Server } from '../../src/server/server.ts'
import { samples } from '../paths.ts'
import { directoryWith } from '../repository/directories.ts'

const model = join(samples, 'add-sub', '1', 'model.onnx')

/** Looks by hand; tells what was applied, as `name: changed, of all`. */
async function poll(directory: string) {
  const applied: string[] = []
  const told = (sources: readonly ServedModelSource[]) => sources.map(({ ref }) => ref.version).join('+')
  const find = () => findModels(directory, defaultConfig(), [])
  const parts = {
    find,
    apply: (name: string, sources: readonly ServedModelSource[], changed: readonly ServedModelSource[]) => {
      applied.push(`${name}: ${told(changed)} of ${told(sources)}`)
      return Promise.resolve()
    },
    log: silentLog,
    timers: { now: () => 0, after: () => () => undefined },
    everyMs: 1,
    againMs: 1,
  }
  const poll = new RepositoryPoll(parts)
  await poll.begin(await find())
  const looks = async (count: number) => {
    for (let look = 0; look < count; look += 1) await poll.look()
    return applied.splice(0)
  }
  return { looks, poll }
}

describe('a poll', () => {
  it('leaves alone what does not change', async () => {
    const { looks } = await poll(await directoryWith({ 'a/1/model.onnx': 'x', 'b/model.onnx': 'y' }))
    expect(await looks(3)).toEqual([])
  })
  it('loads a version that two looks saw the same, not one that grows', async () => {
    const directory = await directoryWith({ 'a/1/model.onnx': 'x' })
    const { looks } = await poll(directory)
    await mkdir(join(directory, 'a', '2'))
    for (const content of ['x', 'xy', 'xyz']) {
      await writeFile(join(directory, 'a', '2', 'model.onnx'), content)
      expect(await looks(1)).toEqual([])
    }
    expect(await looks(1)).toEqual(['a: 2 of 1+2'])
    expect(await looks(2)).toEqual([])
  })
  it('loads anew what has changed, though its size has not', async () => {
    const directory = await directoryWith({ 'a/1/model.onnx': 'x', 'a/2/model.onnx': 'x' })
    const { looks } = await poll(directory)
    await utimes(join(directory, 'a', '1', 'model.onnx'), 1, 1)
    expect(await looks(2)).toEqual(['a: 1 of 1+2'])
    await writeFile(join(directory, 'a', 'model.yaml'), 'limits: {max_batch_size: 3}')
    expect(await looks(2)).toEqual(['a: 1+2 of 1+2'])
  })
  it('unloads what two looks did not see', async () => {
    const directory = await directoryWith({ 'a/1/model.onnx': 'x', 'a/2/model.onnx': 'x', 'b/1/model.onnx': 'x' })
    const { looks } = await poll(directory)
    await rm(join(directory, 'a', '1'), { recursive: true })
    await rename(join(directory, 'b'), join(directory, '.b'))
    expect(await looks(1)).toEqual([])
    expect(await looks(1)).toEqual(['a:  of 2', 'b:  of '])
    await rename(join(directory, '.b'), join(directory, 'b'))
    expect(await looks(2)).toEqual(['b: 1 of 1'])
  })
  it('keeps what is loaded where the paths cannot be looked at', async () => {
    const directory = await directoryWith({ 'a/1/model.onnx': 'x' })
    const { looks } = await poll(directory)
    await rename(directory, `${directory}-gone`)
    expect(await looks(3)).toEqual([])
    await rename(`${directory}-gone`, directory)
    expect(await looks(3)).toEqual([])
  })
  it('does nothing once it is closed', async () => {
    const directory = await directoryWith({ 'a/1/model.onnx': 'x' })
    const { looks, poll: closed } = await poll(directory)
    await closed.close()
    await rm(join(directory, 'a'), { recursive: true })
    expect(await looks(3)).toEqual([])
  })
})

async function start(directory: string, modelControl: 'poll' | 'watch'): Promise<{ server: Server; http: string }> {
  const server = await createServer({ models: directory, modelControl, pollSeconds: 0.05, log: silentLog, httpPort: 0 })
  onTestFinished(() => server.close())
  const { http } = await server.start()
  return { server, http }
}

describe.each(['poll', 'watch'] as const)('a server with --model-control %s', (control) => {
  it('serves what comes and goes, and loads nothing on request', async () => {
    const directory = await directoryWith({ 'first/1/': '' })
    await cp(model, join(directory, 'first', '1', 'model.onnx'))
    const { server, http } = await start(directory, control)
    const states = () => server.dataPlane.models().map(({ ref, state }) => `${ref.name}/${ref.version} ${state}`)
    expect(states()).toEqual(['first/1 ready'])
    await mkdir(join(directory, 'second', '7'), { recursive: true })
    await cp(model, join(directory, 'second', '7', 'model.onnx'))
    await rm(join(directory, 'first'), { recursive: true })
    await expect.poll(states, { timeout: 20_000 }).toEqual(['first/1 unloaded', 'second/7 ready'])
    const load = await fetch(`${http}/v2/repository/models/first/load`, { method: 'POST' })
    expect(load.status).toBeGreaterThanOrEqual(400)
  })
})
