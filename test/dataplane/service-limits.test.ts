/** How many requests of a model run at once, and who is refused. */
import { describe, expect, it } from 'vitest'
import { LimitTable, Limit } from '../../src/dataplane/service-limits.ts'
import { deferred } from '../repository/fake-models.ts'

const never = new AbortController().signal
const settled = () => new Promise((resolve) => setImmediate(resolve))

describe('the limits of models', () => {
  it('hold for the other names of a model, too', () => {
    const table = new LimitTable()
    table.follow((name) => (name === 'other' ? 'm' : name))
    expect(table.of('other')).toBeUndefined()
    table.set('m', { timeoutMs: 5 })
    expect(table.of('other')).toBe(table.of('m'))
    expect(table.of('third')).toBeUndefined()
  })
})

describe('a limit of concurrency', () => {
  it('runs as many as it says, the others in the order in which they came', async () => {
    const limit = new Limit('m', { concurrency: 2 })
    const gates = [deferred(), deferred(), deferred()]
    const started: number[] = []
    const runs = gates.map(({ promise }, index) =>
      limit.run(never, async () => {
        started.push(index)
        await promise
      }),
    )
    await settled()
    expect(started).toEqual([0, 1])
    gates[1]?.resolve()
    await settled()
    expect(started).toEqual([0, 1, 2])
    gates[0]?.resolve()
    gates[2]?.resolve()
    await Promise.all(runs)
    expect(await limit.run(never, () => Promise.resolve('free again'))).toBe('free again')
  })

  it('lets ten wait for each that runs, and refuses more', async () => {
    const limit = new Limit('m', { concurrency: 1 })
    const gate = deferred()
    const running = Array.from({ length: 11 }, () => limit.run(never, () => gate.promise))
    await expect(limit.run(never, () => Promise.resolve())).rejects.toMatchObject({
      code: 'resource_exhausted',
      message: "model 'm' runs 1 requests at a time, and 10 wait already",
      retryAfterMs: 1000,
    })
    gate.resolve()
    await Promise.all(running)
  })

  it('lets those go who wait no longer, and gives their place to the next', async () => {
    const limit = new Limit('m', { concurrency: 1 })
    const gate = deferred()
    const first = limit.run(never, () => gate.promise)
    const controller = new AbortController()
    const second = limit.run(controller.signal, () => Promise.resolve('second'))
    const third = limit.run(never, () => Promise.resolve('third'))
    controller.abort(new DOMException('gone', 'AbortError'))
    await expect(second).rejects.toMatchObject({ code: 'cancelled' })
    gate.resolve()
    await first
    expect(await third).toBe('third')
    expect(await limit.run(never, () => Promise.reject(new Error('x'))).catch(() => 'failed')).toBe('failed')
    expect(await limit.run(never, () => Promise.resolve('free'))).toBe('free')
  })
})

it('limits change by name', () => {
  const table = new LimitTable()
  expect(table.of('m')).toBeUndefined()
  table.set('m', { timeoutMs: 5 })
  expect(table.of('m')?.timeoutMs).toBe(5)
  table.delete('m')
  expect(table.of('m')).toBeUndefined()
})
