/** One signal out of many: the caller's, the client's and a deadline. */
import { InferenceError } from '../core/errors.ts'

export interface DeadlineOptions {
  readonly signals: readonly (AbortSignal | undefined)[]
  /** Infinity: no deadline. */
  readonly timeoutMs: number
}

/** A signal that fires with the first of many, or when its time is up, until `release`. */
export interface Deadline {
  readonly signal: AbortSignal
  /** Nothing stays behind on the other signals or in the timer queue. */
  readonly release: () => void
}

/** Opens a signal whose reason is an InferenceError: `cancelled`, or `deadline_exceeded` when the time is up. */
export function openDeadline({ signals, timeoutMs }: DeadlineOptions): Deadline {
  const controller = new AbortController()
  const given = signals.filter((candidate) => candidate !== undefined)
  const cancel = () => controller.abort(cancelled(given.find((candidate) => candidate.aborted)?.reason))
  for (const candidate of given) candidate.addEventListener('abort', cancel, { once: true })
  if (given.some((candidate) => candidate.aborted)) cancel()
  const timer = Number.isFinite(timeoutMs)
    ? setTimeout(() => controller.abort(exceeded(timeoutMs)), Math.max(0, timeoutMs))
    : undefined
  return {
    signal: controller.signal,
    release: () => {
      clearTimeout(timer)
      for (const candidate of given) candidate.removeEventListener('abort', cancel)
    },
  }
}

function exceeded(timeoutMs: number): InferenceError {
  return new InferenceError('deadline_exceeded', `no answer within ${timeoutMs} ms`)
}

/** A signal of `AbortSignal.timeout` is a deadline, every other one a cancellation. */
function cancelled(reason: unknown): InferenceError {
  if (reason instanceof InferenceError) return reason
  if (reason instanceof Error && reason.name === 'TimeoutError') return InferenceError.from(reason)
  return new InferenceError('cancelled', 'the call was cancelled', { cause: reason })
}
