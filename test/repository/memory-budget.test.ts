/** Models under a budget of memory: who is let in, who leaves, who is refused. */
import { describe, expect, it } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import type { ModelEntry } from '../../src/repository/entry.ts'
import { MemoryBudget, type Claim, type Tenant } from '../../src/repository/memory-budget.ts'
import { ModelRepository } from '../../src/repository/model-repository.ts'
import { handTimers } from './hand-timers.ts'
import { deferred, fakeEntry, fakeModel } from './fake-models.ts'

const MiB = 2 ** 20
const settled = () => new Promise((resolve) => setImmediate(resolve))
const signal = new AbortController().signal

interface FakeTenant extends Tenant {
  isBusy: boolean
  hasLeft: boolean
}

function room(options: { bytes?: number; minAgeMs?: number; patienceMs?: number } = {}) {
  const timers = handTimers()
  const budget = new MemoryBudget({ bytes: 10 * MiB, timers, ...options })
  const want = (name: string, size: number, isAsked = true, by: AbortSignal = signal) =>
    budget.claim({ name, bytes: size * MiB, isAsked, signal: by })
  /** Loads at once; leaves when told to, and releases its claim by hand. */
  const tenant = (lastUse: number, isPinned = false): FakeTenant => {
    const own: FakeTenant = { isBusy: false, lastUse, isPinned, hasLeft: false, leave: () => (own.hasLeft = true) }
    return own
  }
  const enter = async (name: string, size: number, lastUse: number, isPinned = false) => {
    const claim = await want(name, size)
    const own = tenant(lastUse, isPinned)
    claim.settle(size * MiB, own)
    return { own, claim }
  }
  return { timers, budget, want, enter, tenant }
}

/** 'waiting', 'in', or the refusal. */
function fate(promise: Promise<Claim>): { now: string } {
  const told = { now: 'waiting' }
  promise.then(
    () => (told.now = 'in'),
    (reason: unknown) => (told.now = reason instanceof Error ? reason.message : 'refused'),
  )
  return told
}

describe('a budget', () => {
  it('has the one leave that was not used for longest, and waits until it has gone', async () => {
    const { enter, want, budget } = room()
    const old = await enter('old', 4, 1)
    const recent = await enter('recent', 4, 2)
    const comes = fate(want('new', 4))
    await settled()
    expect([old.own.hasLeft, recent.own.hasLeft, comes.now]).toEqual([true, false, 'waiting'])
    old.claim.release()
    await settled()
    expect([comes.now, budget.usedBytes]).toEqual(['in', 8 * MiB])
  })
  it('has no more leave than are needed', async () => {
    const { enter, want } = room()
    const models = await Promise.all([1, 2, 3, 4, 5].map((use) => enter(`m${use}`, 2, use)))
    void want('a', 3)
    void want('b', 1)
    await settled()
    expect(models.map(({ own }) => own.hasLeft)).toEqual([true, true, false, false, false])
  })
  it('leaves those alone that run calls or are pinned, and looks again', async () => {
    const { enter, want, timers } = room()
    const busy = await enter('busy', 5, 1)
    const pinned = await enter('pinned', 5, 0, true)
    busy.own.isBusy = true
    const comes = fate(want('new', 1))
    timers.pass(100)
    await settled()
    expect([busy.own.hasLeft, pinned.own.hasLeft, comes.now]).toEqual([false, false, 'waiting'])
    busy.own.isBusy = false
    timers.pass(100)
    busy.claim.release()
    await settled()
    expect([busy.own.hasLeft, pinned.own.hasLeft, comes.now]).toEqual([true, false, 'in'])
  })
  it('lets requests in before what is loaded ahead', async () => {
    const { enter, want } = room()
    const old = await enter('old', 10, 1)
    const ahead = fate(want('ahead', 6, false))
    const asked = fate(want('asked', 6))
    old.claim.release()
    await settled()
    expect([ahead.now, asked.now]).toEqual(['waiting', 'in'])
  })
  it('refuses what never fits, what waits too long, and who has gone', async () => {
    const { enter, want, timers } = room({ patienceMs: 1000 })
    const all = await enter('all', 10, 1)
    all.own.isBusy = true
    expect(fate(want('huge', 11))).toBeDefined()
    await expect(want('huge', 11)).rejects.toMatchObject({
      code: 'resource_exhausted',
      message: "model 'huge' would take about 11 MiB, more than the memory budget of 10 MiB",
    })
    const gone = new AbortController()
    const [late, left] = [want('late', 1), want('left', 1, true, gone.signal)].map(fate)
    gone.abort(new Error('gone'))
    timers.pass(1000)
    await settled()
    expect(left?.now).not.toBe('waiting')
    expect(late?.now).toBe("model 'late' takes about 1.0 MiB; the memory budget of 10 MiB is held by models in use")
  })
  it('evens out what a prediction was short of', async () => {
    const { enter, want, tenant, budget } = room()
    const old = await enter('old', 5, 1)
    const claim = await want('grown', 5)
    claim.settle(8 * MiB, tenant(2))
    expect(old.own.hasLeft).toBe(true)
    old.claim.release()
    expect(budget.usedBytes).toBe(8 * MiB)
  })
  it('does not swap models that were just used, where it shall not', async () => {
    const { enter, want, timers } = room({ minAgeMs: 5000 })
    await enter('fresh', 10, 1000)
    timers.pass(1000)
    await expect(want('new', 1)).rejects.toMatchObject({ code: 'resource_exhausted' })
    timers.pass(5000)
    const comes = fate(want('new', 1))
    await settled()
    expect(comes.now).toBe('waiting')
  })
})

