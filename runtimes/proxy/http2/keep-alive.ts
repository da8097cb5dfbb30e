/** Finds out that the server of a connection is gone without a word: a ping while calls wait and nothing is heard. */

/** Nothing is heard for so long: a ping asks. */
const silenceMs = 30_000
/** Servers of gRPC close connections that ping more often without any data in between. */
const pauseMs = 310_000
/** The answer to a ping takes no longer. */
const answerMs = 20_000
const lookEveryMs = 10_000

export interface KeepAliveEvents {
  /** True while calls wait for answers. */
  isBusy(): boolean
  ping(): void
  dead(why: string): void
}

export class KeepAlive {
  readonly #timer: NodeJS.Timeout
  readonly #events: KeepAliveEvents
  readonly #now: () => number
  /** When anything came. */
  heardAt: number
  /** When the connection went from idle to busy, or something came after that. */
  #quietSince: number
  #pingedAt = -Infinity

  /** @param now milliseconds, never going back */
  constructor(events: KeepAliveEvents, now: () => number = () => performance.now()) {
    this.#events = events
    this.#now = now
    this.heardAt = this.#quietSince = now()
    this.#timer = setInterval(() => this.look(), lookEveryMs)
    this.#timer.unref()
  }

  heard(): void {
    this.heardAt = this.#quietSince = this.#now()
  }

  /** A call began where none was: silence before it says nothing. */
  began(): void {
    this.#quietSince = this.#now()
  }

  /** Pings where it is time, and tells where no answer came. */
  look(): void {
    const now = this.#now()
    if (this.#isAwaited && this.#events.isBusy()) {
      if (now - this.#pingedAt > answerMs) this.#events.dead(`nothing was heard for ${silenceMs} ms, nor after a ping`)
    } else if (this.#events.isBusy() && now - this.#quietSince > silenceMs && now - this.#pingedAt > pauseMs) {
      this.#pingedAt = now
      this.#events.ping()
    }
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** A ping is out, and nothing came since. */
  get #isAwaited(): boolean {
    return this.#pingedAt > this.heardAt
  }
}
