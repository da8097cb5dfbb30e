/** What several workers do and count as one: changes by callers, and sums. */
import { describe, expect, it } from 'vitest'
import { InferenceError } from '../../../src/core/errors.ts'
import { silentLog } from '../../../src/core/log.ts'
import { Changes, type Follower } from '../../../src/server/workers/changes.ts'
import { Counts, type Counted } from '../../../src/server/workers/counts.ts'
import type { ControlCall, SettingsCall, Work } from '../../../src/server/workers/messages.ts'

interface Fake extends Follower {
  readonly done: Work[]
}

/** Does what it is asked, but for what `fails` says. */
function worker(number: number, fails: (work: Work, time: number) => string | undefined = () => undefined): Fake {
  const done: Work[] = []
  let time = 0
  const ask = async (work: Work): Promise<unknown> => {
    const failure = fails(work, (time += 1))
    if (failure !== undefined) throw new InferenceError('failed_precondition', failure)
    done.push(work)
    return `by ${number}`
  }
  return { number, phase: 'serving', isJoined: true, done, exchange: { ask } }
}

function changesOf(workers: readonly Fake[]): { changes: Changes; replaced: number[] } {
  const replaced: number[] = []
  const changes = new Changes({
    log: silentLog,
    workers: () => workers.filter(({ isJoined }) => isJoined),
    replace: ({ number }) => void replaced.push(number),
  })
  return { changes, replaced }
}

const quieter: SettingsCall = { kind: 'settings', subject: 'log', values: { log_info: false } }
const call = (verb: ControlCall['verb'], argument: unknown = 'm'): ControlCall => ({ kind: 'control', verb, argument })

describe('a change of the models', () => {
  it('is made by the worker that was asked and then by all others', async () => {
    const workers = [worker(1), worker(2), worker(3)] as const
    const { changes, replaced } = changesOf(workers)
    await changes.control(call('load'), workers[1])
    expect(workers.map(({ done }) => done)).toEqual(Array(3).fill([call('load')]))
    expect(replaced).toEqual([])
  })

  it('changes nothing anywhere where it fails in the worker that was asked', async () => {
    const workers = [worker(1, () => 'the file is damaged'), worker(2)] as const
    const { changes, replaced } = changesOf(workers)
    await expect(changes.control(call('load'), workers[0])).rejects.toThrow('the file is damaged')
    expect(workers[1].done).toEqual([])
    expect({ replaced, unloaded: changes.state.unloaded }).toEqual({ replaced: [], unloaded: [] })
  })

  it('is tried again, then replaces a worker that alone does not follow, and says so', async () => {
    const workers = [
      worker(1),
      worker(2, (_work, time) => (time === 1 ? 'busy' : undefined)),
      worker(3, () => 'no memory'),
    ] as const
    const { changes, replaced } = changesOf(workers)
    const failing = changes.control(call('load'), workers[0])
    await expect(failing).rejects.toThrow('done by 2 of 3 workers, replacing the rest: no memory')
    expect(replaced).toEqual([3])
    expect(workers[1].done).toEqual([call('load')])
  })

  it('waits for the change before it', async () => {
    const order: string[] = []
    const slow = worker(1, ({ kind }) => void order.push(kind))
    const { changes } = changesOf([slow])
    await Promise.all([changes.control(call('unload'), slow), changes.update(quieter, slow)])
    expect(order).toEqual(['control', 'settings'])
  })
})

describe('a worker that starts later', () => {
  it('is told what was unloaded and which settings hold', async () => {
    const first = worker(1)
    const { changes } = changesOf([first])
    await changes.control(call('unload', 'a'), first)
    await changes.control(call('unload', 'b'), first)
    await changes.control(call('load', 'b'), first)
    await changes.update(quieter, first)
    await changes.update({ ...quieter, values: { log_error: false } }, first)
    expect(changes.state).toMatchObject({
      unloaded: ['a'],
      settings: [{ subject: 'log', values: { log_info: false, log_error: false } }],
    })
  })

  it('does what was changed while it started, and takes part from then on', async () => {
    const [first, late] = [worker(1), worker(2)]
    const { changes } = changesOf([first])
    const { sequence } = changes.state
    await changes.control(call('unload'), first)
    const joining: Follower = { ...late, isJoined: false }
    await changes.join(joining, sequence)
    expect(late.done[0]).toEqual(call('unload'))
    expect(joining.isJoined).toBe(true)
  })

  it('gets the list of models that a reload has set, and what came after', async () => {
    const [first, late] = [worker(1), worker(2)]
    const { changes } = changesOf([first])
    for (const change of [call('load', 'a'), call('reload', ['list']), call('unload', 'b')]) {
      await changes.control(change, first)
    }
    const { unloaded, sequence } = changes.state
    expect(unloaded).toEqual([])
    await changes.join(late, sequence)
    expect(late.done.slice(0, 2)).toEqual([call('reload', ['list']), call('unload', 'b')])
  })
})

