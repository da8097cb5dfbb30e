/** What models take beside what they say, and the room that is kept for loads. */
import { describe, expect, it } from 'vitest'
import { MemoryOverhead } from '../../src/repository/memory-overhead.ts'
import { unloadReserve } from '../../src/repository/unload-reserve.ts'

describe('what models take beside what they say', () => {
  it('is the slope of the memory of the process over their number, not what it takes anyway', () => {
    const overhead = new MemoryOverhead()
    const fixed = 100_000_000
    for (let models = 1; models <= 400; models += 1) {
      const warming = 30_000_000 * (1 - Math.exp(-models / 10))
      overhead.learn(models, models * 1000, () => fixed + warming + models * 251_000)
    }
    expect(overhead.bytes).toBeGreaterThan(245_000)
    expect(overhead.bytes).toBeLessThan(260_000)
  })
  it('is nothing while there are few models, and never less than nothing', () => {
    const overhead = new MemoryOverhead()
    for (let models = 1; models < 8; models += 1) overhead.learn(models, 0, () => models * 1e6)
    expect(overhead.bytes).toBe(0)
    for (let models = 8; models < 30; models += 1) overhead.learn(models, models * 1e6, () => 1e6)
    expect(overhead.bytes).toBe(0)
  })
  it('learns nothing of models that come and go', () => {
    const overhead = new MemoryOverhead()
    for (let models = 1; models <= 40; models += 1) overhead.learn(models, 0, () => models * 1000)
    const learned = overhead.bytes
    for (let time = 0; time < 1000; time += 1) overhead.learn(10 + (time % 30), 0, () => 5e9)
    expect([learned, overhead.bytes]).toEqual([1000, 1000])
  })
})

describe('the room that is kept for loads', () => {
  it.each([
    ['half of the loads that run at once', 1000, 50, 2, 50],
    ['a hundredth where models are tiny', 1000, 1, 2, 10],
    ['none where it would cost a model', 1000, 400, 2, 0],
    ['none where nobody loads', 1000, 50, 0, 0],
  ])('is %s', (_, budget, typical, loads, expected) => {
    expect(unloadReserve(budget, typical, loads)).toBe(expected)
  })
})
