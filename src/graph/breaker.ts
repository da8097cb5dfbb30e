/** Circuit breakers: a step that keeps failing is not called for a while. */
import type { BreakerOptions, GraphStep } from './spec.ts'

/** One step's breaker. Closed until too many calls in a row failed; then one call may try after a while. */
export class Breaker {
  readonly #options: BreakerOptions
  #failures = 0
  #opensAgainMs = -Infinity
  #isTrying = false

  constructor(options: BreakerOptions) {
    this.#options = options
  }

  /** True where a call may be made now; the caller then tells how it went. */
  admit(nowMs: number): boolean {
    if (this.#failures < this.#options.failures) return true
    if (nowMs < this.#opensAgainMs || this.#isTrying) return false
    this.#isTrying = true
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

/** The breakers of a graph, made on first use. */
export class Breakers {
  readonly #byStep = new Map<GraphStep, Breaker>()

  of(step: GraphStep): Breaker | undefined {
    const options = step.options.circuitBreaker
    if (options === undefined) return undefined
    let breaker = this.#byStep.get(step)
    if (breaker === undefined) {
      breaker = new Breaker(options)
      this.#byStep.set(step, breaker)
    }
    return breaker
  }
}
