/** What to run now, whom to let in, whom to drop: the rules of batching, without clock and queue. */
import type { LatencyModel } from './latency-model.ts'

/** Of the best throughput that a run could have, the part that the efficient batch reaches. */
const efficiency = 0.95
/** Rows of a run while nothing is known of longer ones. */
const trialRows = 8
/** Full runs that may wait where nothing is known of their time, each of at least so many rows. */
const trialRuns = 4
const trialRunRows = 32

/** Least rows of a run that is larger than need be. */
const exploringLeast = 4

/** What surrounds a decision. */
export interface Surroundings {
  readonly latency: LatencyModel
  /** Most rows of one run (B). */
  readonly maxRows: number
  /** Runs that may go on at once (K). */
  readonly executors: number
  /** Rows that arrive in a millisecond, per executor (λ). */
  readonly arrivalsPerMs: number
}

/** Rows that reach 95 % of the best throughput: `⌈19·α/β⌉`, within 1 and B. */
export function efficientBatch(latency: LatencyModel, maxRows: number): number {
  const { ratio } = latency
  if (!latency.isKnown || ratio === undefined) return Math.min(trialRows, maxRows)
  return Math.max(1, Math.min(maxRows, Math.ceil((efficiency / (1 - efficiency)) * ratio - 1e-9)))
}

/**
 * Rows that a run takes at most now (b*).
 *
 * @param budgetMs time from arrival to answer that requests have; Infinity where there is no limit
 */
export function batchSize({ latency, maxRows, arrivalsPerMs }: Surroundings, budgetMs: number): number {
  const efficient = efficientBatch(latency, maxRows)
  const { alphaMs, betaMs, margin, isKnown, ratio } = latency
  if (budgetMs === Infinity || !isKnown || ratio === undefined || betaMs === 0) return efficient
  const half = Math.floor((budgetMs / 2 / margin - alphaMs) / betaMs)
  // A run takes what arrives during the one before it: this many rows keep up with the arrivals in time.
  const steady = Math.floor((arrivalsPerMs * (budgetMs - margin * alphaMs)) / (1 + margin * arrivalsPerMs * betaMs))
  return Math.max(1, Math.min(efficient, Math.max(half, steady)))
}

/** What is ahead of a request. */
export interface Ahead {
  /** Rows that wait. */
  readonly rows: number
  /** Until the next executor is free, in milliseconds. */
  readonly residualMs: number
}

/** Wait of a request before its run begins (W), in milliseconds. */
export function expectedWaitMs(around: Surroundings, ahead: Ahead, batchRows: number): number {
  const { latency, executors } = around
  const fullRuns = Math.floor(ahead.rows / batchRows)
  return ahead.residualMs + (fullRuns * latency.margin * latency.predict(batchRows)) / executors
}

/**
 * Time from now to the answer of a request that comes now: its wait and the run that it will share.
 *
 * @param rows of the request
 * @param batchRows b*
 */
export function expectedAnswerMs(around: Surroundings, ahead: Ahead, rows: number, batchRows: number): number {
  const { latency, arrivalsPerMs } = around
  const waitMs = expectedWaitMs(around, ahead, batchRows)
  const company = (ahead.rows % batchRows) + rows + waitMs * arrivalsPerMs
  return waitMs + latency.margin * latency.predict(Math.round(Math.max(rows, Math.min(batchRows, company))))
}

/** Whether a request can be answered within its budget; without knowledge, whether few enough wait. */
export function isAdmitted(
  around: Surroundings,
  ahead: Ahead,
  rows: number,
  { budgetMs, batchRows }: { readonly budgetMs: number; readonly batchRows: number },
): boolean {
  if (!around.latency.isKnown) return ahead.rows < trialRuns * Math.max(trialRunRows, around.maxRows)
  return expectedAnswerMs(around, ahead, rows, batchRows) <= budgetMs
}

/** True where a run of so many rows that begins now ends too late for a request. */
export function isTooLate(latency: LatencyModel, runRows: number, nowMs: number, deadline: number): boolean {
  if (deadline === Infinity) return false
  return nowMs + (latency.isKnown ? latency.margin * latency.predict(runRows) : 0) > deadline
}

/** Options for those who come from servers that wait for batches to fill. */
export interface Linger {
  /** In ascending order. */
  readonly preferredBatchSizes: readonly number[]
  readonly maxQueueDelayMs: number
}

/**
 * Rows to take now: as many as wait, b* at most; the largest preferred size among them where there is one.
 *
 * @param ageMs how long the first of them waits
 * @returns 0 where it is better to wait on
 */
export function rowsToTake(
  { preferredBatchSizes, maxQueueDelayMs }: Linger,
  waitingRows: number,
  batchRows: number,
  ageMs: number,
): number {
  const most = Math.min(waitingRows, batchRows)
  let preferred = 0
  for (const size of preferredBatchSizes) if (size <= most) preferred = size
  if (preferred > 0) return preferred
  const isFull = most >= batchRows
  return isFull || ageMs >= maxQueueDelayMs ? most : 0
}

/**
 * Rows of a run where the last ones were all of one size, so that what a row costs is known from long ago only: twice as
 * many where the queue and the time allow. Without it a batch size that was once learned too small would stay so.
 */
export function exploringRows(
  latency: LatencyModel,
  around: { readonly rows: number; readonly waitingRows: number; readonly maxRows: number; readonly budgetMs: number },
): number {
  const { rows, waitingRows, maxRows, budgetMs } = around
  const more = Math.min(maxRows, waitingRows, Math.max(exploringLeast, rows * 2))
  return latency.margin * latency.predict(more) < budgetMs / 2 ? Math.max(rows, more) : rows
}
