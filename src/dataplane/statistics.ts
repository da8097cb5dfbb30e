/** What a model has answered so far: Triton's statistics extension. The names are those of its messages. */
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
}

/** Who counts: an observer of the data plane. */
export interface StatisticsSource {
  statisticsOf(status: ModelStatus): ModelStatistics
}
