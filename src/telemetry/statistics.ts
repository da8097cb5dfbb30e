/** Counts what each version of a model answers, for Triton's statistics extension. */
import type { Call, InferenceObserver } from '../dataplane/call.ts'
import type { BatchStatistics, Duration, ModelStatistics, StatisticsSource } from '../dataplane/statistics.ts'
import type { ModelStatus } from '../repository/status.ts'
import { ensure } from './observations.ts'

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
  executions = 0
  readonly success = new Sum()
  readonly fail = new Sum()
  readonly queue = new Sum()
  readonly compute = new Compute()
  readonly byBatchSize = new Map<number, Compute>()

  succeed({ timings, rows }: Call): void {
    this.success.add(timings.totalMs)
    this.queue.add(timings.queueMs)
    if (rows === undefined) return
    this.rows += rows
    this.executions += 1
    this.compute.add(timings)
    if (this.byBatchSize.has(rows) || this.byBatchSize.size < maxBatchSizes) {
      ensure(this.byBatchSize, rows, () => new Compute()).add(timings)
    }
  }

  get batches(): readonly BatchStatistics[] {
    const sizes = [...this.byBatchSize].sort(([left], [right]) => left - right)
    return sizes.map(([size, compute]) => ({ batch_size: size, ...compute.value }))
  }
}

const none: Duration = { count: 0, ns: 0 }

/** Each answered request counts as one run of its model, with the rows that it brought. Explanations are not counted. */
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

  onError(call: Call): void {
    this.#countsOf(call)?.fail.add(call.timings.totalMs)
  }

  statisticsOf({ ref, memoryBytes, metadata }: ModelStatus): ModelStatistics {
    const counts = this.#models.get(ref.name)?.get(ref.version) ?? new VersionCounts()
    const gpu = /^cuda:(\d+)$/.exec(String(metadata?.parameters?.['device']))?.[1]
    return {
      ...ref,
      last_inference: counts.lastInference,
      inference_count: counts.rows,
      execution_count: counts.executions,
      inference_stats: {
        success: counts.success.value,
        fail: counts.fail.value,
        queue: counts.queue.value,
        ...counts.compute.value,
        cache_hit: none,
        cache_miss: none,
      },
      response_stats: {},
      batch_stats: counts.batches,
      memory_usage:
        memoryBytes > 0
          ? [{ type: gpu === undefined ? 'CPU' : 'GPU', id: Number(gpu ?? 0), byte_size: memoryBytes }]
          : [],
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
