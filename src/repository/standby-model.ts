/** A model that answers and is not loaded: the next call loads it, and those that come meanwhile wait for the same load. */
import { InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import type { Leasable } from './leased-model.ts'
import type { ModelHandle } from './repository.ts'
import type { ServedMetadata } from './status.ts'
import type { Timers } from './timers.ts'

/** A load that failed is not tried again before, where nobody says otherwise; doubled with each failure. */
const firstPauseMs = 1000
const longestPauseMs = 60_000
/** What is told to who may not wait: most models have loaded by then. */
const retryAfterMs = 1000

/** What stands behind a model in standby. */
export interface StandbyParts {
  readonly ref: Required<ModelRef>
  /** Absent where it was never loaded. */
  readonly served: ServedMetadata | undefined
  /** Loads the model. @returns why there is no room for it @throws InferenceError with the reason that callers read */
  readonly wake: () => Promise<InferenceError | undefined>
  /** What takes calls now; undefined where the model was unloaded for good. */
  readonly current: () => Leasable | undefined
  /** Calls that may wait for a load, at least one. */
  readonly maxWaiting: number
  readonly timers: Timers
  /** How long a load that failed is not tried again; longer with each failure where absent. Milliseconds. */
  readonly failureMs?: number | undefined
  /** Told how long a request waited until the model was loaded. */
  readonly missed?: (ms: number) => void
}

export class StandbyModel implements Leasable {
  readonly #parts: StandbyParts
  #served: ServedMetadata | undefined
  #waking: Promise<void> | undefined
  #waiting = 0
  #failures = 0
  /** What the last load failed with, and until when that is the answer. */
  #tombstone: { readonly reason: InferenceError; readonly until: number } | undefined

  constructor(parts: StandbyParts) {
    this.#parts = parts
    this.#served = parts.served
  }

  get served(): ServedMetadata | undefined {
    return this.#served
  }

  /** True while calls wait for the model, also once it is loaded: until the last one has its lease. */
  get isAwaited(): boolean {
    return this.#waiting > 0
  }

  announce(versions: readonly string[]): void {
    if (this.#served !== undefined) this.#served = { ...this.#served, versions }
  }

  /**
   * Runs `work` once the model is loaded.
   * @throws InferenceError `resource_exhausted` where too many wait; `unavailable` where the load failed, or has just failed
   */
  async use<T>(work: (model: ModelHandle) => Promise<T>): Promise<T> {
    const { name } = this.#parts.ref
    if (this.#waiting >= Math.max(1, this.#parts.maxWaiting)) {
      const message = `model '${name}' is being loaded and ${this.#waiting} requests wait for it already`
      throw new InferenceError('resource_exhausted', message, { retryAfterMs })
    }
    this.#waiting += 1
    const { timers, missed } = this.#parts
    const started = timers.now()
    try {
      this.#waking ??= this.#wake().finally(() => (this.#waking = undefined))
      await this.#waking
      const current = this.#parts.current()
      if (current === undefined) {
        throw new InferenceError('unavailable', `Model with name ${name} is not ready. It was unloaded.`)
      }
      missed?.(timers.now() - started)
      return current.use(work) // its lease is taken before the next line
    } finally {
      this.#waiting -= 1
    }
  }

  async #wake(): Promise<void> {
    const { timers, wake, failureMs } = this.#parts
    const leftMs = (this.#tombstone?.until ?? -Infinity) - timers.now()
    if (this.#tombstone !== undefined && leftMs > 0) throw laterThan(this.#tombstone.reason, leftMs)
    let refusal: InferenceError | undefined
    try {
      refusal = await wake()
    } catch (reason) {
      const pauseMs = failureMs ?? Math.min(longestPauseMs, firstPauseMs * 2 ** this.#failures)
      this.#failures += 1
      const failure = InferenceError.from(reason)
      this.#tombstone = { reason: failure, until: timers.now() + pauseMs }
      throw laterThan(failure, pauseMs)
    }
    if (refusal !== undefined) throw refusal
  }
}

function laterThan(reason: InferenceError, retryAfterMs: number): InferenceError {
  return new InferenceError(reason.code, reason.message, { cause: reason, retryAfterMs })
}
