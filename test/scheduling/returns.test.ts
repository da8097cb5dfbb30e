import { describe, expect, it } from 'vitest'
import type { Tensor } from '../../src/core/tensor.ts'
import { LatencyModel } from '../../src/scheduling/latency-model.ts'
import { Returns, type Gathering } from '../../src/scheduling/returns.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'
import { never, rowsOf, seeded, settled, steppedModel, valuesOf } from './models.ts'

const runMs = 20

function returnsOf(alphaMs: number, betaMs: number): Returns {
  const samples = [1, 2, 4, 8, 16, 32].map((rows) => ({ rows, ms: alphaMs + betaMs * rows }))
  return new Returns(new LatencyModel(64, samples))
}

const gathering = (waitingRows: number, more: Partial<Gathering> = {}): Gathering => ({
  waitingRows,
  batchRows: 32,
  runningRows: 0,
  executors: 1,
  lastMs: Infinity,
  ...more,
})

/** Runs of 16 rows one after the other; after each, so many rows come evenly within so many milliseconds. @returns the last end */
function runsOf(returns: Returns, { runs, rows, withinMs }: { runs: number; rows: number; withinMs: number }): number {
  for (let run = 0; run < runs; run += 1) {
    returns.end(run * runMs, 16, runMs, 1)
    for (let row = 1; row <= rows; row += 1) returns.arrive(run * runMs + (row / rows) * withinMs, 1)
  }
  returns.end(runs * runMs, 16, runMs, 1)
  return runs * runMs
}

describe('Returns', () => {
  it('tells callers that come back from those that come at any time', () => {
    const back = returnsOf(10, 0.6)
    runsOf(back, { runs: 10, rows: 16, withinMs: 2 })
    expect(back.fraction).toBe(1)
    const half = returnsOf(10, 0.6)
    runsOf(half, { runs: 10, rows: 8, withinMs: 2 })
    expect(half.fraction).toBe(0.5)
    const anytime = returnsOf(10, 0.6)
    runsOf(anytime, { runs: 10, rows: 16, withinMs: runMs })
    expect(anytime.fraction).toBe(0)
  })

  it('believes nothing before it has seen some runs, and nothing of what costs little besides its rows', () => {
    const early = returnsOf(10, 0.6)
    runsOf(early, { runs: 3, rows: 16, withinMs: 2 })
    expect(early.fraction).toBe(0)
    const cheap = returnsOf(0.1, 0.6)
    const endMs = runsOf(cheap, { runs: 10, rows: 16, withinMs: 2 })
    expect(cheap.fraction).toBe(0)
    expect(cheap.waitsUntil(endMs, gathering(16))).toBe(endMs)
  })

  it('waits for those who come back until the last of them is there', () => {
    const returns = returnsOf(10, 0.6)
    const endMs = runsOf(returns, { runs: 10, rows: 16, withinMs: 2 })
    expect(returns.waitsUntil(endMs, gathering(16))).toBeCloseTo(endMs + 2 * 2 + 1, 5)
    for (let row = 1; row < 16; row += 1) {
      const nowMs = endMs + row / 8
      returns.arrive(nowMs, 1)
      expect(returns.waitsUntil(nowMs, gathering(16 + row))).toBeGreaterThan(nowMs)
    }
    returns.arrive(endMs + 2, 1)
    expect(returns.waitsUntil(endMs + 2, gathering(32))).toBe(endMs + 2)
  })

  it('does not wait where the run is full, or where it takes longer than it saves', () => {
    const returns = returnsOf(10, 0.6)
    const endMs = runsOf(returns, { runs: 10, rows: 16, withinMs: 2 })
    expect(returns.waitsUntil(endMs, gathering(16, { batchRows: 16 }))).toBe(endMs)
    const slow = returnsOf(10, 0.6)
    runsOf(slow, { runs: 10, rows: 16, withinMs: 8 })
    expect(slow.fraction).toBe(1)
    expect(slow.waitsUntil(endMs, gathering(16))).toBe(endMs)
  })

  it('does not wait where somebody would be late', () => {
    const returns = returnsOf(10, 0.6)
    const endMs = runsOf(returns, { runs: 10, rows: 16, withinMs: 2 })
    expect(returns.waitsUntil(endMs, gathering(16, { lastMs: endMs + 30 }))).toBe(endMs)
    expect(returns.waitsUntil(endMs, gathering(16, { lastMs: endMs + 50 }))).toBeGreaterThan(endMs)
  })

  it('leaves other executors their share', () => {
    const returns = returnsOf(10, 0.6)
    const endMs = runsOf(returns, { runs: 10, rows: 16, withinMs: 2 })
    const two = { executors: 2, runningRows: 16 }
    expect(returns.waitsUntil(endMs, gathering(15, two))).toBeGreaterThan(endMs)
    expect(returns.waitsUntil(endMs, gathering(16, two))).toBeGreaterThan(endMs)
    returns.arrive(endMs, 16)
    expect(returns.waitsUntil(endMs, gathering(16, two))).toBe(endMs)
  })

  it('believes half as much after it has waited in vain, and stops with the next run', () => {
    const returns = returnsOf(10, 0.6)
    let nowMs = runsOf(returns, { runs: 10, rows: 16, withinMs: 2 })
    let waits = 0
    for (let run = 0; run < 10; run += 1) {
      const untilMs = returns.waitsUntil(nowMs, gathering(8))
      if (untilMs > nowMs) {
        waits += 1
        expect(returns.waitsUntil(untilMs, gathering(8))).toBe(untilMs)
      }
      returns.end((nowMs += runMs), 16, runMs, 1)
    }
    expect(waits).toBe(1)
  })

  it('forgets who should have come back long ago', () => {
    const returns = returnsOf(10, 0.6)
    const endMs = runsOf(returns, { runs: 10, rows: 16, withinMs: 2 })
    returns.arrive(endMs + 1000, 1)
    expect(returns.waitsUntil(endMs + 1000, gathering(1))).toBe(endMs + 1000)
  })
})

