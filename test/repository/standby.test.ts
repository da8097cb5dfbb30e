/** Models that nobody asks for are unloaded, and loaded again by the next request. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import type { ModelEntry } from '../../src/repository/entry.ts'
import { ModelRepository } from '../../src/repository/model-repository.ts'
import type { ModelHandle } from '../../src/repository/repository.ts'
import { handTimers } from './hand-timers.ts'
import { deferred, fakeEntry, fakeModel, type FakeModel } from './fake-models.ts'

interface Loads {
  readonly entry: ModelEntry
  readonly models: FakeModel[]
}

/** An entry that counts what it loads. */
function counted(load: (model: FakeModel) => Promise<FakeModel> = (model) => Promise.resolve(model)): Loads {
  const models: FakeModel[] = []
  const entry = fakeEntry('m', '1', () => {
    const model = fakeModel(String(models.length))
    models.push(model)
    return load(model)
  })
  return { entry: { ...entry, idleMs: 60_000 }, models }
}

const labelOf = ({ model }: ModelHandle) => Promise.resolve((model as unknown as FakeModel).label) // made by `counted`
const settled = () => new Promise((resolve) => setImmediate(resolve))
const m = { name: 'm' }

describe('an idle model', () => {
  it('is unloaded when its time is over, stays ready and keeps its metadata', async () => {
    const timers = handTimers()
    const repository = new ModelRepository(silentLog, { timers })
    const { entry, models } = counted()
    await repository.load(entry)
    timers.pass(59_999)
    expect(models[0]?.isClosed).toBe(false)
    timers.pass(1)
    await settled()
    expect(models[0]?.isClosed).toBe(true)
    expect(repository.isReady).toBe(true)
    expect(repository.status(m)).toMatchObject({
      state: 'ready',
      standby: 'idle',
      standbys: { idle: 1, memory: 0 },
      memoryBytes: 0,
      reason: 'no request for 60 s; the next request loads it',
    })
    expect(repository.metadata(m).inputs[0]?.name).toBe('x')
  })

  it('counts the time from the end of the last request, and is not unloaded under a running one', async () => {
    const timers = handTimers()
    const repository = new ModelRepository(silentLog, { timers })
    const { entry, models } = counted()
    await repository.load(entry)
    timers.pass(50_000)
    const gate = deferred()
    const running = repository.use(m, () => gate.promise)
    timers.pass(500_000)
    gate.resolve()
    await running
    timers.pass(59_000)
    expect(repository.status(m).standby).toBeUndefined()
    timers.pass(60_000)
    await settled()
    expect(repository.status(m).standby).toBe('idle')
    expect(models).toHaveLength(1)
  })

  it('is loaded once by all requests that come meanwhile, and watched again', async () => {
    const timers = handTimers()
    const repository = new ModelRepository(silentLog, { timers })
    const gates = [deferred(), deferred()]
    gates[0]?.resolve()
    const { entry, models } = counted(async (model) => {
      await gates[models.length - 1]?.promise
      return model
    })
    await repository.load(entry)
    timers.pass(60_000)
    const answers = [repository.use(m, labelOf), repository.use(m, labelOf)]
    await settled()
    answers.push(repository.use({ ...m, version: '1' }, labelOf))
    expect(repository.isReady).toBe(true)
    gates[1]?.resolve()
    expect(await Promise.all(answers)).toEqual(['1', '1', '1'])
    expect(repository.status(m)).toMatchObject({ state: 'ready', memoryBytes: 100 })
    expect(repository.status(m).reason).toBeUndefined()
    timers.pass(60_000)
    expect(repository.status(m).standbys).toEqual({ idle: 2, memory: 0 })
  })

  it('lets a bounded number of requests wait', async () => {
    const timers = handTimers()
    const repository = new ModelRepository(silentLog, { timers, maxWaiting: 2 })
    const gate = deferred()
    const { entry, models } = counted(async (model) => {
      if (models.length > 1) await gate.promise
      return model
    })
    await repository.load(entry)
    timers.pass(60_000)
    const waiting = [repository.use(m, labelOf), repository.use(m, labelOf)]
    await expect(repository.use(m, labelOf)).rejects.toMatchObject({ code: 'resource_exhausted', retryAfterMs: 1000 })
    gate.resolve()
    expect(await Promise.all(waiting)).toEqual(['1', '1'])
  })

  it('tells why it cannot be loaded again, and tries anew after a pause that grows', async () => {
    const timers = handTimers()
    const repository = new ModelRepository(silentLog, { timers })
    let isBroken = false
    const { entry, models } = counted((model) =>
      isBroken ? Promise.reject(new Error('no disk')) : Promise.resolve(model),
    )
    await repository.load(entry)
    timers.pass(60_000)
    isBroken = true
    await expect(repository.use(m, labelOf)).rejects.toMatchObject({
      code: 'unavailable',
      message: 'Model with name m is not ready. Version 1 failed to load: no disk',
      retryAfterMs: 1000,
    })
    expect(repository.status(m)).toMatchObject({ state: 'failed', reason: 'no disk' })
    expect(repository.isReady).toBe(false)
    timers.pass(400)
    await expect(repository.use(m, labelOf)).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: 600 })
    expect(models).toHaveLength(2)
    timers.pass(600)
    await expect(repository.use(m, labelOf)).rejects.toMatchObject({ retryAfterMs: 2000 })
    isBroken = false
    timers.pass(2000)
    expect(await repository.use(m, labelOf)).toBe('3')
    expect(repository.isReady).toBe(true)
  })

  it('is gone for those who wait when somebody unloads it', async () => {
    const timers = handTimers()
    const repository = new ModelRepository(silentLog, { timers })
    const gate = deferred()
    const { entry, models } = counted(async (model) => {
      if (models.length > 1) await gate.promise
      return model
    })
    await repository.load(entry)
    timers.pass(60_000)
    const waiting = repository.use(m, labelOf)
    await settled()
    const unloaded = repository.unload(m)
    gate.resolve()
    await expect(waiting).rejects.toMatchObject({ code: 'unavailable' })
    await unloaded
    expect(repository.status(m).state).toBe('unloaded')
    expect(models.every(({ isClosed }) => isClosed)).toBe(true)
    expect(timers.pending).toBe(0)
  })

  it('goes back to work by a load, too', async () => {
    const timers = handTimers()
    const repository = new ModelRepository(silentLog, { timers })
    const { entry } = counted()
    await repository.load(entry)
    timers.pass(60_000)
    expect(await repository.load({ ...entry })).toMatchObject({ state: 'ready', memoryBytes: 100 })
    expect(await repository.use(m, labelOf)).toBe('1')
    await repository.close()
    expect(timers.pending).toBe(0)
  })
})

