/** What the rules of the queue come to without a server: the same policy over the same arrivals, in simulated time. */
import { ArrivalRate } from '../../src/scheduling/arrival-rate.ts'
import { LatencyModel } from '../../src/scheduling/latency-model.ts'
import { batchSize, isAdmitted, isTooLate, type Surroundings } from '../../src/scheduling/policy.ts'
import { randomFrom } from '../generator/arrivals.ts'

export interface SimulationOptions {
  /** A run of b rows takes α + βb, in milliseconds. */
  readonly alphaMs: number
  readonly betaMs: number
  /** Most rows of a run. */
  readonly maxRows: number
  readonly sloMs: number
  /** In milliseconds, ascending; one row each. */
  readonly arrivals: Float64Array
  readonly seed: number
}

/** Standard deviation of a run's time, relative to it. */
const noise = 0.05

/** @returns share of all requests that were answered within the SLO, by one executor */
export function simulate(options: SimulationOptions): number {
  const { arrivals } = options
  const executor = new Executor(options)
  for (const now of arrivals) {
    while (executor.endMs <= now) executor.end()
    executor.arrive(now)
  }
  while (executor.endMs < Infinity) executor.end()
  return executor.good / arrivals.length
}

class Executor {
  readonly #options: SimulationOptions
  readonly #latency: LatencyModel
  readonly #rate = new ArrivalRate()
  readonly #random: () => number
  #waiting: number[] = []
  #running: readonly number[] = []
  #startedMs = 0
  endMs = Infinity
  good = 0

  constructor(options: SimulationOptions) {
    this.#options = options
    this.#random = randomFrom(options.seed)
    const { alphaMs, betaMs, maxRows } = options
    const samples: { readonly rows: number; readonly ms: number }[] = [] // as the warm-up at load takes them
    for (let rows = 1; rows <= maxRows; rows *= 2) samples.push({ rows, ms: alphaMs + betaMs * rows })
    this.#latency = new LatencyModel(maxRows, samples)
  }

  arrive(now: number): void {
    const { sloMs } = this.#options
    this.#rate.arrive(now, 1)
    const around = this.#around()
    const batchRows = batchSize(around, sloMs)
    const residualMs = Math.max(0, this.#expectedEndMs() - now)
    const ahead = { rows: this.#waiting.length, residualMs }
    if (!isAdmitted(around, ahead, 1, { budgetMs: sloMs, batchRows })) return
    this.#waiting.push(now)
    if (this.endMs === Infinity) this.#dispatch(now)
  }

  end(): void {
    const now = this.endMs
    for (const arrived of this.#running) if (now - arrived <= this.#options.sloMs) this.good += 1
    this.#latency.observe(this.#running.length, now - this.#startedMs)
    this.endMs = Infinity
    this.#dispatch(now)
  }

  #dispatch(now: number): void {
    const { sloMs, alphaMs, betaMs } = this.#options
    const most = batchSize(this.#around(), sloMs)
    const rows = Math.min(most, this.#waiting.length)
    this.#waiting = this.#waiting.filter((arrived) => !isTooLate(this.#latency, rows, now, arrived + sloMs))
    if (this.#waiting.length === 0) return
    this.#running = this.#waiting.splice(0, most)
    this.#startedMs = now
    const ms = (alphaMs + betaMs * this.#running.length) * (1 + noise * this.#normal())
    this.endMs = now + Math.max(0.01, ms)
  }

  #expectedEndMs(): number {
    return this.endMs === Infinity ? 0 : this.#startedMs + this.#latency.predict(this.#running.length)
  }

  #around(): Surroundings {
    const { maxRows } = this.#options
    return { latency: this.#latency, maxRows, executors: 1, arrivalsPerMs: this.#rate.perMs }
  }

  /** Standard normal distribution (Box and Muller). */
  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random())
  }
}
