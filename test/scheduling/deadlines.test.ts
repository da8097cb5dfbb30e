import { describe, expect, it } from 'vitest'
import type { SchedulingOptions } from '../../src/core/scheduling.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'
import { batchable, modelOf, never, rowsOf, seeded, settled, steppedModel, valuesOf } from './models.ts'

/** A model that runs already, behind a queue with these options. */
async function busy(options: SchedulingOptions, more: { now?: () => number } = {}) {
  const { model, runs } = steppedModel()
  const preparation = seeded(10, 1)
  const scheduled = schedule(model, { name: 'm', maxQueueSize: 1000, maxRows: 8, preparation, options, ...more })
  const first = scheduled.predict(rowsOf(0), never)
  await settled()
  return { scheduled, runs, first }
}

/** The answer, or why there is none. */
function outcomeOf(answer: Promise<unknown>): Promise<unknown> {
  return answer.catch((reason: unknown) => reason)
}

const inMs = (ms: number): number => performance.now() + ms

describe('deadlines', () => {
  it('refuses at once what cannot be answered in time', async () => {
    const { scheduled, runs, first } = await busy({})
    const late = scheduled.predict(rowsOf(1), never, { deadline: inMs(5) })
    await expect(late).rejects.toMatchObject({ code: 'deadline_exceeded', message: /would take about/ })
    const passed = scheduled.predict(rowsOf(1), never, { deadline: inMs(-1) })
    await expect(passed).rejects.toMatchObject({ code: 'deadline_exceeded', message: /deadline of the request passed/ })
    const inTime = scheduled.predict(rowsOf(2), never, { deadline: inMs(60_000) })
    runs[0]?.finish()
    await settled()
    runs[1]?.finish()
    expect(valuesOf(await inTime)).toEqual([2])
    expect(scheduled.scheduling().refusals).toMatchObject({ deadline: 2, slo: 0, cancelled: 0 })
    await first
  })

  it('lets go of a waiting request when its deadline passes, without a timer of its own', async () => {
    const { scheduled, runs, first } = await busy({})
    const waiting = [1, 2, 3].map((value) => scheduled.predict(rowsOf(value), never, { deadline: inMs(60 + value) }))
    const patient = scheduled.predict(rowsOf(4), never)
    for (const answer of waiting) await expect(answer).rejects.toMatchObject({ code: 'deadline_exceeded' })
    expect(scheduled.scheduling().waitingRequests).toBe(1)
    runs[0]?.finish()
    await settled()
    runs[1]?.finish()
    expect(valuesOf(await patient)).toEqual([4])
    await first
  })

  it('asks an idle model even where predictions say that it is hopeless: they may be wrong', async () => {
    const scheduled = schedule(
      modelOf(async ({ inputs }) => inputs),
      { name: 'm', maxQueueSize: 10, preparation: seeded(1000, 1), options: { sloMs: 50 } },
    )
    for (let request = 0; request < 30; request += 1) {
      expect(valuesOf(await scheduled.predict(rowsOf(request), never))).toEqual([request])
    }
    expect(scheduled.scheduling().refusals.slo).toBe(0)
    const together = [1, 2, 3].map((value) => scheduled.predict(rowsOf(value), never))
    expect((await Promise.all(together)).flatMap(valuesOf)).toEqual([1, 2, 3])
  })
})

