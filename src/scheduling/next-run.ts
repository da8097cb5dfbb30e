/** How many rows the next run of a lane takes, and how long it may wait for more. */
import type { SchedulingOptions } from '../core/scheduling.ts'
import type { Admission } from './admission.ts'
import { exploringRows, type Linger, rowsToTake } from './policy.ts'
import type { Waiting } from './waiting.ts'
import type { Lane } from './waiting-line.ts'

/** Runs between two that are larger than need be, to learn what larger ones cost. */
const exploreEvery = 32

export class NextRun {
  readonly #admission: Admission
  readonly #linger: Linger

  constructor(admission: Admission, { preferredBatchSizes = [], maxQueueDelayMs = 0 }: SchedulingOptions) {
    this.#admission = admission
    this.#linger = { preferredBatchSizes: [...preferredBatchSizes].sort((a, b) => a - b), maxQueueDelayMs }
  }

  /** Rows to take now; 0 where the lane waits for more. */
  rowsOf({ bucket }: Lane, first: Waiting, nowMs: number): number {
    const batchRows = this.#admission.batchRows(bucket, budgetOf(first))
    if (!bucket.isMergeable) return batchRows
    const waitingRows = Math.max(bucket.waitingRows, first.rows)
    return rowsToTake(this.#linger, waitingRows, batchRows, this.#ageOf(first, nowMs))
  }

  /** Now and then more than that, where the cost of a row is known from long ago only. */
  explored(first: Waiting, rows: number): number {
    const { bucket } = first
    const { latency, waitingRows, maxRows } = bucket
    if (latency.isSlopeTold || !latency.isKnown || !bucket.isMergeable || waitingRows <= rows) return rows
    if (latency.runs < bucket.exploredAtRun + exploreEvery) return rows
    const more = exploringRows(latency, { rows, waitingRows, maxRows, budgetMs: budgetOf(first) })
    if (more > rows) bucket.exploredAtRun = latency.runs
    return more
  }

  /** When the first of a lane waits for others no longer. */
  waitsUntil(first: Waiting): number {
    const { latency, waitingRows, maxRows } = first.bucket
    const lastMs = Math.min(first.deadline, first.sloDeadline)
    const runMs = latency.margin * latency.predict(Math.min(maxRows, waitingRows + 1))
    return Math.min(first.arrivedMs + this.#linger.maxQueueDelayMs, lastMs - runMs)
  }

  /** Whose time is over is as old as can be. */
  #ageOf(first: Waiting, nowMs: number): number {
    return this.#linger.maxQueueDelayMs === 0 || nowMs >= this.waitsUntil(first) ? Infinity : nowMs - first.arrivedMs
  }
}

function budgetOf({ deadline, sloDeadline, arrivedMs }: Waiting): number {
  return Math.min(deadline, sloDeadline) - arrivedMs
}
