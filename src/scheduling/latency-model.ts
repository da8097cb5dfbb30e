/** How long a run of so many rows takes: a line that is learned from the runs, and means where a size is common. */
import type { RunSample } from './preparation-result.ts'

/** Weight of a run after each later one: the last few hundred count. */
const decay = 0.995
/** Runs of one size after which its own mean is better than the line. */
const ownRuns = 20
/** Runs that an own mean remembers. */
const ownMemory = 64
/** An own mean that was not renewed for so many runs is old: the machine may have changed. */
const ownMaxAge = 2000
/** Runs before a line without samples from load is believed. */
const leastRuns = 9
/** Standard deviations that the margin covers. */
const deviations = 2
const leastMargin = 1.05
const mostMargin = 1.5
/** Runs over which a new speed of the machine shows: it is taken to change all sizes alike. */
const levelRuns = 20
/** A stall of the machine counts as no more than so many times the prediction; a model that became slow is learned in steps. */
const mostSurprise = 4
/** The slope is believed where its standard error is below this part of a mean run per mean number of rows. */
const slopeError = 0.05

/**
 * Exponentially weighted least squares of the run time on the rows, `L(b) = α + βb`, both at least 0.
 *
 * Where runs are of one size their line cannot be told: what is known of other sizes then keeps its ratio to them. So an hour
 * of single requests, or a machine that became slower meanwhile, does not make the scheduler forget that batches pay.
 */
export class LatencyModel {
  #weight = 0
  #rows = 0
  #rowsSquared = 0
  #ms = 0
  #rowsMs = 0
  #runs = 0
  #isSlopeTold = false
  #isSeeded = false
  #ratio: number | undefined
  #alphaMs = 0
  #betaMs = 0
  /** Of the relative residuals; 5 % until they are known. */
  #variance = 0.05 ** 2
  readonly #own: OwnMeans

  /**
   * @param maxRows largest run that has a mean of its own
   * @param samples runs at load, which the line starts from
   */
  constructor(maxRows: number, samples: readonly RunSample[] = []) {
    this.#own = new OwnMeans(maxRows)
    for (const { rows, ms } of samples) this.#add(rows, ms)
    const first = samples[0]
    this.#isSeeded = first !== undefined && samples.some(({ rows }) => rows !== first.rows)
    if (first !== undefined) this.#fit()
  }

  /** False while predictions are guesses. */
  get isKnown(): boolean {
    return this.#isSeeded || this.#runs >= leastRuns
  }

  /** Runs that were observed. */
  get runs(): number {
    return this.#runs
  }

  /** False where the last runs were so alike in size that the cost of a row stays as it was. */
  get isSlopeTold(): boolean {
    return this.#isSlopeTold
  }

  /** Milliseconds of a run besides its rows. */
  get alphaMs(): number {
    return this.#alphaMs
  }

  /** Milliseconds of each row. */
  get betaMs(): number {
    return this.#betaMs
  }

  /** α/β in rows, Infinity where rows cost nothing; undefined while runs of one size are all there is. */
  get ratio(): number | undefined {
    return this.#ratio
  }

  /** Factor on predictions that covers their usual error, 1.05–1.5. */
  get margin(): number {
    return Math.min(mostMargin, Math.max(leastMargin, 1 + deviations * Math.sqrt(this.#variance)))
  }

  /** Expected milliseconds of a run; 0 before the first. */
  predict(rows: number): number {
    return this.#own.of(rows, this.#runs) ?? this.#alphaMs + this.#betaMs * rows
  }

  /** Learns from a run that ended well. */
  observe(rows: number, ms: number): void {
    const predicted = this.predict(rows)
    const isKnown = this.#runs >= leastRuns && predicted > 0
    const bounded = isKnown ? Math.min(ms, predicted * mostSurprise) : ms
    if (isKnown) {
      const residual = Math.max(-1, Math.min(1, bounded / predicted - 1))
      this.#variance = decay * this.#variance + (1 - decay) * residual * residual
    }
    this.#runs += 1
    this.#scale(rows, bounded)
    this.#add(rows, bounded)
    this.#fit()
    this.#own.add(rows, bounded, this.#runs)
  }

  /** What was seen before becomes as fast or slow as what is seen now first of all those at load. */
  #scale(rows: number, ms: number): void {
    const predicted = this.#alphaMs + this.#betaMs * rows
    if (this.#ratio === undefined || predicted <= 0 || ms <= 0) return
    const factor = (ms / predicted) ** Math.max(1 / levelRuns, 1 / (this.#runs + 1))
    this.#ms *= factor
    this.#rowsMs *= factor
  }

  #add(rows: number, ms: number): void {
    this.#weight = decay * this.#weight + 1
    this.#rows = decay * this.#rows + rows
    this.#rowsSquared = decay * this.#rowsSquared + rows * rows
    this.#ms = decay * this.#ms + ms
    this.#rowsMs = decay * this.#rowsMs + rows * ms
  }

  #fit(): void {
    const meanRows = this.#rows / this.#weight
    const meanMs = this.#ms / this.#weight
    const spread = this.#rowsSquared / this.#weight - meanRows * meanRows
    this.#isSlopeTold = this.#tellsSlope(spread, meanRows)
    if (this.#isSlopeTold) {
      const covariance = this.#rowsMs / this.#weight - meanRows * meanMs
      this.#betaMs = Math.max(0, covariance / spread)
      this.#alphaMs = Math.max(0, meanMs - this.#betaMs * meanRows)
      this.#ratio = this.#betaMs === 0 ? Infinity : this.#alphaMs / this.#betaMs
    } else if (this.#ratio === Infinity) {
      this.#betaMs = 0
      this.#alphaMs = meanMs
    } else {
      this.#betaMs = meanMs / ((this.#ratio ?? 0) + meanRows)
      this.#alphaMs = (this.#ratio ?? 0) * this.#betaMs
    }
  }

  /** @param spread variance of the rows */
  #tellsSlope(spread: number, meanRows: number): boolean {
    const relative = (this.#weight * spread) / (meanRows * meanRows)
    const needed = this.#ratio === undefined ? 1e-3 : this.#variance / slopeError ** 2
    return relative > Math.max(1e-3, needed)
  }
}

/** Mean run times by size. */
class OwnMeans {
  readonly #counts: Float64Array
  readonly #means: Float64Array
  /** Number of the last run of each size. */
  readonly #last: Float64Array

  constructor(maxRows: number) {
    this.#counts = new Float64Array(maxRows + 1)
    this.#means = new Float64Array(maxRows + 1)
    this.#last = new Float64Array(maxRows + 1)
  }

  add(rows: number, ms: number, run: number): void {
    const count = this.#counts[rows]
    if (count === undefined) return
    this.#counts[rows] = count + 1
    const mean = this.#means[rows] ?? 0
    this.#means[rows] = mean + (ms - mean) / Math.min(count + 1, ownMemory)
    this.#last[rows] = run
  }

  of(rows: number, run: number): number | undefined {
    const count = this.#counts[rows]
    if (count === undefined || count < ownRuns || run - (this.#last[rows] ?? 0) > ownMaxAge) return undefined
    return this.#means[rows]
  }
}
