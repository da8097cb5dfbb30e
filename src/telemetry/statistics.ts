/** Counts what each version of a model answers, for Triton's statistics extension. */
import type { ErrorCode, InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import type { BatchCount } from '../core/scheduling.ts'
import type { Call, InferenceObserver } from '../dataplane/call.ts'
import {
  schedulingStatistics,
  type BatchStatistics,
  type Duration,
  type ModelStatistics,
  type StatisticsSource,
} from '../dataplane/statistics.ts'
import type { ModelStatus } from '../repository/status.ts'
import { ensure } from './observations.ts'

/** Why a request failed, in Triton's words. */
export const failureReasons = ['REJECTED', 'CANCELED', 'BACKEND', 'OTHER'] as const
export type FailureReason = (typeof failureReasons)[number]
export type Failures = Readonly<Record<FailureReason, number>>

const reasonOf: Partial<Record<ErrorCode, FailureReason>> = {
  resource_exhausted: 'REJECTED',
  unavailable: 'REJECTED',
  deadline_exceeded: 'REJECTED',
  cancelled: 'CANCELED',
  internal: 'BACKEND',
}

/** Batch sizes that are told apart; a caller must not grow the list without end. */
const maxBatchSizes = 1000

class Sum {
  #count = 0
  #ns = 0

  add(milliseconds: number): void {
    this.#count += 1
    this.#ns += Math.round(milliseconds * 1e6)
  }

  get value(): Duration {
    return { count: this.#count, ns: this.#ns }
  }
}

/** The parts of one run. */
class Compute {
  readonly input = new Sum()
  readonly infer = new Sum()
  readonly output = new Sum()

  add({ preprocessMs, queueMs, predictMs, postprocessMs }: Call['timings']): void {
    this.input.add(preprocessMs)
    this.infer.add(Math.max(0, predictMs - queueMs))
    this.output.add(postprocessMs)
  }

  get value() {
    return {
      compute_input: this.input.value,
      compute_infer: this.infer.value,
      compute_output: this.output.value,
    }
  }
}

class VersionCounts {
  lastInference = 0
  rows = 0
  /** Runs that no scheduler counts: of models that answer whole requests, or in streams. */
  executions = 0
  readonly success = new Sum()
  readonly fail = new Sum()
  readonly queue = new Sum()
  readonly compute = new Compute()
  readonly cacheHit = new Sum()
  readonly cacheMiss = new Sum()
  readonly failures = { REJECTED: 0, CANCELED: 0, BACKEND: 0, OTHER: 0 }
  readonly byBatchSize = new Map<number, Compute>()

  succeed({ timings, rows, isScheduled, cache }: Call): void {
    this.success.add(timings.totalMs)
    this.queue.add(timings.queueMs)
    if (cache !== undefined) (cache.isHit ? this.cacheHit : this.cacheMiss).add(cache.ms)
    if (rows === undefined) return
    this.rows += rows
    this.compute.add(timings)
    if (isScheduled === true) return
    this.executions += 1
    if (this.byBatchSize.has(rows) || this.byBatchSize.size < maxBatchSizes) {
      ensure(this.byBatchSize, rows, () => new Compute()).add(timings)
    }
  }

  /** By the rows of a run: what was counted here, and what the scheduler counted. */
  batches(scheduled: readonly BatchCount[]): readonly BatchStatistics[] {
    const sizes = new Map<number, BatchStatistics>()
    for (const [size, compute] of this.byBatchSize) sizes.set(size, { batch_size: size, ...compute.value })
    for (const { rows, executions, computeMs } of scheduled) {
      const known = sizes.get(rows)
      const besides = { count: executions, ns: 0 }
      sizes.set(rows, {
        batch_size: rows,
        compute_input: added(known?.compute_input, besides),
        compute_infer: added(known?.compute_infer, { count: executions, ns: Math.round(computeMs * 1e6) }),
        compute_output: added(known?.compute_output, besides),
      })
    }
    return [...sizes.values()].sort((left, right) => left.batch_size - right.batch_size)
  }
}

function added(left: Duration | undefined, right: Duration): Duration {
  return left === undefined ? right : { count: left.count + right.count, ns: left.ns + right.ns }
}

/**
 * Counts requests and their rows; runs are counted by the scheduler of the model, from its load on, and here where it has
 * none. Explanations are not counted.
 */
export class Statistics implements InferenceObserver, StatisticsSource {
  readonly #models = new Map<string, Map<string, VersionCounts>>()
  readonly #now: () => number

  /** @param now milliseconds since 1970 */
  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  onResponse(call: Call): void {
    this.#countsOf(call)?.succeed(call)
  }

  onError(call: Call, { code }: InferenceError): void {
    const counts = this.#countsOf(call)
    if (counts === undefined) return
    counts.fail.add(call.timings.totalMs)
    counts.failures[reasonOf[code] ?? 'OTHER'] += 1
  }

  failuresOf({ name, version }: Required<ModelRef>): Failures {
    return (this.#models.get(name)?.get(version) ?? new VersionCounts()).failures
  }

  statisticsOf(status: ModelStatus, scheduling = status.scheduling?.()): ModelStatistics {
    const { ref, memoryBytes, metadata } = status
    const runs = scheduling?.batches ?? []
    const counts = this.#models.get(ref.name)?.get(ref.version) ?? new VersionCounts()
    const gpu = /^cuda:(\d+)$/.exec(String(metadata?.parameters?.['device']))?.[1]
    return {
      ...ref,
      last_inference: counts.lastInference,
      inference_count: counts.rows,
      execution_count: runs.reduce((sum, { executions }) => sum + executions, counts.executions),
      inference_stats: {
        success: counts.success.value,
        fail: counts.fail.value,
        queue: counts.queue.value,
        ...counts.compute.value,
        cache_hit: counts.cacheHit.value,
        cache_miss: counts.cacheMiss.value,
      },
      response_stats: {},
      batch_stats: counts.batches(runs),
      memory_usage:
        memoryBytes > 0
          ? [{ type: gpu === undefined ? 'CPU' : 'GPU', id: Number(gpu ?? 0), byte_size: memoryBytes }]
          : [],
      ...(scheduling === undefined ? {} : { scheduling: schedulingStatistics(scheduling) }),
    }
  }

  /** Where a version was found: callers cannot invent names. */
  #countsOf({ verb, ref }: Call): VersionCounts | undefined {
    if (verb !== 'infer' || ref === undefined) return undefined
    const versions = ensure(this.#models, ref.name, () => new Map<string, VersionCounts>())
    const counts = ensure(versions, ref.version, () => new VersionCounts())
    counts.lastInference = this.#now()
    return counts
  }
}
