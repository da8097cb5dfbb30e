/** The time and the end of one request, for all its attempts. */
import { InferenceError, type RequestContext } from '../../src/runtime/index.ts'
import type { Exchange, Headers } from './wire.ts'

/** Ends with the caller's signal, or when the time is up. */
export class OpenExchange implements Exchange {
  readonly deadline: number
  readonly headers: Headers
  /** Why it is over, once it is. */
  over: InferenceError | undefined
  onOver: (() => void) | undefined
  readonly #caller: AbortSignal
  readonly #timer: NodeJS.Timeout
  /** Made for who asks for a signal: it costs more than everything else here. */
  #controller: AbortController | undefined

  constructor(context: Pick<RequestContext, 'signal' | 'deadline'>, timeoutMs: number, headers: Headers) {
    const { signal, deadline } = context
    this.headers = headers
    this.#caller = signal
    this.#timer = setTimeout(() => this.#timeUp(timeoutMs), timeoutMs)
    const leftMs = deadline === undefined ? timeoutMs : Math.min(timeoutMs, deadline - performance.now())
    this.deadline = Date.now() + Math.max(0, leftMs)
    if (signal.aborted) this.#callerEnded()
    else signal.addEventListener('abort', this.#callerEnded)
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.over !== undefined) this.#controller.abort(this.over)
    }
    return this.#controller.signal
  }

  /** Nothing stays behind on the caller's signal or in the timer queue. */
  release(): void {
    clearTimeout(this.#timer)
    this.#caller.removeEventListener('abort', this.#callerEnded)
  }

  #timeUp(timeoutMs: number): void {
    this.#end(new InferenceError('deadline_exceeded', `no answer from the upstream within ${timeoutMs} ms`))
  }

  readonly #callerEnded = (): void => this.#end(InferenceError.from(this.#caller.reason))

  #end(reason: InferenceError): void {
    if (this.over !== undefined) return
    this.over = reason
    this.#controller?.abort(reason)
    this.onOver?.()
  }
}
