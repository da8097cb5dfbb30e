/** Time as the engine needs it; tests bring their own. */

export interface Timers {
  /** Milliseconds from some fixed moment. */
  now(): number
  /** Calls back once. @returns keeps it from happening */
  after(ms: number, callback: () => void): () => void
}

export const systemTimers: Timers = {
  now: () => performance.now(),
  after: (ms, callback) => {
    const timer = setTimeout(callback, Math.min(ms, 0x7fffffff)) // longer ones would fire at once
    return () => clearTimeout(timer)
  },
}

/** Resolves after a time. Rejects with the reason of the signal as soon as that fires. */
export function pause(timers: Timers, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      cancel()
      reject(reasonOf(signal))
    }
    const cancel = timers.after(ms, () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) onAbort()
  })
}

/** Why a signal fired, as an error. */
export function reasonOf(signal: AbortSignal): Error {
  const reason: unknown = signal.reason
  return reason instanceof Error ? reason : new DOMException('the request was cancelled', 'AbortError')
}

/**
 * Does work whose signal fires with the outer one, and after `ms`; then the result of the work is not waited for.
 *
 * @param error what the promise rejects with after `ms`
 */
export async function within<T>(
  timers: Timers,
  ms: number,
  outer: AbortSignal,
  error: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  let give: (reason: Error) => void = () => undefined
  const over = new Promise<never>((_, reject) => {
    give = (reason) => {
      reject(reason)
      controller.abort(reason)
    }
  })
  const onAbort = (): void => give(reasonOf(outer))
  const cancel = timers.after(ms, () => give(error()))
  outer.addEventListener('abort', onAbort, { once: true })
  try {
    if (outer.aborted) onAbort()
    return await Promise.race([work(controller.signal), over])
  } finally {
    cancel()
    outer.removeEventListener('abort', onAbort)
  }
}
