import { describe, expect, it } from 'vitest'
import { Histogram } from '../../bench/generator/histogram.ts'

describe('Histogram', () => {
  it('gives percentiles within one percent', () => {
    const histogram = new Histogram()
    const values = Array.from({ length: 10_000 }, (_, index) => 0.01 * 1.001 ** index)
    for (const value of values) histogram.record(value)
    for (const fraction of [0.01, 0.5, 0.9, 0.99, 0.999]) {
      const exact = values[Math.ceil(fraction * values.length) - 1] ?? NaN
      const told = histogram.percentile(fraction)
      expect(told / exact).toBeGreaterThanOrEqual(1)
      expect(told / exact).toBeLessThan(1.01)
    }
    expect(histogram.percentile(1)).toBe(values.at(-1))
    expect(histogram.longest).toBe(values.at(-1))
    expect(histogram.count).toBe(10_000)
  })

  it('takes what is too small and too large into its first and its last bucket', () => {
    const histogram = new Histogram()
    histogram.record(0)
    histogram.record(1e9)
    expect(histogram.percentile(0.5)).toBeCloseTo(0.001, 4)
    expect(histogram.longest).toBe(1e9)
  })

  it('has no percentile while it is empty', () => {
    expect(new Histogram().percentile(0.5)).toBeNaN()
  })
})
