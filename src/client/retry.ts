/** Trying again: exponential backoff with jitter, within the deadline, on `unavailable` only. */
import { InferenceError } from '../core/errors.ts'

/** Time and chance, handed in so that tests need not wait. */
export interface Clock {
  /** Milliseconds that only grow. */
  now(): number
  /** Resolves after `ms`, or rejects with the reason of the signal. */
  wait(ms: number, signal: AbortSignal): Promise<void>
  /** From 0 up to 1, as Math.random. */
  random(): number
}

export const systemClock: Clock = {
  now: () => performance.now(),
  random: () => Math.random(),
  wait: (ms, signal) =>
    new Promise((resolve, reject) => {
      const abort = () => {
        clearTimeout(timer)
        reject(InferenceError.from(signal.reason))
      }
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', abort)
        resolve()
      }, ms)
      if (signal.aborted) abort()
      else signal.addEventListener('abort', abort, { once: true })
    }),
}

/** First wait in milliseconds: longer than a reload's swap, too short to be noticed by a person. */
const firstDelayMs = 100
const maxDelayMs = 5_000

/** The wait before retry number `attempt` (from 0): 100, 200, 400 … ms, at most 5 s, of which half is left to chance. */
export function backoffMs(attempt: number, random: number): number {
  return Math.min(maxDelayMs, firstDelayMs * 2 ** attempt) * (0.5 + random / 2)
}

export interface RetryOptions {
  /** How often to try again after the first failure. */
  readonly retries: number
  /** When there is no point in waiting any longer, on the clock's time. */
  readonly deadline: number
  readonly signal: AbortSignal
  readonly clock: Clock
}

/**
 * Runs `work`, again where it fails with `unavailable`; the wait is the backoff or the server's Retry-After, whichever is
 * longer. A wait that would pass the deadline is not begun.
 *
 * @throws what the last run of `work` threw
 */
export async function withRetries<T>(work: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock } = options
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await work()
    } catch (reason) {
      if (!(reason instanceof InferenceError) || reason.code !== 'unavailable' || attempt >= options.retries)
        throw reason
      const delayMs = Math.max(backoffMs(attempt, clock.random()), reason.retryAfterMs ?? 0)
      if (clock.now() + delayMs >= options.deadline) throw reason
      await clock.wait(delayMs, options.signal)
    }
  }
}
