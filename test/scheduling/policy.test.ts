import { describe, expect, it } from 'vitest'
import { ArrivalRate } from '../../src/scheduling/arrival-rate.ts'
import { LatencyModel } from '../../src/scheduling/latency-model.ts'
import {
  batchSize,
  efficientBatch,
  expectedAnswerMs,
  expectedWaitMs,
  exploringRows,
  isAdmitted,
  isTooLate,
  rowsToTake,
  type Surroundings,
} from '../../src/scheduling/policy.ts'

function lineOf(alphaMs: number, betaMs: number): LatencyModel {
  return new LatencyModel(
    1024,
    [1, 2, 4, 8, 16, 32].map((rows) => ({ rows, ms: alphaMs + betaMs * rows })),
  )
}

function around(alphaMs: number, betaMs: number, more: Partial<Surroundings> = {}): Surroundings {
  return { latency: lineOf(alphaMs, betaMs), maxRows: 32, executors: 1, arrivalsPerMs: 1, ...more }
}

describe('the batch size', () => {
  it('reaches 95 % of the best throughput', () => {
    expect(efficientBatch(lineOf(1, 1), 128)).toBe(19)
    expect(efficientBatch(lineOf(5, 0.5), 128)).toBe(128)
    expect(efficientBatch(lineOf(5, 0.5), 32)).toBe(32)
    expect(efficientBatch(lineOf(0.3, 6), 16)).toBe(1)
    expect(efficientBatch(lineOf(3, 0), 16)).toBe(16)
    expect(efficientBatch(new LatencyModel(128), 128)).toBe(8)
  })

  it('shrinks to half of an SLO, and grows again with the arrivals', () => {
    expect(batchSize(around(5, 0.5), Infinity)).toBe(32)
    const slow = batchSize(around(5, 0.5, { arrivalsPerMs: 0.01 }), 25)
    expect(slow).toBe(Math.floor((12.5 / 1.1 - 5) / 0.5))
    expect(batchSize(around(5, 0.5, { arrivalsPerMs: 1.2 }), 25)).toBeGreaterThan(slow)
    expect(batchSize(around(5, 0.5), 1)).toBe(1)
  })

  it('tries twice as many where the last runs were all alike', () => {
    const latency = lineOf(5, 0.5)
    expect(exploringRows(latency, { rows: 1, waitingRows: 100, maxRows: 32, budgetMs: Infinity })).toBe(4)
    expect(exploringRows(latency, { rows: 8, waitingRows: 100, maxRows: 32, budgetMs: Infinity })).toBe(16)
    expect(exploringRows(latency, { rows: 8, waitingRows: 9, maxRows: 32, budgetMs: Infinity })).toBe(9)
    expect(exploringRows(latency, { rows: 8, waitingRows: 100, maxRows: 32, budgetMs: 20 })).toBe(8)
  })
})

describe('admission', () => {
  it('expects to wait for the run that goes on and for full runs ahead, shared by the executors', () => {
    const two = around(4, 1, { executors: 2 })
    expect(expectedWaitMs(two, { rows: 0, residualMs: 3 }, 8)).toBe(3)
    expect(expectedWaitMs(two, { rows: 7, residualMs: 3 }, 8)).toBe(3)
    expect(expectedWaitMs(two, { rows: 17, residualMs: 3 }, 8)).toBeCloseTo(3 + (2 * 1.1 * 12) / 2, 5)
    expect(expectedAnswerMs(two, { rows: 0, residualMs: 0 }, 1, 8)).toBeCloseTo(1.1 * 5, 5)
    expect(expectedAnswerMs(two, { rows: 0, residualMs: 0 }, 100, 8)).toBeCloseTo(1.1 * 104, 5)
  })

  it('lets in who can be answered in time', () => {
    const limits = { budgetMs: 20, batchRows: 8 }
    expect(isAdmitted(around(4, 1), { rows: 0, residualMs: 0 }, 1, limits)).toBe(true)
    expect(isAdmitted(around(4, 1), { rows: 8, residualMs: 0 }, 1, limits)).toBe(false)
  })

  it('goes by the length of the queue while run times are unknown', () => {
    const unknown = around(1, 1, { latency: new LatencyModel(32) })
    expect(isAdmitted(unknown, { rows: 127, residualMs: 0 }, 1, { budgetMs: 1, batchRows: 8 })).toBe(true)
    expect(isAdmitted(unknown, { rows: 128, residualMs: 0 }, 1, { budgetMs: 1, batchRows: 8 })).toBe(false)
  })

  it('drops what would end too late', () => {
    const latency = lineOf(4, 1)
    expect(isTooLate(latency, 8, 100, Infinity)).toBe(false)
    expect(isTooLate(latency, 8, 100, 114)).toBe(false)
    expect(isTooLate(latency, 8, 100, 113)).toBe(true)
  })
})

describe('rowsToTake', () => {
  const now = { preferredBatchSizes: [], maxQueueDelayMs: 0 }

  it('takes what waits, b* at most, without any window', () => {
    expect(rowsToTake(now, 1, 8, 0)).toBe(1)
    expect(rowsToTake(now, 20, 8, 0)).toBe(8)
  })

  it('lingers where it was asked to, until the run is full or the first has waited long enough', () => {
    const linger = { preferredBatchSizes: [], maxQueueDelayMs: 5 }
    expect(rowsToTake(linger, 3, 8, 4.9)).toBe(0)
    expect(rowsToTake(linger, 3, 8, 5)).toBe(3)
    expect(rowsToTake(linger, 8, 8, 0)).toBe(8)
    expect(rowsToTake(linger, 100, 8, 0)).toBe(8)
  })

  it('takes the largest preferred size at once', () => {
    const preferred = { preferredBatchSizes: [4, 8], maxQueueDelayMs: 5 }
    expect(rowsToTake(preferred, 3, 32, 0)).toBe(0)
    expect(rowsToTake(preferred, 5, 32, 0)).toBe(4)
    expect(rowsToTake(preferred, 13, 32, 0)).toBe(8)
    expect(rowsToTake(preferred, 3, 32, 5)).toBe(3)
  })
})

describe('ArrivalRate', () => {
  it('counts rows', () => {
    const rate = new ArrivalRate()
    for (let arrival = 0; arrival < 2000; arrival += 1) rate.arrive(arrival * 2, 4)
    expect(rate.perMs).toBeCloseTo(2, 3)
  })

  it('is not fooled by a silence for long', () => {
    const rate = new ArrivalRate()
    let nowMs = 0
    for (let arrival = 0; arrival < 1000; arrival += 1) rate.arrive((nowMs += 1), 1)
    expect(rate.perMsAt(nowMs + 3_600_000)).toBeLessThan(0.001)
    rate.arrive((nowMs += 3_600_000), 1)
    for (let arrival = 0; arrival < 100; arrival += 1) rate.arrive((nowMs += 1), 1)
    expect(rate.perMs).toBeGreaterThan(0.8)
  })
})
