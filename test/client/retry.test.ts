import { describe, expect, it } from 'vitest'
import { backoffMs } from '../../src/client/retry.ts'

describe('backoff', () => {
  it('doubles up to five seconds', () => {
    expect([0, 1, 2, 3, 4, 5, 6, 20].map((attempt) => backoffMs(attempt, 1))).toEqual([
      100, 200, 400, 800, 1600, 3200, 5000, 5000,
    ])
  })

  it('leaves half to chance', () => {
    expect(backoffMs(1, 0)).toBe(100)
    expect(backoffMs(1, 0.5)).toBe(150)
  })
})
