/** Callers that come back right after their answers, in the simulation of the policy. */
import { describe, expect, it } from 'vitest'
import { bursty, capacityOf, poisson, randomOf, simulate, type ClosedLoops, type Setting } from './simulation.ts'

const forMs = 10_000
const seedRows = [1, 2, 4, 8, 16, 32]
const models = [
  { alphaMs: 5, betaMs: 0.5 },
  { alphaMs: 4.5, betaMs: 0.3 },
  { alphaMs: 18, betaMs: 1.2 },
]
const settingOf = (model: (typeof models)[number], executors = 1): Setting => ({
  ...model,
  executors,
  maxRows: 32,
  sloMs: Infinity,
  seedRows,
})

/** Rows per millisecond where everyone always runs together; what answering takes counts. */
function together(
  { alphaMs, betaMs, executors, maxRows }: Setting,
  { clients, answerMs, thinkMs }: ClosedLoops,
): number {
  const rows = Math.min(maxRows, clients / executors)
  return (executors * rows) / (alphaMs + betaMs * rows + answerMs * rows + thinkMs)
}

describe('closed loops', () => {
  for (const model of models) {
    it.each([1, 2, 8, 32, 33])(`run together: α ${model.alphaMs}, β ${model.betaMs} ms, %i clients`, (clients) => {
      const setting = settingOf(model)
      for (const [answerMs, thinkMs, part] of [
        [0.02, 0, 0.97],
        [0.1, 0, 0.97],
        [0.1, 0.3, 0.9],
      ] as const) {
        const loops = { clients, answerMs, thinkMs }
        const { closedPerMs } = simulate(setting, { loops, forMs }, randomOf(3))
        expect(closedPerMs / together(setting, loops)).toBeGreaterThan(part)
      }
    })
  }

  it('share several executors evenly', () => {
    for (const executors of [2, 4]) {
      const setting = settingOf({ alphaMs: 18, betaMs: 1.2 }, executors)
      const loops = { clients: 32, answerMs: 0.05, thinkMs: 0 }
      const { closedPerMs } = simulate(setting, { loops, forMs }, randomOf(3))
      expect(closedPerMs / together(setting, loops)).toBeGreaterThan(0.95)
    }
  })

  it('are no slower than without waiting where waiting does not pay', () => {
    const setting = settingOf({ alphaMs: 1, betaMs: 0.1 })
    for (const clients of [1, 2, 8, 32, 33]) {
      for (const thinkMs of [0.5, 5]) {
        const traffic = { loops: { clients, answerMs: 0.1, thinkMs }, forMs }
        const waiting = simulate(setting, traffic, randomOf(3))
        const atOnce = simulate(setting, { ...traffic, waitsForReturns: false }, randomOf(3))
        expect(waiting.closedPerMs / atOnce.closedPerMs).toBeGreaterThan(0.98)
      }
    }
  })

  it('are no slower beside callers that come at any time', () => {
    const setting = settingOf({ alphaMs: 5, betaMs: 0.5 })
    for (const perMs of [0.05, 0.2, 0.5, 1]) {
      const arrivals = poisson(perMs, perMs * forMs, randomOf(5))
      const traffic = { arrivals, loops: { clients: 16, answerMs: 0.1, thinkMs: 0 }, forMs }
      const waiting = simulate(setting, traffic, randomOf(3))
      const atOnce = simulate(setting, { ...traffic, waitsForReturns: false }, randomOf(3))
      expect(waiting.closedPerMs / atOnce.closedPerMs).toBeGreaterThan(0.99)
      expect(waiting.p50Ms / atOnce.p50Ms).toBeLessThan(1.01)
    }
  })
})

describe('callers that come at any time', () => {
  const setting = settingOf({ alphaMs: 5, betaMs: 0.5 })

  it.each([poisson, bursty])('are hardly ever kept waiting: $name', (kind) => {
    for (const executors of [1, 2]) {
      for (const load of [0.05, 0.3, 0.6, 0.9]) {
        const arrivals = kind(capacityOf({ ...setting, executors }) * load, 10_000, randomOf(11))
        const { waits } = simulate({ ...setting, executors }, { arrivals }, randomOf(7))
        expect(waits).toBeLessThan(10)
      }
    }
  })

  it('are no longer kept waiting soon after those who came back have gone', () => {
    const loops = { clients: 16, answerMs: 0.1, thinkMs: 0 }
    const arrivals = poisson(0.3, 3000, randomOf(5)).map((timeMs) => timeMs + 1000)
    const before = simulate(setting, { loops, forMs: 1000 }, randomOf(3))
    const after = simulate(setting, { arrivals, loops, forMs: 1000 }, randomOf(3))
    expect(before.waits).toBeGreaterThan(100)
    expect(after.waits - before.waits).toBeLessThan(20)
  })
})
