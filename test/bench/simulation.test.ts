import { describe, expect, it } from 'vitest'
import { arrivals } from '../../bench/generator/arrivals.ts'
import { simulate } from '../../bench/scheduling/simulation.ts'

/** Runs of 5 ms and half a millisecond for each row, 32 rows at most: capacity 1,524 per second. */
const runs = { alphaMs: 5, betaMs: 0.5, maxRows: 32, sloMs: 50 }
const capacity = (32 / (5 + 0.5 * 32)) * 1000

function share(process: 'poisson' | 'bursty', load: number): number {
  const schedule = arrivals({ process, perSecond: load * capacity, seconds: 60, seed: 11 })
  return simulate({ ...runs, arrivals: schedule, seed: 7 })
}

// The cells of the design's table: 100, 99.8, 83.6 and 69.8 %.
describe('the simulation of the queue', () => {
  it('answers everybody in time while there is room', () => {
    expect(share('poisson', 0.1)).toBeGreaterThan(0.99)
    expect(share('poisson', 0.9)).toBeGreaterThan(0.98)
  })

  it('answers as many as it can where more come', () => {
    const inTime = share('poisson', 1.2)
    expect(inTime).toBeGreaterThan(0.8)
    expect(inTime).toBeLessThan(0.87)
  })

  it('answers most of those that come in bursts', () => {
    const inTime = share('bursty', 0.9)
    expect(inTime).toBeGreaterThan(0.66)
    expect(inTime).toBeLessThan(0.76)
  })
})
