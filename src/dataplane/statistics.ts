/** What a model has answered so far: Triton's statistics extension. The names are those of its messages. */
import type { SchedulingSnapshot } from '../core/scheduling.ts'
import type { ModelStatus } from '../repository/status.ts'

/** How often, and how long altogether, in nanoseconds. */
export interface Duration {
  readonly count: number
  readonly ns: number
}

export interface BatchStatistics {
  /** Rows of one execution. */
  readonly batch_size: number
  readonly compute_input: Duration
  readonly compute_infer: Duration
  readonly compute_output: Duration
}

export interface ModelStatistics {
  readonly name: string
  readonly version: string
  /** When the last request came, in milliseconds since 1970; 0 where none has. */
  readonly last_inference: number
  /** Rows that were computed. */
  readonly inference_count: number
  /** Runs of the model; fewer than requests where requests share them. */
  readonly execution_count: number
  readonly inference_stats: {
    readonly success: Duration
    readonly fail: Duration
    readonly queue: Duration
    readonly compute_input: Duration
    readonly compute_infer: Duration
    readonly compute_output: Duration
    readonly cache_hit: Duration
    readonly cache_miss: Duration
  }
  readonly response_stats: Readonly<Record<string, never>>
  readonly batch_stats: readonly BatchStatistics[]
  readonly memory_usage: readonly { readonly type: string; readonly id: number; readonly byte_size: number }[]
  /** This server's own: what the scheduler has learned. Not in gRPC's message. */
  readonly scheduling?: SchedulingStatistics
}

/** What the scheduler of a model knows now; what is unknown is absent. */
export interface SchedulingStatistics {
  readonly batching: boolean
  readonly reason: string
  /** Time of a run: `alpha_ms + beta_ms * rows`, times `margin`. */
  readonly alpha_ms?: number
  readonly beta_ms?: number
  readonly margin: number
  readonly efficient_batch: number
  readonly batch_size: number
  /** Rows, per executor. */
  readonly arrivals_per_second: number
  /** Part of the rows of a run whose callers come back right after it. */
  readonly return_fraction?: number
  readonly expected_wait_ms: number
  readonly waiting_requests: number
  readonly waiting_rows: number
  readonly running_batches: number
  readonly refusals: SchedulingSnapshot['refusals']
  readonly isolations: number
}

export function schedulingStatistics(known: SchedulingSnapshot): SchedulingStatistics {
  return {
    batching: known.isBatching,
    reason: known.reason,
    ...(known.alphaMs === undefined ? {} : { alpha_ms: known.alphaMs }),
    ...(known.betaMs === undefined ? {} : { beta_ms: known.betaMs }),
    margin: known.margin,
    efficient_batch: known.efficientBatch,
    batch_size: known.batchSize,
    arrivals_per_second: known.arrivalsPerMs * 1000,
    ...(known.returnFraction === undefined ? {} : { return_fraction: known.returnFraction }),
    expected_wait_ms: known.expectedWaitMs,
    waiting_requests: known.waitingRequests,
    waiting_rows: known.waitingRows,
    running_batches: known.runningBatches,
    refusals: known.refusals,
    isolations: known.isolations,
  }
}

/** Who counts: an observer of the data plane. */
export interface StatisticsSource {
  statisticsOf(status: ModelStatus): ModelStatistics
}