describe('a change of names', () => {
  const alias = (id: string, ...models: string[]) =>
    call('names', { kind: 'alias', id, targets: models.map((model) => ({ model, weight: 1 })) })
  const info = { type: 't', path: 'p', key: '' }
  const register = (id: string) =>
    call('names', { kind: 'register', id, info, isAutoDeleted: false, isLoadedNow: false, lastUsedTime: 0 })

  it('is told to whoever starts later as it is by then, whenever it was made', async () => {
    const [first, late] = [worker(1), worker(2)]
    const { changes } = changesOf([first])
    const gone = call('names', { kind: 'unregister', id: 'b', isAutomatic: false })
    const made = [register('a'), register('b'), alias('x', 'a'), alias('y', 'a'), alias('x', 'b'), alias('y'), gone]
    for (const change of made) await changes.control(change, first)
    const { sequence } = changes.state
    await changes.join(late, sequence)
    expect(late.done.slice(0, 2)).toEqual([register('a'), alias('x', 'b')])
    expect(late.done).toHaveLength(2)
  })

  it('keeps the model that came with a vmodel, also when that leads elsewhere', async () => {
    const [first, late] = [worker(1), worker(2)]
    const { changes } = changesOf([first])
    const flags = { isUpdate: false, isForced: false, isAutoDeleted: false, isLoadedNow: false, lastUsedTime: 0 }
    const vmodel = (target: string) => call('names', { kind: 'vmodel', id: 'v', target, info, ...flags })
    for (const change of [vmodel('a'), vmodel('b')]) await changes.control(change, first)
    await changes.join(late, changes.state.sequence)
    expect(late.done).toEqual([register('a'), register('b'), vmodel('b')])
  })

  it('is not forgotten when the models are listed anew', async () => {
    const [first, late] = [worker(1), worker(2)]
    const { changes } = changesOf([first])
    for (const change of [alias('x', 'a'), call('load', 'a'), call('reload', ['list'])]) {
      await changes.control(change, first)
    }
    await changes.join(late, changes.state.sequence)
    expect(late.done).toEqual([call('reload', ['list']), alias('x', 'a')])
  })
})

describe('the sum of what workers count', () => {
  const snapshotOf = (count: number) => ({
    metrics: `# TYPE c counter\nc ${count}\n`,
    statistics: [{ name: 'm', version: '1', inference_count: count }],
  })
  const counted = (number: number, answer: () => Promise<unknown>): Counted => ({
    number,
    phase: 'serving',
    snapshot: undefined,
    exchange: { ask: (_work, timeoutMs = 0) => Promise.race([answer(), expired(timeoutMs)]) },
  })
  const expired = (milliseconds: number): Promise<never> =>
    new Promise((_resolve, reject) => setTimeout(() => reject(new Error('late')), milliseconds))

  it('takes a worker that hangs as it told last, and never goes down when one ends', async () => {
    const counts = new Counts(10)
    let isHanging = false
    const [left, right] = [
      counted(1, async () => snapshotOf(4)),
      counted(2, () => (isHanging ? new Promise(() => undefined) : Promise.resolve(snapshotOf(3)))),
    ]
    const ask = async (running: readonly Counted[]) => {
      const { metrics, statistics } = await counts.sum(() => running)
      return [/^c (\d+)$/m.exec(metrics)?.[1], statistics[0]?.['inference_count']]
    }
    expect(await ask([left, right])).toEqual(['7', 7])
    isHanging = true
    expect(await ask([left, right])).toEqual(['7', 7])
    counts.retain(right)
    expect(await ask([left])).toEqual(['7', 7])
    expect(await ask([left, counted(2, async () => snapshotOf(1))])).toEqual(['8', 8])
  })
})
