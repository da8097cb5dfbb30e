/** The circuit breakers of a graph: a step that keeps failing is not called for a while. */
import { Breaker } from '../core/breaker.ts'
import type { GraphStep } from './spec.ts'

export type { Breaker } from '../core/breaker.ts'

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
