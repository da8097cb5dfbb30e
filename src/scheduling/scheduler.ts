/** One model's queue: as many predicts at once as the model takes, a bounded number that wait, the rest refused early. */
import { InferenceError } from '../core/errors.ts'
import type { Batch, Model } from '../core/model.ts'
import type { PredictOptions, SchedulingSnapshot } from '../core/scheduling.ts'
import type { Tensor } from '../core/tensor.ts'
import { Fifo } from './fifo.ts'

export interface SchedulingPolicy {
  /** The model's name, for messages. */
  readonly name: string
  /** Requests that may wait; the next one is refused. */
  readonly maxQueueSize: number
}

/** A model behind its queue. */
export interface ScheduledModel extends Model {
  predict(batch: Batch, signal: AbortSignal, options?: PredictOptions): Promise<readonly Tensor[]>
  /** What its queue knows now. */
  scheduling?(): SchedulingSnapshot
}

interface Arrival {
  readonly batch: Batch
  readonly signal: AbortSignal
  readonly resolve: (outputs: readonly Tensor[]) => void
  readonly reject: (reason: unknown) => void
  readonly onStart: (() => void) | undefined
}

interface Waiting extends Arrival {
  readonly onAbort: () => void
  /** Its place in the queue. */
  ticket: number
}

/**
 * A model whose `predict` queues first in, first out, runs at most `model.concurrency` at once and refuses with
 * `resource_exhausted` where `maxQueueSize` requests wait already. A cancelled request leaves the queue at once.
 */
export function schedule(model: Model, policy: SchedulingPolicy): ScheduledModel {
  const queue = new PredictQueue(model, policy)
  return {
    metadata: model.metadata,
    memoryBytes: model.memoryBytes,
    maxBatchSize: model.maxBatchSize,
    concurrency: model.concurrency,
    predict: (batch, signal, options) => queue.predict(batch, signal, options?.onStart),
    ...(model.preprocess && { preprocess: model.preprocess.bind(model) }),
    ...(model.postprocess && { postprocess: model.postprocess.bind(model) }),
    ...(model.infer && { infer: model.infer.bind(model) }),
    ...(model.explain && { explain: model.explain.bind(model) }),
    ...(model.stream && { stream: model.stream.bind(model) }),
    ...(model.forward && { forward: model.forward.bind(model) }),
    ...(model.onFailure && { onFailure: model.onFailure.bind(model) }),
    close: () => model.close(),
  }
}

class PredictQueue {
  readonly #model: Model
  readonly #policy: SchedulingPolicy
  readonly #waiting = new Fifo<Waiting>()
  /** Have their place among the running and start at the end of this turn of the event loop. */
  #arrived: Arrival[] = []
  #running = 0
  /** Moving average of a run, for `Retry-After`. */
  #runMs = 0

  constructor(model: Model, policy: SchedulingPolicy) {
    this.#model = model
    this.#policy = policy
  }

  predict(batch: Batch, signal: AbortSignal, onStart?: () => void): Promise<readonly Tensor[]> {
    if (signal.aborted) return Promise.reject(InferenceError.from(signal.reason))
    if (this.#running < this.#model.concurrency) {
      this.#running += 1
      return new Promise((resolve, reject) => this.#gather({ batch, signal, resolve, reject, onStart }))
    }
    if (this.#waiting.size >= this.#policy.maxQueueSize) return Promise.reject(this.#full())
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#abandon(waiting)
      const waiting: Waiting = { batch, signal, resolve, reject, onStart, onAbort, ticket: 0 }
      waiting.ticket = this.#waiting.push(waiting)
      signal.addEventListener('abort', waiting.onAbort, { once: true })
    })
  }

  /** Starts it with all others that arrive in this turn of the event loop, once their requests are read. */
  #gather(arrival: Arrival): void {
    if (this.#arrived.push(arrival) === 1) setImmediate(this.#startArrived)
  }

  /** One after the other without anything between: the runs of a model on the main thread find its code and weights cached. */
  readonly #startArrived = (): void => {
    const arrived = this.#arrived
    this.#arrived = []
    for (const arrival of arrived) {
      if (arrival.signal.aborted) {
        arrival.reject(InferenceError.from(arrival.signal.reason))
        this.#end()
      } else this.#start(arrival)
    }
  }

  #start({ batch, signal, resolve, reject, onStart }: Arrival): void {
    onStart?.()
    const started = performance.now()
    const ended = (): void => {
      this.#runMs += (performance.now() - started - this.#runMs) / 16 // the weight of the last few dozen runs
      this.#end()
    }
    this.#predict(batch, signal).then(
      (outputs) => {
        ended()
        resolve(outputs)
      },
      (reason: unknown) => {
        ended()
        reject(reason)
      },
    )
  }

  /** Rejects where a model throws. */
  #predict(batch: Batch, signal: AbortSignal): Promise<readonly Tensor[]> {
    try {
      return this.#model.predict(batch, signal)
    } catch (reason) {
      return Promise.reject(InferenceError.from(reason))
    }
  }

  #end(): void {
    this.#running -= 1
    if (this.#waiting.size > 0) this.#next()
  }

  #next(): void {
    while (this.#running < this.#model.concurrency) {
      const waiting = this.#waiting.shift()
      if (waiting === undefined) return
      waiting.signal.removeEventListener('abort', waiting.onAbort)
      this.#running += 1
      this.#gather(waiting)
    }
  }

  #abandon(waiting: Waiting): void {
    this.#waiting.leave(waiting.ticket)
    waiting.reject(InferenceError.from(waiting.signal.reason))
  }

  #full(): InferenceError {
    const size = this.#waiting.size
    return new InferenceError(
      'resource_exhausted',
      `model '${this.#policy.name}': the queue is full, ${size} requests wait (max_queue_size ${this.#policy.maxQueueSize}). Retry later.`,
      { retryAfterMs: (size * this.#runMs) / this.#model.concurrency },
    )
  }
}
