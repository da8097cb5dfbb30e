/** A model that answers and is not loaded: the next call loads it, and those that come meanwhile wait for the same load. */
import { InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import type { Leasable } from './leased-model.ts'
import type { ModelHandle } from './repository.ts'
import type { ServedMetadata } from './status.ts'
import type { Timers } from './timers.ts'

/** A load that failed is not tried again before; doubled with each failure. */
const firstPauseMs = 1000
const longestPauseMs = 60_000
/** What is told to who may not wait: most models have loaded by then. */
const retryAfterMs = 1000

/** What stands behind a model in standby. */
export interface StandbyParts {
  readonly ref: Required<ModelRef>
  /** Absent where it was never loaded. */
  readonly served: ServedMetadata | undefined
  /** Loads the model. @throws InferenceError with the reason that callers read */
  readonly wake: () => Promise<void>
  /** What takes calls now; undefined where the model was unloaded for good. */
  readonly current: () => Leasable | undefined
  /** Calls that may wait for a load, at least one. */
  readonly maxWaiting: number
  readonly timers: Timers
}

export class StandbyModel implements Leasable {
  readonly #parts: StandbyParts
  #served: ServedMetadata | undefined
  #waking: Promise<void> | undefined
  #waiting = 0
  #failures = 0
  #retryAt = -Infinity

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
    try {
      this.#waking ??= this.#wake().finally(() => (this.#waking = undefined))
      await this.#waking
      const current = this.#parts.current()
      if (current === undefined) {
        throw new InferenceError('unavailable', `Model with name ${name} is not ready. It was unloaded.`)
      }
      return current.use(work) // its lease is taken before the next line
    } finally {
      this.#waiting -= 1
    }
  }

  async #wake(): Promise<void> {
    const { timers, wake } = this.#parts
    const leftMs = this.#retryAt - timers.now()
    if (leftMs > 0) {
      const message = `Model with name ${this.#parts.ref.name} is not ready. It failed to load a moment ago.`
      throw new InferenceError('unavailable', message, { retryAfterMs: leftMs })
    }
    try {
      await wake()
    } catch (reason) {
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** this.#failures)
      this.#failures += 1
      this.#retryAt = this.#parts.timers.now() + pauseMs
      const { code, message } = InferenceError.from(reason)
      throw new InferenceError(code, message, { cause: reason, retryAfterMs: pauseMs })
    }
  }
}
