/** One signal out of many: the caller's, the client's and a deadline. */
import { InferenceError } from '../core/errors.ts'

export interface DeadlineOptions {
  readonly signals: readonly (AbortSignal | undefined)[]
  /** Infinity: no deadline. */
  readonly timeoutMs: number
}

/**
 * Runs `work` under a signal that fires with the first of `signals`, or with a `deadline_exceeded` error when the time is
 * up. Nothing stays behind on the signals or in the timer queue.
 *
 * @throws InferenceError `cancelled` or `deadline_exceeded`, else what `work` throws
 */
export async function withDeadline<T>(
  { signals, timeoutMs }: DeadlineOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const { signal } = controller
  const given = signals.filter((candidate) => candidate !== undefined)
  const cancel = () => controller.abort(cancelled(given.find((candidate) => candidate.aborted)?.reason))
  for (const candidate of given) candidate.addEventListener('abort', cancel, { once: true })
  if (given.some((candidate) => candidate.aborted)) cancel()
  const timer = Number.isFinite(timeoutMs)
    ? setTimeout(() => controller.abort(exceeded(timeoutMs)), Math.max(0, timeoutMs))
    : undefined
  try {
    signal.throwIfAborted()
    return await work(signal)
  } finally {
    clearTimeout(timer)
    for (const candidate of given) candidate.removeEventListener('abort', cancel)
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
