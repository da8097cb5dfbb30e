/** Until when an answer is worth something: what callers say, and the signal that fires then. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, RequestContext } from '../core/inference.ts'
import type { TraceContext } from '../core/trace-context.ts'

/** Longer than timers can count; who gives so much time does not wait for it. */
const maxTimerMs = 2 ** 31 - 1

/** How a caller is told. */
export function deadlinePassed(): InferenceError {
  return new InferenceError('deadline_exceeded', 'the deadline of the request passed')
}

/** Fires at `deadline`, by the clock of `performance.now()`. @returns what {@link clearTimeout} wants; keeps no process alive */
export function atDeadline(deadline: number, fire: () => void): NodeJS.Timeout | undefined {
  const left = deadline - performance.now()
  return left > maxTimerMs ? undefined : setTimeout(fire, Math.max(0, left)).unref()
}

/** The parameter `timeout` of a request in milliseconds: microseconds on the wire, as Triton's; undefined for 0, none. */
export function timeoutOf({ parameters }: InferenceRequest): number | undefined {
  const timeout = parameters?.['timeout']
  return typeof timeout === 'number' && timeout > 0 ? timeout / 1000 : undefined
}

/** Runs `work` in a context whose signal also fires at an earlier deadline than its own. */
export async function withDeadline<T>(
  context: RequestContext,
  deadline: number,
  work: (context: RequestContext) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const { signal } = context
  const follow = (): void => controller.abort(signal.reason)
  if (signal.aborted) follow()
  else signal.addEventListener('abort', follow, { once: true })
  const timer = atDeadline(deadline, () => controller.abort(deadlinePassed()))
  try {
    return await work(new DeadlineContext(context, deadline, controller.signal))
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', follow)
  }
}

/** What `work` gives, or the reason of the signal where that fires first; `work` then goes on, and nobody hears of it. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort = (): void => undefined
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(InferenceError.from(signal.reason))
  })
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** A context with less time. */
class DeadlineContext implements RequestContext {
  readonly deadline: number
  readonly signal: AbortSignal
  readonly #context: RequestContext

  constructor(context: RequestContext, deadline: number, signal: AbortSignal) {
    this.#context = context
    this.deadline = deadline
    this.signal = signal
  }

  get requestId(): string {
    return this.#context.requestId
  }

  get protocol(): RequestContext['protocol'] {
    return this.#context.protocol
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#context.headers
  }

  get trace(): TraceContext | undefined {
    return this.#context.trace
  }
}
