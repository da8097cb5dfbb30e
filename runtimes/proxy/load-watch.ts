/** Asks upstreams again and again how many requests they have, so that the least loaded one can be chosen. */
import { OpenExchange } from './exchange.ts'
import type { Upstream } from './upstream.ts'
import type { Exchange, Headers } from './wire.ts'

/** Often enough for texts, which take seconds, and rare beside them. */
const intervalMs = 2_000
/** A server that takes longer to say how busy it is, is told apart by its answers. */
const timeoutMs = 1_000

/** What may tell how many requests it has. */
export interface Loaded {
  readonly url: string
  requests?(exchange: Exchange): Promise<number | undefined>
}

/** Watches until `close`. What cannot be had is not known: nothing here fails a request. */
export class LoadWatch<W extends Loaded> {
  readonly #upstreams: readonly Upstream<W>[]
  readonly #headers: Headers
  readonly #closing = new AbortController()
  #timer: NodeJS.Timeout | undefined

  /** @param headers of every question */
  constructor(upstreams: readonly Upstream<W>[], headers: Headers) {
    // With one alone there is nothing to choose.
    this.#upstreams = upstreams.length > 1 ? upstreams.filter(({ wire }) => wire.requests !== undefined) : []
    this.#headers = headers
  }

  /** Asks all of them at once, in bounded time. Never throws. */
  async look(): Promise<void> {
    await Promise.all(this.#upstreams.map((upstream) => this.#lookAt(upstream)))
  }

  /** Asks now, and again after every interval. */
  async watch(): Promise<void> {
    if (this.#upstreams.length === 0) return
    await this.look()
    if (this.#closing.signal.aborted) return
    this.#timer = setTimeout(() => void this.watch(), intervalMs)
    this.#timer.unref()
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#closing.abort()
  }

  async #lookAt(upstream: Upstream<W>): Promise<void> {
    if (upstream.isReady === false || this.#closing.signal.aborted) return
    const exchange = new OpenExchange({ signal: this.#closing.signal }, timeoutMs, this.#headers)
    try {
      const requests = await upstream.wire.requests?.(exchange)
      if (requests !== undefined) upstream.has(requests)
    } catch {
      // Whether it works at all is looked at elsewhere; what it said last is forgotten in time.
    } finally {
      exchange.release()
    }
  }
}
