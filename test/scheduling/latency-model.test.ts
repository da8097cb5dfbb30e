import { describe, expect, it } from 'vitest'
import { LatencyModel } from '../../src/scheduling/latency-model.ts'
import { randomOf } from './simulation.ts'

const noisy = (random: () => number, ms: number): number => ms * (0.95 + 0.1 * random())

describe('LatencyModel', () => {
  it('learns the line from runs of different sizes', () => {
    const latency = new LatencyModel(32)
    const random = randomOf(1)
    for (let run = 0; run < 500; run += 1) {
      const rows = 1 + Math.floor(random() * 32)
      latency.observe(rows, noisy(random, 5 + 0.5 * rows))
    }
    expect(latency.alphaMs).toBeGreaterThan(4.5)
    expect(latency.alphaMs).toBeLessThan(5.5)
    expect(latency.betaMs).toBeGreaterThan(0.45)
    expect(latency.betaMs).toBeLessThan(0.55)
    expect(latency.margin).toBeGreaterThanOrEqual(1.05)
    expect(latency.margin).toBeLessThan(1.15)
  })

  it('knows nothing at first, and starts from the runs at load', () => {
    expect(new LatencyModel(8).isKnown).toBe(false)
    expect(new LatencyModel(8, [{ rows: 1, ms: 3 }]).isKnown).toBe(false)
    const samples = [1, 2, 4, 8].map((rows) => ({ rows, ms: 2 + rows }))
    const seeded = new LatencyModel(8, samples)
    expect(seeded.isKnown).toBe(true)
    expect(seeded.predict(6)).toBeCloseTo(8, 5)
  })

  it('keeps the ratio of α and β through any number of runs of one size, and scales it', () => {
    const latency = new LatencyModel(
      32,
      [1, 4, 16, 32].map((rows) => ({ rows, ms: 5 + 0.5 * rows })),
    )
    const random = randomOf(2)
    for (let run = 0; run < 20_000; run += 1) latency.observe(1, noisy(random, 11))
    expect(latency.ratio).toBeGreaterThan(8)
    expect(latency.ratio).toBeLessThan(16)
    expect(latency.alphaMs + latency.betaMs).toBeCloseTo(11, 0)
    expect(latency.isSlopeTold).toBe(false)
    latency.observe(8, 18)
    expect(latency.isSlopeTold).toBe(true)
  })

  it('takes the own mean of a size that is common', () => {
    const latency = new LatencyModel(32)
    for (let run = 0; run < 30; run += 1) {
      latency.observe(1, 2)
      latency.observe(8, 9)
      latency.observe(16, 40) // a cliff that no line tells
    }
    expect(latency.predict(8)).toBeCloseTo(9, 5)
    expect(latency.predict(16)).toBeCloseTo(40, 5)
  })

  it('never tells negative times', () => {
    const falling = new LatencyModel(32)
    for (let run = 0; run < 50; run += 1) falling.observe(1 + (run % 32), 50 - (run % 32))
    expect(falling.betaMs).toBe(0)
    expect(falling.alphaMs).toBeGreaterThan(0)
    const steep = new LatencyModel(32)
    for (let run = 0; run < 50; run += 1) steep.observe(1 + (run % 32), (1 + (run % 32)) ** 2)
    expect(steep.alphaMs).toBe(0)
  })

  it('is not upset by one stall, and learns a model that became slow', () => {
    const latency = new LatencyModel(
      8,
      [1, 2, 4, 8].map((rows) => ({ rows, ms: 1 + rows })),
    )
    for (let run = 0; run < 100; run += 1) latency.observe(1 + (run % 8), 2 + (run % 8))
    latency.observe(1, 5000)
    expect(latency.predict(4)).toBeLessThan(6)
    expect(latency.margin).toBeLessThan(1.3)
    for (let run = 0; run < 1000; run += 1) latency.observe(1 + (run % 8), 20 + 10 * (run % 8))
    expect(latency.predict(4)).toBeGreaterThan(40)
  })

  it('widens the margin with the noise, up to a half', () => {
    const latency = new LatencyModel(8)
    const random = randomOf(3)
    for (let run = 0; run < 500; run += 1) latency.observe(1 + (run % 8), 5 * (0.2 + 1.6 * random()))
    expect(latency.margin).toBe(1.5)
  })
})
