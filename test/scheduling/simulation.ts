/** Discrete events: requests of one row arrive, the policy decides, runs take `α + βb` with noise. Time in milliseconds. */
import { ArrivalRate } from '../../src/scheduling/arrival-rate.ts'
import { LatencyModel } from '../../src/scheduling/latency-model.ts'
import type { RunSample } from '../../src/scheduling/preparation-result.ts'
import { batchSize, isAdmitted, isTooLate, rowsToTake, type Surroundings } from '../../src/scheduling/policy.ts'
import { Returns } from '../../src/scheduling/returns.ts'

export interface Setting {
  readonly alphaMs: number
  readonly betaMs: number
  readonly executors: number
  readonly maxRows: number
  readonly sloMs: number
  /** Runs of these sizes were timed at load. */
  readonly seedRows?: readonly number[]
}

export interface Outcome {
  /** Share of all requests answered within the SLO, in percent. */
  readonly inSlo: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly meanRows: number
  /** Answers of those who come back, per millisecond. */
  readonly closedPerMs: number
  /** How often runs were put off. */
  readonly waits: number
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

/** Callers that come back after each answer. */
export interface ClosedLoops {
  readonly clients: number
  /** Answers of a run leave one after the other, this far apart; that of the first one, too, takes as long. */
  readonly answerMs: number
  /** Mean of what each return takes besides, drawn anew each time; 0: nothing. */
  readonly thinkMs: number
}

interface Arrival {
  readonly arrivedMs: number
  readonly isClosed: boolean
}

interface SimulatedRun {
  readonly startedMs: number
  readonly endsMs: number
  readonly arrivals: readonly Arrival[]
}

const noLinger = { preferredBatchSizes: [], maxQueueDelayMs: 0 }

class Simulation {
  readonly #setting: Setting
  readonly #random: () => number
  readonly #latency: LatencyModel
  /** Undefined: nobody is waited for. */
  readonly #returns: Returns | undefined
  readonly #rate = new ArrivalRate()
  readonly #waiting: Arrival[] = []
  #front = 0
  readonly #running: SimulatedRun[] = []
  readonly latencies: number[] = []
  closedRows = 0
  runs = 0
  /** Runs that were begun later than they could. */
  waits = 0
  /** When the wait for returns is over. */
  wakesMs = Infinity

  constructor(setting: Setting, random: () => number, waitsForReturns: boolean) {
    this.#setting = setting
    this.#random = random
    const { alphaMs, betaMs, maxRows, seedRows = [] } = setting
    const samples = seedRows.map((rows): RunSample => ({ rows, ms: alphaMs + betaMs * rows }))
    this.#latency = new LatencyModel(maxRows, samples)
    this.#returns = waitsForReturns ? new Returns(this.#latency) : undefined
  }

  get nextEndMs(): number {
    return this.#running.reduce((first, { endsMs }) => Math.min(first, endsMs), Infinity)
  }