describe('standby for want of memory', () => {
  it('lets go of all that the model was', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void // V8's own, by the flag
    const repository = new ModelRepository(silentLog, { timers: handTimers() })
    const gone = await (async () => {
      const models: FakeModel[] = []
      const entry = fakeEntry('m', '1', () => {
        const model = fakeModel(String(models.length))
        models.push(model)
        return Promise.resolve(model)
      })
      await repository.load(entry)
      expect(repository.standBy(m, 'memory', 'others need the memory')).toBe(true)
      return models.splice(0).map((model) => new WeakRef(model))
    })()
    await settled()
    collect()
    await settled()
    collect()
    expect(gone.map((model) => model.deref())).toEqual([undefined])
  })
  it('drains and frees any loaded model, and refuses what is not loaded', async () => {
    const repository = new ModelRepository(silentLog, { timers: handTimers() })
    const { entry, models } = counted()
    const { idleMs, ...plain } = entry
    expect(idleMs).toBe(60_000)
    await repository.load(plain)
    const gate = deferred()
    const running = repository.use(m, () => gate.promise)
    expect(repository.standBy(m, 'memory', "'big' needs the memory")).toBe(true)
    expect(repository.standBy(m, 'memory', "'big' needs the memory")).toBe(false)
    const next = repository.use(m, labelOf)
    await settled()
    expect(models).toHaveLength(1) // the new one is not loaded beside the old one
    gate.resolve()
    await running
    expect(await next).toBe('1')
    expect(models[0]?.isClosed).toBe(true)
    expect(repository.status(m).standbys).toEqual({ idle: 0, memory: 1 })
  })
})
