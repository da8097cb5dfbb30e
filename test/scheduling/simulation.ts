/** Discrete events: requests of one row arrive, the policy decides, runs take `α + βb` with noise. Time in milliseconds. */
import { ArrivalRate } from '../../src/scheduling/arrival-rate.ts'
import { LatencyModel } from '../../src/scheduling/latency-model.ts'
import { batchSize, isAdmitted, isTooLate, rowsToTake, type Surroundings } from '../../src/scheduling/policy.ts'

export interface Setting {
  readonly alphaMs: number
  readonly betaMs: number
  readonly executors: number
  readonly maxRows: number
  readonly sloMs: number
}

export interface Outcome {
  /** Share of all requests answered within the SLO, in percent. */
  readonly inSlo: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly meanRows: number
}

/** Numbers in [0, 1), the same for the same seed. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }
}

/** @param perMs mean rate */
export function poisson(perMs: number, count: number, random: () => number): readonly number[] {
  const times: number[] = []
  for (let time = 0; times.length < count; times.push(time)) time -= Math.log(1 - random()) / perMs
  return times
}

/** About 200 ms of the double rate, then 300 ms of a third of it. */
export function bursty(perMs: number, count: number, random: () => number): readonly number[] {
  const times: number[] = []
  let time = 0
  let isBurst = true
  let turnsAt = 200 * (0.5 + random())
  while (times.length < count) {
    const gap = -Math.log(1 - random()) / (perMs * (isBurst ? 2 : 1 / 3))
    if (time + gap > turnsAt) {
      time = turnsAt
      isBurst = !isBurst
      turnsAt += (isBurst ? 200 : 300) * (0.5 + random())
    } else times.push((time += gap))
  }
  return times
}

/** Rows per millisecond that the setting can do at most. */
export function capacityOf({ alphaMs, betaMs, executors, maxRows }: Setting): number {
  return (executors * maxRows) / (alphaMs + betaMs * maxRows)
}

interface SimulatedRun {
  readonly startedMs: number
  readonly endsMs: number
  readonly arrivals: readonly number[]
}

const noLinger = { preferredBatchSizes: [], maxQueueDelayMs: 0 }

class Simulation {
  readonly #setting: Setting
  readonly #random: () => number
  readonly #latency: LatencyModel
  readonly #rate = new ArrivalRate()
  readonly #waiting: number[] = []
  #front = 0
  readonly #running: SimulatedRun[] = []
  readonly latencies: number[] = []
  runs = 0

  constructor(setting: Setting, random: () => number) {
    this.#setting = setting
    this.#random = random
    this.#latency = new LatencyModel(setting.maxRows)
  }

  get nextEndMs(): number {
    return this.#running.reduce((first, { endsMs }) => Math.min(first, endsMs), Infinity)
  }

  arrive(nowMs: number): void {
    this.#rate.arrive(nowMs, 1)
    const around = this.#around()
    const { executors, sloMs } = this.#setting
    const ahead = { rows: this.#waiting.length - this.#front, residualMs: this.#residualMs(nowMs) }
    const isIdle = ahead.rows === 0 && this.#running.length === 0
    const limits = { budgetMs: sloMs, batchRows: batchSize(around, sloMs) }
    if (isIdle || isAdmitted(around, ahead, 1, limits)) this.#waiting.push(nowMs)
    while (this.#running.length < executors && this.#dispatch(nowMs));
  }

  end(nowMs: number): void {
    const index = this.#running.findIndex(({ endsMs }) => endsMs === nowMs)
    const [run] = this.#running.splice(index, 1)
    if (run === undefined) return
    this.#latency.observe(run.arrivals.length, nowMs - run.startedMs)
    for (const arrivedMs of run.arrivals) this.latencies.push(nowMs - arrivedMs)
    this.#dispatch(nowMs)
  }

  #around(): Surroundings {
    const { maxRows, executors } = this.#setting
    return { latency: this.#latency, maxRows, executors, arrivalsPerMs: this.#rate.perMs / executors }
  }

  #residualMs(nowMs: number): number {
    if (this.#running.length < this.#setting.executors) return 0
    const ends = this.#running.map(({ startedMs, arrivals }) => startedMs + this.#latency.predict(arrivals.length))
    return Math.max(0, Math.min(...ends) - nowMs)
  }

  #dispatch(nowMs: number): boolean {
    const { sloMs } = this.#setting
    const batchRows = batchSize(this.#around(), sloMs)
    const limit = rowsToTake(noLinger, this.#waiting.length - this.#front, batchRows, 0)
    const arrivals: number[] = []
    while (arrivals.length < limit && this.#front < this.#waiting.length) {
      const arrivedMs = this.#waiting[this.#front] ?? 0
      const runRows = Math.min(limit, arrivals.length + this.#waiting.length - this.#front)
      this.#front += 1
      if (!isTooLate(this.#latency, runRows, nowMs, arrivedMs + sloMs)) arrivals.push(arrivedMs)
    }
    if (this.#front > 4096) this.#waiting.splice(0, this.#front)
    if (this.#front > 4096) this.#front = 0
    if (arrivals.length === 0) return false
    this.runs += 1
    this.#running.push({ startedMs: nowMs, endsMs: nowMs + this.#runMs(arrivals.length), arrivals })
    return true
  }

  #runMs(rows: number): number {
    const normal = Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random())
    const { alphaMs, betaMs } = this.#setting
    return Math.max(0.01, (alphaMs + betaMs * rows) * (1 + 0.05 * normal))
  }
}

/** Lets the policy serve all arrivals, without anything known at the start. */
export function replay(setting: Setting, arrivals: readonly number[], random: () => number): Outcome {
  const simulation = new Simulation(setting, random)
  let next = 0
  for (;;) {
    const arrivesMs = arrivals[next] ?? Infinity
    const endsMs = simulation.nextEndMs
    if (arrivesMs === Infinity && endsMs === Infinity) break
    if (endsMs <= arrivesMs) simulation.end(endsMs)
    else {
      next += 1
      simulation.arrive(arrivesMs)
    }
  }
  const sorted = Float64Array.from(simulation.latencies).sort()
  const inTime = sorted.filter((latency) => latency <= setting.sloMs).length
  return {
    inSlo: (100 * inTime) / arrivals.length,
    p50Ms: sorted[Math.floor(sorted.length / 2)] ?? NaN,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? NaN,
    meanRows: sorted.length / simulation.runs,
  }
}