  arrive(nowMs: number, isClosed: boolean): void {
    this.#rate.arrive(nowMs, 1)
    const around = this.#around()
    const { sloMs } = this.#setting
    const ahead = { rows: this.#waiting.length - this.#front, residualMs: this.#residualMs(nowMs) }
    const isIdle = ahead.rows === 0 && this.#running.length === 0
    const limits = { budgetMs: sloMs, batchRows: batchSize(around, sloMs) }
    this.#returns?.arrive(nowMs, 1)
    if (isIdle || isAdmitted(around, ahead, 1, limits)) this.#waiting.push({ arrivedMs: nowMs, isClosed })
    this.turn(nowMs)
  }

  /** @returns how many of its callers come back */
  end(nowMs: number): number {
    const index = this.#running.findIndex(({ endsMs }) => endsMs === nowMs)
    const [run] = this.#running.splice(index, 1)
    if (run === undefined) return 0
    const { arrivals, startedMs } = run
    this.#latency.observe(arrivals.length, nowMs - startedMs)
    this.#returns?.end(nowMs, arrivals.length, nowMs - startedMs, this.#setting.executors)
    for (const { arrivedMs } of arrivals) this.latencies.push(nowMs - arrivedMs)
    const closed = arrivals.filter(({ isClosed }) => isClosed).length
    this.closedRows += closed
    this.turn(nowMs)
    return closed
  }

  turn(nowMs: number): void {
    while (this.#running.length < this.#setting.executors && this.#dispatch(nowMs));
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
    const waiting = this.#waiting.length - this.#front
    if (this.#isWaiting(nowMs, waiting, batchRows)) return false
    const limit = rowsToTake(noLinger, waiting, batchRows, 0)
    const arrivals: Arrival[] = []
    while (arrivals.length < limit && this.#front < this.#waiting.length) {
      const arrival = this.#waiting[this.#front]
      const runRows = Math.min(limit, arrivals.length + this.#waiting.length - this.#front)
      this.#front += 1
      if (arrival === undefined) continue
      if (!isTooLate(this.#latency, runRows, nowMs, arrival.arrivedMs + sloMs)) arrivals.push(arrival)
    }
    if (this.#front > 4096) this.#waiting.splice(0, this.#front)
    if (this.#front > 4096) this.#front = 0
    if (arrivals.length === 0) return false
    this.runs += 1
    this.#running.push({ startedMs: nowMs, endsMs: nowMs + this.#runMs(arrivals.length), arrivals })
    return true
  }

  #isWaiting(nowMs: number, rows: number, batchRows: number): boolean {
    this.wakesMs = Infinity
    if (this.#returns === undefined || rows === 0) return false
    const untilMs = this.#returns.waitsUntil(nowMs, {
      waitingRows: rows,
      batchRows,
      runningRows: this.#running.reduce((sum, { arrivals }) => sum + arrivals.length, 0),
      executors: this.#setting.executors,
      lastMs: Infinity,
    })
    if (untilMs <= nowMs) return false
    // as timers are
    this.wakesMs = Math.max(untilMs, nowMs + 1)
    this.waits += 1
    return true
  }

  #runMs(rows: number): number {
    const { alphaMs, betaMs } = this.#setting
    return Math.max(0.01, (alphaMs + betaMs * rows) * (1 + 0.05 * normal(this.#random)))
  }
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** Callers that come back, and when each of them does. */
class Loops {
  readonly #loops: ClosedLoops
  readonly #random: () => number
  /** In ascending order. */
  readonly #times: number[] = []

  constructor(loops: ClosedLoops, random: () => number) {
    this.#loops = loops
    this.#random = random
    this.come(0, loops.clients)
  }

  get nextMs(): number {
    return this.#times[0] ?? Infinity
  }

  take(): void {
    this.#times.shift()
  }

  come(nowMs: number, count: number): void {
    const { answerMs, thinkMs } = this.#loops
    for (let index = 1; index <= count; index += 1) {
      const think = thinkMs === 0 ? 0 : -Math.log(1 - this.#random()) * thinkMs
      this.#times.push(nowMs + index * answerMs + think)
    }
    this.#times.sort((a, b) => a - b)
  }
}

export interface Traffic {
  readonly arrivals?: readonly number[]
  readonly loops?: ClosedLoops
  /** Milliseconds after which nobody comes back; only with `loops`. */
  readonly forMs?: number
  /** False: runs begin at once whoever may come back. */
  readonly waitsForReturns?: boolean
}

/** Lets the policy serve all arrivals, without anything known at the start. */
export function replay(setting: Setting, arrivals: readonly number[], random: () => number): Outcome {
  return simulate(setting, { arrivals }, random)
}

/** Serves requests that come at their times, and callers that come back. */
export function simulate(setting: Setting, traffic: Traffic, random: () => number): Outcome {
  const { arrivals = [], loops = { clients: 0, answerMs: 0, thinkMs: 0 }, forMs = 0, waitsForReturns = true } = traffic
  const simulation = new Simulation(setting, random, waitsForReturns)
  const closed = new Loops(loops, random)
  let next = 0
  let count = 0
  for (;;) {
    const arrivesMs = arrivals[next] ?? Infinity
    const endsMs = simulation.nextEndMs
    const nowMs = Math.min(arrivesMs, endsMs, closed.nextMs, simulation.wakesMs)
    if (nowMs === Infinity) break
    if (nowMs === endsMs) {
      const back = simulation.end(nowMs)
      if (nowMs < forMs) closed.come(nowMs, back)
    } else if (nowMs === simulation.wakesMs) simulation.turn(nowMs)
    else {
      const isOpen = nowMs === arrivesMs
      if (isOpen) next += 1
      else closed.take()
      count += 1
      simulation.arrive(nowMs, !isOpen)
    }
  }
  return outcomeOf(simulation, setting, count, forMs)
}

function outcomeOf(simulation: Simulation, { sloMs }: Setting, count: number, forMs: number): Outcome {
  const sorted = Float64Array.from(simulation.latencies).sort()
  const inTime = sorted.filter((latency) => latency <= sloMs).length
  return {
    inSlo: (100 * inTime) / count,
    p50Ms: sorted[Math.floor(sorted.length / 2)] ?? NaN,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? NaN,
    meanRows: sorted.length / simulation.runs,
    closedPerMs: forMs === 0 ? 0 : simulation.closedRows / forMs,
    waits: simulation.waits,
  }
}
