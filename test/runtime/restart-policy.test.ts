import { describe, expect, it } from 'vitest'
import { afterDeath, goodMs, mostDeaths } from '../../src/runtime/restart-policy.ts'

describe('after the death of a process', () => {
  it('the delay grows from 100 ms to 10 s', () => {
    const delays = [0, 1, 2, 3].map((deaths) => afterDeath(deaths, 0, 1))
    expect(delays.map((next) => (next.kind === 'restart' ? next.delayMs : 0))).toEqual([100, 300, 900, 2700])
  })

  it('chance spreads the delay, and never below 100 ms', () => {
    expect(afterDeath(2, 0, 0)).toEqual({ kind: 'restart', deaths: 3, delayMs: 450 })
    expect(afterDeath(0, 0, 0)).toMatchObject({ delayMs: 100 })
  })

  it('good time between forgets earlier deaths', () => {
    expect(afterDeath(4, goodMs, 0.5)).toMatchObject({ kind: 'restart', deaths: 1 })
  })

  it('the session is given up after so many in a row', () => {
    expect(afterDeath(mostDeaths - 1, goodMs - 1, 0.5)).toEqual({ kind: 'give up', deaths: mostDeaths })
  })
})
