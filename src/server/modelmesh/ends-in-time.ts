/** A wait that its caller gives up, or that takes too long; what is waited for goes on. */
import { deadlinePassed, unlessAborted } from '../../dataplane/deadline.ts'

/** @throws InferenceError `deadline_exceeded` after `ms`; the reason of the signal where that fires first */
export async function endsInTime(work: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
  const controller = new AbortController()
  const follow = (): void => controller.abort(signal.reason)
  if (signal.aborted) follow()
  else signal.addEventListener('abort', follow, { once: true })
  const timer = Number.isFinite(ms) ? setTimeout(() => controller.abort(deadlinePassed()), ms).unref() : undefined
  try {
    await unlessAborted(work, controller.signal)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', follow)
  }
}
