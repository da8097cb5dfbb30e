/** What is known of one upstream: whether it is ready, how busy it is, and whether it keeps failing. */
import { Breaker, type BreakerOptions } from '../../src/runtime/index.ts'
import { loadHeader, waitingRequests } from './load-report.ts'
import type { Headers } from './wire.ts'

/** A report of load says nothing any more after so long. */
const reportLastsMs = 10_000

export class Upstream<W extends { readonly url: string }> {
  readonly wire: W
  readonly #breaker: Breaker
  readonly #now: () => number
  #inFlight = 0
  #waiting = 0
  #reportedAt = -Infinity
  /** Requests of others there, when it was asked last. */
  #others = 0
  #askedAt = -Infinity
  /** As the last look at it found; nobody has looked yet where undefined. */
  isReady: boolean | undefined

  /** @param now milliseconds, never going back */
  constructor(wire: W, breaker: BreakerOptions, now: () => number) {
    this.wire = wire
    this.#breaker = new Breaker(breaker)
    this.#now = now
  }

  /** Requests under way from here, and those of others that it says it has, or that wait there. */
  get load(): number {
    const now = this.#now()
    if (now - this.#askedAt < reportLastsMs) return this.#inFlight + this.#others
    const isFresh = now - this.#reportedAt < reportLastsMs
    return this.#inFlight + (isFresh ? this.#waiting : 0)
  }

  get mayBeAsked(): boolean {
    return this.#breaker.wouldAdmit(this.#now())
  }

  /** Called once {@link mayBeAsked} has said yes; each begin is followed by one of the three ends. */
  begin(): void {
    this.#breaker.admit(this.#now())
    this.#inFlight += 1
  }

  succeeded(headers: Headers): void {
    this.#end(false)
    this.isReady = true
    const waiting = waitingRequests(headers[loadHeader])
    if (waiting === undefined) return
    this.#waiting = waiting
    this.#reportedAt = this.#now()
  }

  /** It has so many requests, those from here among them. */
  has(requests: number): void {
    this.#others = Math.max(0, requests - this.#inFlight)
    this.#askedAt = this.#now()
  }

  /** @param isFault of the server, not of the request */
  failed(isFault: boolean): void {
    this.#end(isFault)
  }

  /** The caller went away before there was an outcome. */
  withdrawn(): void {
    this.#inFlight -= 1
    this.#breaker.withdraw()
  }

  #end(isFault: boolean): void {
    this.#inFlight -= 1
    this.#breaker.report(isFault, this.#now())
  }
}
