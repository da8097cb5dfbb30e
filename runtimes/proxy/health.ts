/** Looks at the upstreams of a model again and again: who is ready, and what the model looks like there. */
import { InferenceError, messageOf, type Log } from '../../src/runtime/index.ts'
import { OpenExchange } from './exchange.ts'
import type { Upstream } from './upstream.ts'
import type { Exchange, Headers } from './wire.ts'

export interface HealthOptions {
  /** The model's name, for the log. */
  readonly name: string
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly headers: Headers
  readonly log: Log
}

/** What can be looked at. */
export interface Checked {
  readonly url: string
  isReady(exchange: Exchange): Promise<boolean>
}

/** Watches until `close`. */
export class Health<W extends Checked> {
  readonly #options: HealthOptions
  readonly #upstreams: readonly Upstream<W>[]
  readonly #closing = new AbortController()
  readonly #onReady: (wire: W) => void
  #timer: NodeJS.Timeout | undefined

  /** @param onReady told of an upstream that is ready and was not before */
  constructor(upstreams: readonly Upstream<W>[], options: HealthOptions, onReady: (wire: W) => void) {
    this.#upstreams = upstreams
    this.#options = options
    this.#onReady = onReady
  }

  /** Looks at all of them at once. @returns what the last of those that fail has said */
  async look(): Promise<InferenceError | undefined> {
    const found = await Promise.all(this.#upstreams.map((upstream) => this.#lookAt(upstream)))
    return found.findLast((error) => error !== undefined)
  }

  /** Looks again after every interval. */
  watch(): void {
    if (this.#closing.signal.aborted) return
    this.#timer = setTimeout(() => void this.look().finally(() => this.watch()), this.#options.intervalMs)
    this.#timer.unref()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#closing.abort()
  }

  /** Never throws. */
  async #lookAt(upstream: Upstream<W>): Promise<InferenceError | undefined> {
    const { timeoutMs, headers, log, name } = this.#options
    const exchange = new OpenExchange({ signal: this.#closing.signal }, timeoutMs, headers)
    const { url } = upstream.wire
    const before = upstream.isReady
    let error: InferenceError | undefined
    try {
      upstream.isReady = await upstream.wire.isReady(exchange)
      if (!upstream.isReady) error = new InferenceError('unavailable', `${url} says that the model is not ready`)
    } catch (reason) {
      error = InferenceError.from(reason)
      upstream.isReady = false
    } finally {
      exchange.release()
    }
    if (this.#closing.signal.aborted) return error
    if (upstream.isReady && before !== true) this.#onReady(upstream.wire)
    if (upstream.isReady !== before && (before !== undefined || !upstream.isReady)) {
      const fields = { model: name, upstream: url, ...(error === undefined ? {} : { reason: messageOf(error) }) }
      log.warn(fields, upstream.isReady ? 'upstream is ready again' : 'upstream is not ready')
    }
    return error
  }
}
