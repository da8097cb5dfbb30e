/** How many rows the next run of a lane takes, and how long it may wait for more. */
import type { SchedulingOptions } from '../core/scheduling.ts'
import type { Admission } from './admission.ts'
import { exploringRows, type Linger, rowsToTake } from './policy.ts'
import type { Running } from './running.ts'
import type { Waiting } from './waiting.ts'
import type { Lane } from './waiting-line.ts'

/** Runs between two that are larger than need be, to learn what larger ones cost. */
const exploreEvery = 32

export class NextRun {
  readonly #admission: Admission
  readonly #running: Running
  readonly #linger: Linger
  readonly #isLingering: boolean

  constructor(
    admission: Admission,
    running: Running,
    { preferredBatchSizes = [], maxQueueDelayMs = 0 }: SchedulingOptions,
  ) {
    this.#admission = admission
    this.#running = running
    this.#linger = { preferredBatchSizes: [...preferredBatchSizes].sort((a, b) => a - b), maxQueueDelayMs }
    this.#isLingering = maxQueueDelayMs > 0 || preferredBatchSizes.length > 0
  }

  /**
   * True where the next run of a lane begins now: it is not to wait for more, nor for callers on their way back.
   *
   * @param lastMs when the first of all who wait runs out of time
   */
  isReady(lane: Lane, first: Waiting, nowMs: number, lastMs: number): boolean {
    const { bucket } = lane
    if (this.rowsOf(lane, first, nowMs) === 0) return false
    if (this.#isLingering || !bucket.isMergeable) return true
    const batchRows = this.#admission.batchRows(bucket, budgetOf(first))
    const { rows: runningRows, executors } = this.#running
    return (
      bucket.returns.waitsUntil(nowMs, {
        waitingRows: bucket.waitingRows,
        batchRows,
        runningRows,
        executors,
        lastMs: Math.min(first.sloDeadline, lastMs),
      }) <= nowMs
    )
  }

  /** True where the next run of a lane would not be larger later on. */
  isFull(lane: Lane, first: Waiting, nowMs: number): boolean {
    const { bucket } = lane
    return (
      !bucket.isMergeable ||
      (bucket.waitingRows >= this.#admission.batchRows(bucket, budgetOf(first)) && this.rowsOf(lane, first, nowMs) > 0)
    )
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
    if (!this.#isLingering) return first.bucket.returns.untilMs
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
