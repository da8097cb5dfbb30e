/** Several upstreams of one model: the least loaded one that works is asked; what has not run is asked of another. */
import { InferenceError, type BreakerOptions, type RequestContext } from '../../src/runtime/index.ts'
import { UpstreamError } from './errors.ts'
import { OpenExchange } from './exchange.ts'
import { Upstream } from './upstream.ts'
import type { Exchange, Headers } from './wire.ts'

export interface PoolOptions {
  /** The model's name, for messages. */
  readonly name: string
  /** Of one request with all its attempts. */
  readonly timeoutMs: number
  /** Further attempts of a request that has not run. */
  readonly retries: number
  /** Also what may have run is sent again. */
  readonly isSentRetried: boolean
  /** Requests under way at once. */
  readonly maxInFlight: number
  readonly breaker: BreakerOptions
  /** What goes along with a request of this caller. */
  readonly headersFor: (context: RequestContext) => Headers
  /** Milliseconds, never going back; `performance.now` where absent. */
  readonly now?: () => number
}

/** What is asked of an upstream: at least an address for messages. */
export interface Asked {
  readonly url: string
  close(): void
}

/** What came back, with the headers beside it. */
export interface WithHeaders {
  readonly headers: Headers
}

/** A timer of the caller's deadline may fire a little later than the one that an upstream was told. */
const slackMs = 5

/** The caller is gone, or its own time is up: no upstream is to blame. */
function isGivenUp({ signal, deadline = Infinity }: RequestContext): boolean {
  return signal.aborted || performance.now() > deadline - slackMs
}

const nobody: ReadonlySet<never> = new Set()

export class Pool<W extends Asked> {
  readonly upstreams: readonly Upstream<W>[]
  readonly #options: PoolOptions
  #inFlight = 0
  #turn = 0

  constructor(wires: readonly W[], options: PoolOptions) {
    this.#options = options
    const now = options.now ?? (() => performance.now())
    this.upstreams = wires.map((wire) => new Upstream(wire, options.breaker, now))
  }

  /** False where the last look found none that takes requests. */
  get isReady(): boolean {
    return this.upstreams.some(({ isReady }) => isReady !== false)
  }

  /**
   * Asks one upstream, and others where the request has not run.
   *
   * @throws InferenceError `resource_exhausted` where too many are under way, `unavailable` where no upstream may be asked, else
   *   what the last attempt threw
   */
  async run<T extends WithHeaders>(
    context: RequestContext,
    ask: (wire: W, exchange: Exchange) => Promise<T>,
  ): Promise<T> {
    const exchange = this.#open(context)
    let tried: Set<Upstream<W>> | undefined
    try {
      for (let upstream = this.#choose(); ;) {
        upstream.begin()
        try {
          const answer = await ask(upstream.wire, exchange)
          upstream.succeeded(answer.headers)
          return answer
        } catch (reason) {
          const next = this.#next(upstream, (tried ??= new Set()), reason, context, exchange)
          if (next === undefined) throw reason
          upstream = next
        }
      }
    } finally {
      this.#close(exchange)
    }
  }

  /** The same of a call that answers many times: another upstream is asked before the first answer only. */
  async *stream<T extends WithHeaders>(
    context: RequestContext,
    ask: (wire: W, exchange: Exchange) => AsyncGenerator<T, void>,
  ): AsyncGenerator<T, void> {
    const exchange = this.#open(context)
    const tried = new Set<Upstream<W>>()
    let upstream = this.#choose()
    let hasEnded = true
    try {
      for (;;) {
        upstream.begin()
        hasEnded = false
        let isFirst = true
        let headers: Headers = {}
        try {
          for await (const answer of ask(upstream.wire, exchange)) {
            isFirst = false
            headers = answer.headers
            yield answer
          }
          hasEnded = true
          upstream.succeeded(headers)
          return
        } catch (reason) {
          hasEnded = true
          const next = this.#next(upstream, tried, reason, context, exchange)
          if (next === undefined || !isFirst) throw reason
          upstream = next
        }
      }
    } finally {
      if (!hasEnded) upstream.withdrawn() // the caller has read enough
      this.#close(exchange)
    }
  }

  close(): void {
    for (const { wire } of this.upstreams) wire.close()
  }

  #open(context: RequestContext): OpenExchange {
    const { maxInFlight, name, timeoutMs, headersFor } = this.#options
    if (this.#inFlight >= maxInFlight) {
      const message = `model '${name}': ${maxInFlight} requests are under way at its upstreams, as many as may be`
      throw new InferenceError('resource_exhausted', message, { retryAfterMs: 1000 })
    }
    const exchange = new OpenExchange(context, timeoutMs, headersFor(context))
    this.#inFlight += 1
    return exchange
  }

  #close(exchange: OpenExchange): void {
    exchange.release()
    this.#inFlight -= 1
  }

  /** Tells how an attempt failed. @returns whom to ask next, if anybody */
  #next(
    upstream: Upstream<W>,
    tried: Set<Upstream<W>>,
    reason: unknown,
    context: RequestContext,
    { over }: OpenExchange,
  ): Upstream<W> | undefined {
    if (isGivenUp(context)) {
      upstream.withdrawn()
      return undefined
    }
    // What is no UpstreamError is the end of the time that an upstream has, or a mistake found before anything was sent.
    upstream.failed(reason instanceof UpstreamError ? reason.isFault : over !== undefined)
    tried.add(upstream)
    const { retries, isSentRetried } = this.#options
    const mayAgain = reason instanceof UpstreamError && (!reason.mayHaveRun || (isSentRetried && reason.isFault))
    return mayAgain && tried.size <= retries && over === undefined ? this.#best(tried) : undefined
  }

  #choose(): Upstream<W> {
    const [only] = this.upstreams
    if (this.upstreams.length === 1 && only?.mayBeAsked === true) return only
    const best = this.#best(nobody)
    if (best !== undefined) return best
    const message = `model '${this.#options.name}': every upstream has failed of late and is not asked for a while`
    throw new InferenceError('unavailable', message, { retryAfterMs: this.#options.breaker.openMs })
  }

  /** The least loaded of those that are ready; where none is, of all: a look at them may be out of date. */
  #best(tried: ReadonlySet<Upstream<W>>): Upstream<W> | undefined {
    const open = this.upstreams.filter((each) => !tried.has(each) && each.mayBeAsked)
    const ready = open.filter(({ isReady }) => isReady !== false)
    const among = ready.length > 0 ? ready : open
    this.#turn += 1
    let best: Upstream<W> | undefined
    for (let offset = 0; offset < among.length; offset += 1) {
      const each = among[(this.#turn + offset) % among.length]
      if (each !== undefined && (best === undefined || each.load < best.load)) best = each
    }
    return best
  }
}
