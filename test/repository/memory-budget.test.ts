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
    claim.settle({ bytes: size * MiB, isResident: false }, own)
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
    expect([comes.now, budget.usage.usedBytes]).toEqual(['in', 8 * MiB])
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
    claim.settle({ bytes: 8 * MiB, isResident: false }, tenant(2))
    expect(old.own.hasLeft).toBe(true)
    old.claim.release()
    expect(budget.usage.usedBytes).toBe(8 * MiB)
  })
  it('lets one leave for what predictions were short of, then the next, not all together', async () => {
    const { enter, want, tenant, budget } = room()
    const others = await Promise.all([1, 2, 3, 4].map((use) => enter(`m${use}`, 2, use)))
    const claim = await want('grown', 2)
    claim.settle({ bytes: 5 * MiB, isResident: false }, tenant(9))
    const gone = () => others.map(({ own }) => own.hasLeft)
    expect(gone()).toEqual([true, false, false, false])
    others[0]?.claim.release()
    expect(gone()).toEqual([true, true, false, false])
    others[1]?.claim.release()
    expect(gone()).toEqual([true, true, false, false])
    expect(budget.usage).toMatchObject({ usedBytes: 9 * MiB, evictions: 2 })
  })
  it('has the next one leave where the oldest cannot', async () => {
    const { enter, want } = room()
    const stubborn = await enter('stubborn', 5, 1)
    const other = await enter('other', 5, 2)
    stubborn.own.leave = () => false
    void want('new', 1)
    await settled()
    expect([stubborn.own.hasLeft, other.own.hasLeft]).toEqual([false, true])
  })
  it('lets one in first when a request came for it while it waited', async () => {
    const { enter, budget } = room()
    const old = await enter('old', 10, 1)
    const asked = { isAsked: false }
    const wait = (name: string, by: { isAsked: boolean }) =>
      fate(
        budget.claim({
          name,
          bytes: 6 * MiB,
          signal,
          get isAsked() {
            return by.isAsked
          },
        }),
      )
    const [first, second] = [wait('first', { isAsked: false }), wait('second', asked)]
    asked.isAsked = true
    old.claim.release()
    await settled()
    expect([first.now, second.now]).toEqual(['waiting', 'in'])
  })
  it('keeps a little room for the next load where models are small', async () => {
    const timers = handTimers()
    const budget = new MemoryBudget({ bytes: 100 * MiB, timers, loads: 2 })
    const left: number[] = []
    for (let use = 0; use < 100; use += 1) {
      const claim = await budget.claim({ name: `m${use}`, bytes: MiB, isAsked: true, signal })
      const leave = () => {
        left.push(use)
        return true
      }
      claim.settle({ bytes: MiB, isResident: false }, { isBusy: false, isPinned: false, lastUse: use, leave })
    }
    expect(left).toEqual([0])
  })
  it('counts what models in this process take beside what they say, once it is known', async () => {
    let models = 0
    const resident = () => 200 * MiB + models * 2 * MiB
    const budget = new MemoryBudget({ bytes: 100 * MiB, timers: handTimers(), resident, scriptBytes: 0 })
    while (models < 40) {
      const claim = await budget.claim({ name: `m${models}`, bytes: MiB, isAsked: true, isResident: true, signal })
      models += 1
      const leave = () => false
      claim.settle({ bytes: MiB, isResident: true }, { isBusy: false, isPinned: false, lastUse: models, leave })
    }
    // Learned as 1 MiB beside the 1 MiB that each says.
    expect(budget.usage).toMatchObject({ overheadBytes: MiB, usedBytes: 80 * MiB })
  })
  it('does not swap models that were just used, where it shall not', async () => {
    const { enter, want, timers, budget } = room({ minAgeMs: 5000 })
    await enter('fresh', 10, 1000)
    timers.pass(1000)
    await expect(want('new', 1)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/^Cache churn threshold exceeded: model 'new' is not loaded/) as string,
      retryAfterMs: 4000,
    })
    expect(budget.usage.churnRejections).toBe(1)
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
  it('stays ready where a model finds no room for a while, and loads it as soon as there is some', async () => {
    const timers = handTimers()
    const repository = new ModelRepository(silentLog, { timers, budget: { bytes: 5 * MiB, minAgeMs: 1000 } })
    const [a, b] = [sized('a', 4), sized('b', 4)]
    repository.register(a.entry)
    repository.register(b.entry)
    await use(repository, 'a')
    await expect(use(repository, 'b')).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: 1000 })
    expect(repository.isReady).toBe(true)
    expect(repository.status({ name: 'b' })).toMatchObject({ state: 'ready', memoryBytes: 0 })
    timers.pass(1001)
    expect(await use(repository, 'b')).toBe('b')
    expect(repository.memory).toMatchObject({ evictions: 1, churnRejections: 1 })
    await repository.close()
  })
  it('answers the error of a load that failed until its time is over', async () => {
    const timers = handTimers()
    const repository = new ModelRepository(silentLog, { timers, failureMs: 60_000 })
    let loads = 0
    repository.register(
      fakeEntry('broken', '1', () => {
        loads += 1
        return Promise.reject(new Error('no disk'))
      }),
    )
    const message = 'Model with name broken is not ready. Version 1 failed to load: no disk'
    await expect(use(repository, 'broken')).rejects.toMatchObject({ message, retryAfterMs: 60_000 })
    timers.pass(59_000)
    await expect(use(repository, 'broken')).rejects.toMatchObject({ message, retryAfterMs: 1000 })
    expect(loads).toBe(1)
    timers.pass(1000)
    await expect(use(repository, 'broken')).rejects.toMatchObject({ message, retryAfterMs: 60_000 })
    expect(loads).toBe(2)
  })
  it('loads what a request waits for before what was asked for earlier', async () => {
    const repository = new ModelRepository(silentLog, {})
    const gate = deferred()
    const order: string[] = []
    const entry = (name: string) =>
      fakeEntry(name, '1', async () => {
        order.push(name)
        await gate.promise
        return fakeModel(name)
      })
    const loads = ['a', 'b', 'c', 'd'].map((name) => repository.load(entry(name)))
    repository.register(entry('asked'))
    const answer = use(repository, 'asked')
    await settled()
    gate.resolve()
    await Promise.all([...loads, answer])
    expect(order).toEqual(['a', 'b', 'asked', 'c', 'd'])
  })
  it('tells how long requests waited for loads', async () => {
    const timers = handTimers()
    const misses: [string, number][] = []
    const repository = new ModelRepository(silentLog, { timers, missed: (ref, ms) => misses.push([ref.name, ms]) })
    repository.register(
      fakeEntry('a', '1', () => {
        timers.pass(30)
        return Promise.resolve(fakeModel())
      }),
    )
    await use(repository, 'a')
    await use(repository, 'a')
    expect(misses).toEqual([['a', 30]])
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
