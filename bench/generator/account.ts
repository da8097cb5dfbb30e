/** Keeps the account of a run: every request that was due ends in it exactly once. */
import { Histogram } from './histogram.ts'

/** How a request ended: the HTTP status, `grpc n`, or why there was none. */
export type Outcome = string

/** What a run came to. All times in milliseconds. */
export interface Generated {
  /** Requests that were due: sent or not. */
  readonly requests: number
  /** How they ended; the numbers add up to `requests`. */
  readonly outcomes: Readonly<Record<Outcome, number>>
  readonly ok: number
  /** Answered well within the SLO; the same as `ok` where there is none. */
  readonly good: number
  /** Seconds that requests were due in. */
  readonly seconds: number
  /** Answered well while requests were due, per second. */
  readonly perSecond: number
  /** Of good and late answers, from the time that each was due. */
  readonly p50Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly longestMs: number
  /** From due to sent, where a connection was free: what the generator itself added. */
  readonly latenessP99Ms: number
  /** Requests that found all connections taken. Their wait is in their latency. */
  readonly starved: number
  /** From the last request that was due to the last answer: how long the server takes to be empty. */
  readonly drainMs: number
  /** Share of one core that the generator took. */
  readonly cpuShare: number
  /** Why the figures say more about the generator than about the server. */
  readonly invalid?: string
}

export interface AccountOptions {
  /** Answers that take longer are no good ones. */
  readonly sloMs?: number
  /** The outcome of a good answer. */
  readonly good: Outcome
}

/** Lateness that does not change what is measured: of the SLO, or where there is none. */
const lateShare = 0.1
const lateMs = 5
/** A generator that takes more of its core has no room left for peaks. */
const mostCpu = 0.95

export class Account {
  readonly #options: AccountOptions
  readonly #latency = new Histogram()
  readonly #lateness = new Histogram()
  readonly #outcomes = new Map<Outcome, number>()
  readonly #cpu = process.cpuUsage()
  readonly #started = performance.now()
  #requests = 0
  #ended = 0
  #ok = 0
  #good = 0
  #inTime = 0
  #starved = 0
  #lastDue = 0
  #lastEnd = 0

  constructor(options: AccountOptions) {
    this.#options = options
  }

  /** Requests that were due and have not ended. */
  get running(): number {
    return this.#requests - this.#ended
  }

  /** @param due by the clock of `performance.now()`, as all times here */
  due(due: number): void {
    this.#requests += 1
    if (due > this.#lastDue) this.#lastDue = due
  }

  /** It was sent on a connection that was free when it was due. */
  sent(due: number, now: number): void {
    this.#lateness.record(now - due)
  }

  /** It found no connection and waits for one. */
  starved(): void {
    this.#starved += 1
  }

  /** @param isWithin it ended while others were still due */
  ended(due: number, now: number, outcome: Outcome, isWithin: boolean): void {
    this.#ended += 1
    this.#lastEnd = now
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1)
    if (outcome !== this.#options.good) return
    this.#ok += 1
    if (isWithin) this.#inTime += 1
    this.#latency.record(now - due)
    if (now - due <= (this.#options.sloMs ?? Infinity)) this.#good += 1
  }

  /** @param seconds that requests were due in */
  close(seconds: number): Generated {
    const unanswered = this.running
    if (unanswered > 0) this.#outcomes.set('unanswered', unanswered)
    const { user, system } = process.cpuUsage(this.#cpu)
    const cpuShare = (user + system) / 1000 / (performance.now() - this.#started)
    const latenessP99Ms = this.#lateness.count === 0 ? 0 : this.#lateness.percentile(0.99)
    const invalid = this.#fault(latenessP99Ms, cpuShare)
    return {
      requests: this.#requests,
      outcomes: Object.fromEntries(this.#outcomes),
      ok: this.#ok,
      good: this.#good,
      seconds,
      perSecond: this.#inTime / seconds,
      p50Ms: this.#latency.percentile(0.5),
      p99Ms: this.#latency.percentile(0.99),
      p999Ms: this.#latency.percentile(0.999),
      longestMs: this.#latency.longest,
      latenessP99Ms,
      starved: this.#starved,
      drainMs: Math.max(0, this.#lastEnd - this.#lastDue),
      cpuShare,
      ...(invalid === undefined ? {} : { invalid }),
    }
  }

  #fault(latenessMs: number, cpuShare: number): string | undefined {
    const { sloMs } = this.#options
    const most = sloMs === undefined ? lateMs : Math.max(2, sloMs * lateShare)
    if (latenessMs > most) {
      return `the generator was late: by ${latenessMs.toFixed(1)} ms for one request of a hundred, ${most.toFixed(1)} ms may be`
    }
    if (cpuShare > mostCpu) return `the generator took ${(cpuShare * 100).toFixed(0)} % of its core`
    return undefined
  }
}
