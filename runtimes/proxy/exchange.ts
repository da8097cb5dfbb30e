/** The time and the signal of one request, for all its attempts. */
import { InferenceError, type RequestContext } from '../../src/runtime/index.ts'
import type { Exchange, Headers } from './wire.ts'

export interface OpenExchange {
  readonly exchange: Exchange
  /** Nothing stays behind on the caller's signal or in the timer queue. */
  readonly release: () => void
}

/** A signal that fires with the caller's, or when the time is up. */
export function openExchange(
  context: Pick<RequestContext, 'signal' | 'deadline'>,
  timeoutMs: number,
  headers: Headers,
): OpenExchange {
  const controller = new AbortController()
  const { signal } = context
  const cancel = (): void => controller.abort(InferenceError.from(signal.reason))
  const timer = setTimeout(() => {
    controller.abort(new InferenceError('deadline_exceeded', `no answer from the upstream within ${timeoutMs} ms`))
  }, timeoutMs)
  if (signal.aborted) cancel()
  else signal.addEventListener('abort', cancel, { once: true })
  const leftMs = context.deadline === undefined ? timeoutMs : Math.min(timeoutMs, context.deadline - performance.now())
  return {
    exchange: { signal: controller.signal, deadline: Date.now() + Math.max(0, leftMs), headers },
    release: () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', cancel)
    },
  }
}
