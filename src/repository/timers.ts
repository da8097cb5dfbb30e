/** Time as the repository needs it; tests bring their own. */

export interface Timers {
  /** Milliseconds from some fixed moment. */
  readonly now: () => number
  /** Calls back once, and keeps no process alive. @returns keeps it from happening */
  after(ms: number, callback: () => void): () => void
}

/** Longer times would fire at once. */
const longestMs = 2 ** 31 - 1

export const systemTimers: Timers = {
  now: () => performance.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, Math.min(ms, longestMs)).unref()
    return () => clearTimeout(timer)
  },
}
