/** Timers that tests wind by hand. */
import type { Timers } from '../../src/repository/timers.ts'

/** Time that passes when a test says so. */
export function handTimers(): Timers & { pass(ms: number): void; readonly pending: number } {
  let now = 1000
  let timers: { readonly at: number; readonly callback: () => void }[] = []
  return {
    now: () => now,
    after: (ms, callback) => {
      const timer = { at: now + ms, callback }
      timers.push(timer)
      return () => (timers = timers.filter((each) => each !== timer))
    },
    pass: (ms) => {
      const end = now + ms
      for (;;) {
        const next = timers.filter(({ at }) => at <= end).toSorted((left, right) => left.at - right.at)[0]
        if (next === undefined) break
        timers = timers.filter((each) => each !== next)
        now = next.at
        next.callback()
      }
      now = end
    },
    get pending() {
      return timers.length
    },
  }
}
