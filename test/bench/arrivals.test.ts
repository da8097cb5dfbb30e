import { describe, expect, it } from 'vitest'
import { arrivals } from '../../bench/generator/arrivals.ts'

const seconds = 200
const perSecond = 500

/** Requests in each 100 ms: variance over mean, which is 1 for a Poisson process. */
function dispersion(times: Float64Array): number {
  const counts = new Array<number>(seconds * 10).fill(0)
  for (const time of times) {
    const slot = Math.floor(time / 100)
    counts[slot] = (counts[slot] ?? 0) + 1
  }
  const mean = times.length / counts.length
  return counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length / mean
}

describe('arrivals', () => {
  it.each(['poisson', 'bursty'] as const)('have the rate that was asked for: %s', (process) => {
    const { length } = arrivals({ process, perSecond, seconds, seed: 1 })
    expect(length / seconds / perSecond).toBeGreaterThan(0.96)
    expect(length / seconds / perSecond).toBeLessThan(1.04)
  })

  it('have the evenness of a Poisson process', () => {
    const evenness = dispersion(arrivals({ process: 'poisson', perSecond, seconds, seed: 1 }))
    expect(evenness).toBeGreaterThan(0.9)
    expect(evenness).toBeLessThan(1.1)
  })

  it('come in bursts where asked: at a rate of two for two fifths of the time, of a third for the rest', () => {
    // Variance of the rate is 0.4 × 1² + 0.6 × (2/3)² = 0.667; a slot of 100 ms has 50 requests: 1 + 50 × 0.667, less at the edges.
    const evenness = dispersion(arrivals({ process: 'bursty', perSecond, seconds, seed: 1 }))
    expect(evenness).toBeGreaterThan(20)
    expect(evenness).toBeLessThan(36)
  })

  it('ascend within the time, and are the same for the same seed alone', () => {
    const options = { process: 'bursty', perSecond, seconds: 2 } as const
    const times = arrivals({ ...options, seed: 7 })
    expect(times).toEqual(times.toSorted())
    expect(times.every((time) => time >= 0 && time < 2000)).toBe(true)
    expect(arrivals({ ...options, seed: 7 })).toEqual(times)
    expect(arrivals({ ...options, seed: 8 })).not.toEqual(times)
  })
})
