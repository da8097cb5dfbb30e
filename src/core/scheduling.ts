/** What is said about the queue of a model: its options, what a caller brings along, and what the scheduler has learned. */

/** What happens to a request whose time in the queue is over. `reject`: it fails. `delay`: it waits on behind all others. */
export type TimeoutAction = 'reject' | 'delay'

/** The rules of one priority level, as Triton's `ModelQueuePolicy`. */
export interface QueuePolicy {
  readonly timeoutAction?: TimeoutAction
  /** Longest wait of a request that brings no time limit of its own, in milliseconds; 0 or absent: no limit. */
  readonly defaultTimeoutMs?: number
  /** A request's own time limit counts in place of the default one where it is shorter. */
  readonly allowTimeoutOverride?: boolean
  /** Requests of this level that may wait; 0 or absent: as many as the model's queue holds. */
  readonly maxQueueSize?: number
}

/** How the requests of one model wait and share runs. What is absent is learned, or off. */
export interface SchedulingOptions {
  /** `auto`: where it was proved at load that the rows of a batch do not see each other. `on`: taken for granted. */
  readonly batching?: 'auto' | 'on' | 'off'
  /** Sizes, in rows, that runs take where the queue allows: what the model was built for. */
  readonly preferredBatchSizes?: readonly number[]
  /** Longest time that a request waits for others to share its run, in milliseconds. Default 0: nobody waits for more. */
  readonly maxQueueDelayMs?: number
  /** An answer is worth something within this time of its arrival, in milliseconds: what cannot meet it is refused early. */
  readonly sloMs?: number
  /** Requests that may wait; the next one is refused. */
  readonly maxQueueSize?: number
  /** Number of priority levels; 1 is served first. Absent or 0: all are equal. */
  readonly priorityLevels?: number
  /** Level of a request that names none. Default: the middle one. */
  readonly defaultPriority?: number
  /** Of every level that has none of its own. */
  readonly queuePolicy?: QueuePolicy
  readonly queuePolicies?: ReadonlyMap<number, QueuePolicy>
}

/** Whose signal is made when it is asked for; `isAborted` tells what it would say. */
export interface Caller {
  readonly signal: AbortSignal
  readonly isAborted?: boolean
}

/** What one caller brings to the queue. */
export interface PredictOptions {
  /** When its answer is worth nothing any more, by the clock of `performance.now()`. */
  readonly deadline?: number
  /** Longest wait in the queue that it asks for, in milliseconds, where the queue policy of its level lets it. */
  readonly timeoutMs?: number
  /** 1 is served first; absent or 0: the model's default level. */
  readonly priority?: number
  /** Told when its run begins. */
  readonly onStart?: () => void
}

/** Why a request was refused or dropped before it ran. */
export const refusalReasons = ['queue_full', 'slo', 'deadline', 'timeout', 'cancelled'] as const
export type RefusalReason = (typeof refusalReasons)[number]

/** Runs of one number of rows. */
export interface BatchCount {
  readonly rows: number
  readonly executions: number
  /** Time in the model, in milliseconds. */
  readonly computeMs: number
}

/** What the scheduler of one model knows now. */
export interface SchedulingSnapshot {
  readonly isBatching: boolean
  /** Why it batches, or why not. */
  readonly reason: string
  /** Milliseconds of a run besides its rows (α) and of each row (β); absent while unknown. */
  readonly alphaMs?: number
  readonly betaMs?: number
  /** Factor on predictions that covers their usual error. */
  readonly margin: number
  /** Rows that reach 95 % of the best throughput. */
  readonly efficientBatch: number
  /** Rows that a run takes at most now (b*). */
  readonly batchSize: number
  /** Rows that arrive in a millisecond, per executor (λ). */
  readonly arrivalsPerMs: number
  /** Part of the rows of a run whose callers come back right after it, 0 to 1: they are waited for; absent while unknown. */
  readonly returnFraction?: number
  /** Wait that the next request can expect, in milliseconds. */
  readonly expectedWaitMs: number
  readonly waitingRequests: number
  readonly waitingRows: number
  readonly runningBatches: number
  readonly refusals: Readonly<Record<RefusalReason, number>>
  /** Requests that shared a failing run and were run again apart. */
  readonly isolations: number
  readonly batches: readonly BatchCount[]
}
