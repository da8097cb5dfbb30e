/** Puts a queue in front of a model: requests share runs where they may, wait in bounded number, or are refused early. */
import type { Log } from '../core/log.ts'
import type { Batch, Model } from '../core/model.ts'
import type { Caller, PredictOptions, SchedulingOptions, SchedulingSnapshot } from '../core/scheduling.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Preparation } from './preparation-result.ts'
import { PredictQueue } from './predict-queue.ts'

export interface SchedulingPolicy {
  /** The model's name, for messages. */
  readonly name: string
  /** Requests that may wait; the next one is refused. */
  readonly maxQueueSize: number
  readonly options?: SchedulingOptions
  /** What was found out at load; without it requests share runs only where the options say so. */
  readonly preparation?: Preparation
  /** Most rows that are joined into one run. Default: the model's `maxBatchSize`, or 128 where it has none. */
  readonly maxRows?: number
  /** Told of decisions that change. */
  readonly log?: Log
  /** Milliseconds; `performance.now` where absent. */
  readonly now?: () => number
}

/** A model behind its queue. */
export interface ScheduledModel extends Model {
  /** @param caller its signal, or who makes it for those who have to listen: most requests are answered before that */
  predict(batch: Batch, caller: AbortSignal | Caller, options?: PredictOptions): Promise<readonly Tensor[]>
  /** What the scheduler knows now. */
  scheduling(): SchedulingSnapshot
}

/**
 * A model whose `predict` queues first in, first out within a priority level, joins what may share a run, and runs at most
 * `model.concurrency` at once. What cannot be answered in time, or finds `maxQueueSize` requests waiting, is refused at once
 * with `resource_exhausted` or `deadline_exceeded`; a cancelled request leaves the queue at once.
 */
export function schedule(model: Model, policy: SchedulingPolicy): ScheduledModel {
  const queue = new PredictQueue(model, policy)
  return {
    get metadata() {
      return model.metadata
    },
    get isReady() {
      return model.isReady !== false
    },
    memoryBytes: model.memoryBytes,
    maxBatchSize: model.maxBatchSize,
    concurrency: model.concurrency,
    predict: (batch, caller, options) => queue.predict(batch, caller, options),
    scheduling: () => queue.snapshot(),
    ...(model.preprocess && { preprocess: model.preprocess.bind(model) }),
    ...(model.postprocess && { postprocess: model.postprocess.bind(model) }),
    ...(model.takesRaw === true ? { takesRaw: true } : {}),
    ...(model.infer && { infer: model.infer.bind(model) }),
    ...(model.explain && { explain: model.explain.bind(model) }),
    ...(model.stream && { stream: model.stream.bind(model) }),
    ...(model.forward && { forward: model.forward.bind(model) }),
    ...(model.onFailure && { onFailure: model.onFailure.bind(model) }),
    close: () => {
      queue.close()
      return model.close()
    },
  }
}
