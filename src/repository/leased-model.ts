/** One loaded instance of a model and the calls that run on it. */
import { messageOf } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import type { Log } from '../core/log.ts'
import type { ModelMetadata } from '../core/model.ts'
import type { LoadedModel } from './entry.ts'
import type { ModelHandle } from './repository.ts'
import { servedMetadata } from './served-metadata.ts'
import type { ServedMetadata } from './status.ts'

/** What takes the calls of one version, loaded or not yet. */
export interface Leasable {
  /** Absent while it was never loaded. */
  readonly served: ServedMetadata | undefined
  /** False while the loaded model says that it cannot answer. */
  readonly isReady?: boolean
  /** Runs `work` on the loaded model; the model is not closed before it ends. */
  use<T>(work: (model: ModelHandle) => Promise<T>): Promise<T>
  /** Tells the metadata which versions of the model are ready. */
  announce(versions: readonly string[]): void
}

interface LeaseOptions {
  readonly now?: (() => number) | undefined
  readonly revision?: string | undefined
  readonly unusedMs?: number | undefined
}

/** Counts leases; closes the model when it is retired and the last lease is given back. */
export class LeasedModel implements Leasable {
  readonly #loaded: LoadedModel
  readonly #ref: Required<ModelRef>
  #handle: ModelHandle
  /** That the handle was made from. */
  #metadata: ModelMetadata
  #leases = 0
  #idle: (() => void) | undefined
  readonly #now: (() => number) | undefined
  #lastUse = 0

  /** @param about its revision, where it has one; the clock of {@link lastUse}, where anybody looks at it, and its age then */
  constructor(ref: Required<ModelRef>, loaded: LoadedModel, { now, revision, unusedMs = 0 }: LeaseOptions = {}) {
    this.#ref = ref
    this.#loaded = loaded
    this.#now = now
    if (now !== undefined) this.#lastUse = now() - unusedMs
    this.#metadata = loaded.model.metadata
    const served = servedMetadata(ref, loaded, [ref.version])
    this.#handle = { ...loaded, ref, served, ...(revision === undefined ? {} : { revision }) }
  }

  get handle(): ModelHandle {
    return this.#handle
  }

  get served(): ServedMetadata {
    // A model that others serve may change while it is loaded.
    if (this.#loaded.model.metadata !== this.#metadata) this.announce(this.#handle.served.versions)
    return this.#handle.served
  }

  get isReady(): boolean {
    return this.#loaded.model.isReady !== false
  }

  /** True while calls run. */
  get isBusy(): boolean {
    return this.#leases > 0
  }

  /** When the last call ended, or the load; 0 without a clock. */
  get lastUse(): number {
    return this.#lastUse
  }

  /** Counts as used so many milliseconds ago, where it was not used since. */
  touch(unusedMs: number): void {
    if (this.#now !== undefined) this.#lastUse = Math.max(this.#lastUse, this.#now() - unusedMs)
  }

  announce(versions: readonly string[]): void {
    this.#metadata = this.#loaded.model.metadata
    this.#handle = { ...this.#handle, served: servedMetadata(this.#ref, this.#loaded, versions) }
  }

  /** Not an async function: it would cost each call a second promise and a turn of the microtasks. */
  use<T>(work: (model: ModelHandle) => Promise<T>): Promise<T> {
    this.#leases += 1
    let running: Promise<T>
    try {
      running = work(this.#handle)
    } catch (reason) {
      this.#giveBack()
      return rejected(reason)
    }
    running.then(this.#giveBack, this.#giveBack) // before the caller hears of the end
    return running
  }

  readonly #giveBack = (): void => {
    this.#leases -= 1
    if (this.#leases > 0) return
    this.#idle?.()
    if (this.#now !== undefined) this.#lastUse = this.#now()
  }

  /** Waits for the last lease, then closes the model. Called once, when no new lease can be had. Never throws. */
  async retire(log: Log): Promise<void> {
    if (this.#leases > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
    try {
      await this.#loaded.model.close()
    } catch (reason) {
      log.warn({ model: this.#ref.name, version: this.#ref.version, reason: messageOf(reason) }, 'closing failed')
    }
  }
}

// An async function rejects with anything at all, as a model may throw anything.
async function rejected(reason: unknown): Promise<never> {
  throw reason
}
