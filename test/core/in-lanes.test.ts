/** Work on many things, a few at a time. */
import { describe, expect, it } from 'vitest'
import { inLanes } from '../../src/core/in-lanes.ts'

describe('work in lanes', () => {
  it('does so many at once, and tells results in the order of the things', async () => {
    let [running, most] = [0, 0]
    const results = await inLanes([5, 1, 4, 2, 3], 2, async (turns) => {
      running += 1
      most = Math.max(most, running)
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
      running -= 1
      return turns * 10
    })
    expect([results, most]).toEqual([[50, 10, 40, 20, 30], 2])
    expect(await inLanes([], 2, () => Promise.resolve(1))).toEqual([])
  })
  it('rejects with the first failure', async () => {
    await expect(
      inLanes([1, 2, 3], 2, (n) => (n === 2 ? Promise.reject(new Error('two')) : Promise.resolve(n))),
    ).rejects.toThrow('two')
  })
})
