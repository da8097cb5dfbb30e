import { describe, expect, it } from 'vitest'
import { bursty, capacityOf, poisson, randomOf, replay, type Setting } from './simulation.ts'

const gpu: Setting = { alphaMs: 5, betaMs: 0.5, executors: 1, maxRows: 32, sloMs: 50 }
const bigOnCpu: Setting = { alphaMs: 0.3, betaMs: 6, executors: 4, maxRows: 16, sloMs: 100 }
const tiny: Setting = { alphaMs: 0.15, betaMs: 0.01, executors: 2, maxRows: 64, sloMs: 10 }

interface Cell {
  readonly name: string
  readonly setting: Setting
  readonly kind: typeof poisson
  readonly load: number
  readonly count: number
  /** Percent answered within the SLO. */
  readonly inSlo: number
  readonly p50Ms?: number
  readonly p99Ms?: number
}

// The table of the design: what the rules reached in the simulation that they were found with.
const cells: readonly Cell[] = [
  { name: 'a GPU at 0.1', setting: gpu, kind: poisson, load: 0.1, count: 9000, inSlo: 100, p50Ms: 7.3 },
  { name: 'a GPU at 0.9', setting: gpu, kind: poisson, load: 0.9, count: 80_000, inSlo: 99.8 },
  { name: 'a GPU at 1.2', setting: gpu, kind: poisson, load: 1.2, count: 100_000, inSlo: 83.6 },
  { name: 'a GPU at 0.9 in bursts', setting: gpu, kind: bursty, load: 0.9, count: 80_000, inSlo: 69.8 },
  {
    name: 'a big model on a CPU at 0.9',
    setting: bigOnCpu,
    kind: poisson,
    load: 0.9,
    count: 36_000,
    inSlo: 100,
    p99Ms: 67,
  },
  { name: 'a tiny model at 1.2', setting: tiny, kind: poisson, load: 1.2, count: 200_000, inSlo: 83.6 },
]

describe('the policy in a simulation', () => {
  it.each(cells)('reaches the table: $name', ({ setting, kind, load, count, inSlo, p50Ms, p99Ms }) => {
    const outcome = replay(setting, kind(capacityOf(setting) * load, count, randomOf(11)), randomOf(7))
    expect(outcome.inSlo).toBeGreaterThan(inSlo - 2)
    expect(outcome.inSlo).toBeLessThan(inSlo + 2)
    if (p50Ms !== undefined) expect(outcome.p50Ms).toBeCloseTo(p50Ms, 0)
    if (p99Ms !== undefined) expect(outcome.p99Ms).toBeLessThan(p99Ms * 1.15)
  })
})