/** A model of some MiB that counts its loads. */
function sized(name: string, size: number, parts: Partial<ModelEntry> = {}) {
  const loads = { count: 0, closed: 0 }
  const entry: ModelEntry = {
    ...fakeEntry(name, '1', () => {
      loads.count += 1
      return Promise.resolve(
        fakeModel(name, {
          memoryBytes: size * MiB,
          close: () => {
            loads.closed += 1
            return Promise.resolve()
          },
        }),
      )
    }),
    estimateBytes: () => Promise.resolve(size * MiB),
    ...parts,
  }
  return { entry, loads }
}

const use = (repository: ModelRepository, name: string) =>
  repository.use({ name }, ({ ref }) => Promise.resolve(ref.name))

describe('a repository with a budget', () => {
  it('holds no more than fits, and loads what is asked for', async () => {
    const repository = new ModelRepository(silentLog, { budget: { bytes: 10 * MiB } })
    const models = ['a', 'b', 'c', 'd'].map((name) => sized(name, 4))
    for (const { entry } of models) repository.register(entry)
    expect(repository.isReady).toBe(true)
    expect(repository.list().map(({ state, memoryBytes }) => `${state} ${memoryBytes}`)).toEqual(
      Array(4).fill('ready 0'),
    )
    for (const name of ['a', 'b', 'c', 'a', 'd', 'd', 'b']) {
      expect(await use(repository, name)).toBe(name)
      expect(repository.memory?.usedBytes).toBeLessThanOrEqual(10 * MiB)
    }
    expect(models.map(({ loads }) => loads.count)).toEqual([2, 2, 1, 1])
    await repository.close()
    expect(models.map(({ loads }) => loads.closed)).toEqual([2, 2, 1, 1])
    expect(repository.memory?.usedBytes).toBe(0)
  })
  it('answers everybody under a storm of requests for more than fit', async () => {
    const repository = new ModelRepository(silentLog, { budget: { bytes: 10 * MiB } })
    const names = Array.from({ length: 20 }, (_, index) => `m${index}`)
    for (const name of names) repository.register(sized(name, 3).entry)
    const asked = Array.from({ length: 400 }, (_, index) => names[(index * 7 + (index % 3)) % 20] ?? '')
    const answers = await Promise.all(asked.map((name) => use(repository, name)))
    expect(answers).toEqual(asked)
    expect(repository.memory?.usedBytes).toBeLessThanOrEqual(10 * MiB)
    await repository.close()
  })
  it('does not unload a model under a running call', async () => {
    const repository = new ModelRepository(silentLog, { budget: { bytes: 5 * MiB } })
    const [a, b] = [sized('a', 4), sized('b', 4)]
    repository.register(a.entry)
    repository.register(b.entry)
    const gate = deferred()
    const running = repository.use({ name: 'a' }, () => gate.promise)
    await settled()
    const waiting = use(repository, 'b')
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect([a.loads.closed, b.loads.count]).toEqual([0, 0])
    gate.resolve()
    await running
    expect(await waiting).toBe('b')
    expect([a.loads.closed, b.loads.count]).toEqual([1, 1])
    await repository.close()
  })
  it('gives the memory of a failed load back', async () => {
    const repository = new ModelRepository(silentLog, { budget: { bytes: 5 * MiB } })
    const broken = {
      ...fakeEntry('broken', '1', () => Promise.reject(new Error('no'))),
      estimateBytes: () => Promise.resolve(5 * MiB),
    }
    repository.register(broken)
    await expect(use(repository, 'broken')).rejects.toThrow('failed to load')
    expect(repository.memory?.usedBytes).toBe(0)
    await repository.close()
  })
  it('tells the metadata of a model that was never loaded once it is', async () => {
    const repository = new ModelRepository(silentLog, {})
    repository.register(sized('a', 1).entry)
    expect(repository.peek({ name: 'a' })).toBeUndefined()
    expect(() => repository.check({ name: 'a' })).not.toThrow()
    expect(() => repository.metadata({ name: 'a' })).toThrow('is not loaded yet')
    await repository.wake({ name: 'a' })
    expect(repository.metadata({ name: 'a' }).platform).toBe('fake')
    expect(repository.wake({ name: 'a' })).toBeUndefined()
    await repository.close()
  })
})