describe('an SLO', () => {
  it('refuses what would miss it, and says when to come again', async () => {
    let nowMs = 0
    const { scheduled, runs } = await busy({ sloMs: 50 }, { now: () => nowMs })
    const answers = Array.from({ length: 40 }, (_, value) => outcomeOf(scheduled.predict(rowsOf(value), never)))
    const { refusals, waitingRequests } = scheduled.scheduling()
    expect(refusals.slo + waitingRequests).toBe(40)
    expect(waitingRequests).toBeGreaterThanOrEqual(8)
    expect(waitingRequests).toBeLessThanOrEqual(24)
    const refused = await answers.at(-1)
    expect(refused).toMatchObject({ code: 'resource_exhausted', message: /its limit is 50 ms/ })
    expect((refused as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(0)
    for (let run = 0; run < 4; run += 1) {
      nowMs += 11
      runs[run]?.finish()
      await settled()
    }
    await Promise.all(answers)
    expect(scheduled.scheduling()).toMatchObject({ waitingRequests: 0, runningBatches: 0 })
  })

  it('drops at the start of a run what became too late, and never shrinks the run for it', async () => {
    let nowMs = 0
    const { scheduled, runs, first } = await busy({ sloMs: 60 }, { now: () => nowMs })
    const late = outcomeOf(scheduled.predict(rowsOf(1), never))
    nowMs = 50
    const fresh = [2, 3, 4].map((value) => scheduled.predict(rowsOf(value), never))
    runs[0]?.fail(new Error('its time shall not count'))
    await expect(first).rejects.toThrow()
    await expect(late).resolves.toMatchObject({ code: 'resource_exhausted' })
    await settled()
    expect(runs[1]?.batch.inputs[0]?.shape[0]).toBe(3)
    runs[1]?.finish()
    expect((await Promise.all(fresh)).flatMap(valuesOf)).toEqual([2, 3, 4])
    expect(scheduled.scheduling().refusals).toMatchObject({ slo: 1, cancelled: 0 })
  })

  it('empties the queue when an overload ends', async () => {
    const options = { sloMs: 40 }
    const model = modelOf(async ({ inputs }) => {
      await new Promise((resolve) => setTimeout(resolve, 4))
      return inputs
    })
    const scheduled = schedule(model, {
      name: 'm',
      maxQueueSize: 1000,
      maxRows: 4,
      preparation: seeded(4, 0.05),
      options,
    })
    const answers: Promise<boolean>[] = []
    for (let turn = 0; turn < 60; turn += 1) {
      for (let request = 0; request < 8; request += 1) {
        answers.push(
          scheduled.predict(rowsOf(request), never).then(
            () => true,
            () => false,
          ),
        )
      }
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    const ended = performance.now()
    const answered = (await Promise.all(answers)).filter((isAnswered) => isAnswered).length
    expect(performance.now() - ended).toBeLessThan(1000)
    expect(answered).toBeGreaterThan(40)
    expect(answered).toBeLessThan(480)
    expect(scheduled.scheduling()).toMatchObject({ waitingRequests: 0, waitingRows: 0, runningBatches: 0 })
  })
})

describe('queue policies', () => {
  const order = (runs: readonly { batch: { inputs: Parameters<typeof valuesOf>[0] } }[]) =>
    runs.flatMap(({ batch }) => valuesOf(batch.inputs))

  it('serve priority 1 first, and in order of arrival within a level', async () => {
    const { scheduled, runs } = await busy({ priorityLevels: 3, batching: 'off' })
    const asked = [
      [1, 3],
      [2, 1],
      [3, undefined],
      [4, 1],
      [5, 9],
      [6, 2],
      [7, 3],
    ] as const
    const answers = asked.map(([value, priority]) =>
      scheduled.predict(rowsOf(value), never, priority === undefined ? {} : { priority }),
    )
    for (let run = 0; run < 8; run += 1) {
      runs[run]?.finish()
      await settled()
    }
    await Promise.all(answers)
    expect(order(runs)).toEqual([0, 2, 4, 3, 5, 6, 1, 7])
  })

  it('reject who waits too long, in the words of Triton', async () => {
    const { scheduled } = await busy({ queuePolicy: { defaultTimeoutMs: 20 } })
    const late = scheduled.predict(rowsOf(1), never)
    await expect(late).rejects.toMatchObject({ code: 'unavailable', message: /Request timeout expired/ })
    expect(scheduled.scheduling().refusals.timeout).toBe(1)
  })

  it('let who waits too long wait on behind the others of its level', async () => {
    const queuePolicy = { timeoutAction: 'delay', defaultTimeoutMs: 10 } as const
    const { scheduled, runs } = await busy({ batching: 'off', queuePolicy })
    const early = scheduled.predict(rowsOf(1), never)
    await new Promise((resolve) => setTimeout(resolve, 30))
    const later = scheduled.predict(rowsOf(2), never)
    for (let run = 0; run < 3; run += 1) {
      runs[run]?.finish()
      await settled()
    }
    await Promise.all([early, later])
    expect(order(runs)).toEqual([0, 2, 1])
  })

  it('bound the queue of each level', async () => {
    const queuePolicies = new Map([[2, { maxQueueSize: 1 }]])
    const { scheduled } = await busy({ priorityLevels: 2, queuePolicies })
    void scheduled.predict(rowsOf(1), never, { priority: 2 })
    const refused = scheduled.predict(rowsOf(2), never, { priority: 2 })
    await expect(refused).rejects.toMatchObject({ code: 'resource_exhausted', message: /Exceeds maximum queue size/ })
    void scheduled.predict(rowsOf(3), never, { priority: 1 })
    void scheduled.predict(rowsOf(4), never, { priority: 1 })
    expect(scheduled.scheduling()).toMatchObject({ waitingRequests: 3, refusals: { queue_full: 1 } })
  })

  it('wait for company where a delay was asked for, and no longer', async () => {
    const { model, runs } = steppedModel()
    const options = { maxQueueDelayMs: 25, preferredBatchSizes: [4] }
    const scheduled = schedule(model, { name: 'm', maxQueueSize: 100, preparation: batchable, options })
    const started = performance.now()
    const lonely = scheduled.predict(rowsOf(1), never, { onStart: () => runs[0]?.finish() })
    await settled()
    expect(runs).toHaveLength(0)
    while (runs.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    expect(performance.now() - started).toBeGreaterThanOrEqual(24)
    runs[0]?.finish()
    await lonely
    const four = [1, 2, 3, 4, 5].map((value) => scheduled.predict(rowsOf(value), never))
    await settled()
    expect(runs[1]?.batch.inputs[0]?.shape[0]).toBe(4)
    runs[1]?.finish()
    while (runs.length < 3) await new Promise((resolve) => setTimeout(resolve, 1))
    runs[2]?.finish()
    await Promise.all(four)
  })
})