describe('a queue whose callers come back', () => {
  /** Two callers, each of whom asks again half a millisecond after its answer; run after run of 11 ms. */
  async function loops() {
    const { model, runs } = steppedModel()
    const clock = { ms: 0 }
    const scheduled = schedule(model, {
      name: 'm',
      maxQueueSize: 10,
      preparation: seeded(10, 1),
      now: () => clock.ms,
    })
    const answers: Promise<readonly Tensor[]>[] = []
    const ask = (deadline?: number): void => {
      const options = deadline === undefined ? undefined : { deadline }
      answers.push(scheduled.predict(rowsOf(answers.length), never, options))
    }
    ask()
    await settled()
    ask()
    /** Ends the run that goes on. */
    const finish = async (): Promise<void> => {
      clock.ms += 11
      runs.at(-1)?.finish()
      await settled()
    }
    for (let run = 0; run < 4; run += 1) {
      await finish()
      expect(runs).toHaveLength(run + 2)
      clock.ms += 0.5
      ask()
      await settled()
    }
    return { scheduled, runs, clock, ask, finish, answers }
  }

  it('runs them together, in the very turn in which the last one is back', async () => {
    const { scheduled, runs, clock, ask, finish, answers } = await loops()
    const before = runs.length
    await finish()
    expect(runs).toHaveLength(before) // one waits for the other
    clock.ms += 0.5
    ask()
    await new Promise((resolve) => setImmediate(resolve))
    expect(runs).toHaveLength(before + 1)
    expect(runs.at(-1)?.batch.inputs[0]?.shape).toEqual([2, 1])
    await finish()
    expect((await Promise.all(answers)).map(valuesOf)).toEqual(answers.map((_, value) => [value]))
    expect(scheduled.scheduling()).toMatchObject({ waitingRequests: 0, returnFraction: 1 })
  })

  it('waits no longer than it pays', async () => {
    const { runs, clock, finish, answers } = await loops()
    const before = runs.length
    await finish()
    expect(runs).toHaveLength(before)
    clock.ms += 3
    while (runs.length === before) await new Promise((resolve) => setImmediate(resolve)) // until its timer fires
    expect(runs.at(-1)?.batch.inputs[0]?.shape).toEqual([1, 1])
    await finish()
    await Promise.all(answers)
  })

  it('does not let a caller be late', async () => {
    const { runs, clock, ask, finish, answers } = await loops()
    await finish()
    clock.ms += 0.5
    ask(clock.ms + 26)
    await settled()
    const before = runs.length
    await finish()
    clock.ms += 0.1
    ask(clock.ms + 13)
    await settled()
    expect(runs).toHaveLength(before + 1)
    await finish()
    await Promise.all(answers)
  })
})
