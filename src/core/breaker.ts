/** A circuit breaker: what keeps failing is not called for a while. Pure; the clock is passed in. */

export interface BreakerOptions {
  /** Failures in a row after which it opens. */
  readonly failures: number
  /** How long it stays open, in milliseconds. */
  readonly openMs: number
}

/** Closed until too many calls in a row failed; then one call may try after a while. */
export class Breaker {
  readonly #options: BreakerOptions
  #failures = 0
  #opensAgainMs = -Infinity
  #isTrying = false

  constructor(options: BreakerOptions) {
    this.#options = options
  }

  /** True where {@link admit} would say so. */
  wouldAdmit(nowMs: number): boolean {
    return this.#failures < this.#options.failures || (nowMs >= this.#opensAgainMs && !this.#isTrying)
  }

  /** True where a call may be made now; the caller then tells how it went. */
  admit(nowMs: number): boolean {
    if (!this.wouldAdmit(nowMs)) return false
    if (this.#failures >= this.#options.failures) this.#isTrying = true
    return true
  }

  report(isFailure: boolean, nowMs: number): void {
    this.#isTrying = false
    this.#failures = isFailure ? this.#failures + 1 : 0
    if (this.#failures >= this.#options.failures) this.#opensAgainMs = nowMs + this.#options.openMs
  }

  /** The call was given up before it had an outcome. */
  withdraw(): void {
    this.#isTrying = false
  }
}
