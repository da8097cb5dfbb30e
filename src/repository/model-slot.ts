/** One version of a model over time: its state and its loads and unloads, one after the other. */
import { InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import type { Log } from '../core/log.ts'
import type { LoadedModel, ModelEntry } from './entry.ts'
import { LeasedModel, type Leasable } from './leased-model.ts'
import { watchIdle } from './idle-watch.ts'
import { logFailed, logLoaded, reasonOf, type LoadRecord } from './load-log.ts'
import { Turn, type LoadQueue } from './load-queue.ts'
import type { Claim, MemoryBudget } from './memory-budget.ts'
import { SlotMemory } from './slot-memory.ts'
import { StandbyModel } from './standby-model.ts'
import type { ModelState, ModelStatus, ServedMetadata, StandbyReason } from './status.ts'
import type { Timers } from './timers.ts'

export interface SlotSurroundings {
  readonly log: Log
  readonly queue: LoadQueue
  readonly timers: Timers
  readonly budget: MemoryBudget | undefined
  /** Requests that may wait for the load of a model in standby. */
  readonly maxWaiting: number
  /** How long a load that failed is not tried again; longer with each failure where absent. Milliseconds. */
  readonly failureMs?: number | undefined
  /** Told how long a request waited for a load. */
  readonly missed: (ref: Required<ModelRef>, ms: number) => void
  /** Called after each change of state. */
  readonly changed: (slot: ModelSlot) => void
}

interface LoadSignals {
  /** Fires when the model is unloaded meanwhile: the state is then that of the unload or of a later load. */
  readonly unloaded: AbortSignal
  readonly caller: AbortSignal | undefined
}

export class ModelSlot {
  readonly ref: Required<ModelRef>
  /** Came on request: the server is ready without it. */
  readonly isOptional: boolean
  readonly #revision: string | undefined
  readonly #around: SlotSurroundings
  readonly #retiring = new Set<Promise<void>>()
  #state: ModelState = 'unloaded'
  #isAnnounced = false
  #reason: string | undefined
  #runtime: string
  #loadMs: number | undefined
  #instance: LeasedModel | StandbyModel | undefined
  /** From which the loaded instance came. */
  #entry: ModelEntry | undefined
  #standby: StandbyReason | undefined
  readonly #standbys: Record<StandbyReason, number> = { idle: 0, memory: 0 }
  #endWatch: () => void = () => undefined
  #hasBroken = false
  /** Of a load that found no room: nothing is wrong with the model. */
  #refusal: InferenceError | undefined
  readonly #memory: SlotMemory
  /** The load that was asked for last and has not ended. */
  #loading: { readonly entry: ModelEntry; readonly turn: Turn; readonly done: Promise<ModelStatus> } | undefined
  /** Ends loads when the model is unloaded; made by the first one. */
  #abort: AbortController | undefined
  /** The end of everything asked for so far. */
  #tail: Promise<unknown> = Promise.resolve()

  constructor(entry: ModelEntry, around: SlotSurroundings) {
    this.ref = entry.ref
    this.#revision = entry.revision
    this.isOptional = entry.isOptional === true
    this.#runtime = entry.runtime
    this.#around = around
    this.#memory = new SlotMemory(entry.ref.name, around.budget)
  }

  /** Present where calls are taken, a reload and standby included. */
  get instance(): Leasable | undefined {
    return this.#instance
  }

  /** When its last call ended, where it is loaded and somebody looks at that. */
  get lastUse(): number | undefined {
    return this.#instance instanceof LeasedModel ? this.#instance.lastUse : undefined
  }

  get state(): ModelState {
    return this.#state
  }

  get reason(): string | undefined {
    return this.#reason
  }

  /** Failed after it was ready, and not loaded again. */
  get hasBroken(): boolean {
    return this.#hasBroken && this.#state === 'failed'
  }

  get status(): ModelStatus {
    const instance = this.#instance
    const model = instance instanceof LeasedModel ? instance.handle.model : undefined
    const { idle, memory } = this.#standbys
    return {
      ref: this.ref,
      ...(this.#revision === undefined ? {} : { revision: this.#revision }),
      // A model that others serve waits for them, as one that loads.
      ...(this.instance?.isReady === false
        ? { state: 'loading', reason: 'no server behind it is ready' }
        : { state: this.#state, ...(this.#reason === undefined ? {} : { reason: this.#reason }) }),
      runtime: this.#runtime,
      ...(this.#standby === undefined ? {} : { standby: this.#standby }),
      ...(idle + memory === 0 ? {} : { standbys: { idle, memory } }),
      memoryBytes: model?.memoryBytes ?? 0,
      ...(this.#loadMs === undefined ? {} : { loadMs: this.#loadMs }),
      ...(instance?.served === undefined ? {} : { metadata: instance.served }),
      ...(model === undefined ? {} : { scheduling: () => model.scheduling() }),
    }
  }

  /** Asked for when the server started. */
  get isAnnounced(): boolean {
    return this.#isAnnounced
  }

  /** Counts as loading from here on, until it is loaded or unloaded. */
  announce(): void {
    this.#isAnnounced = true
    if (this.#state === 'unloaded') this.#become('loading', 'waiting for its turn')
  }

  /** Counts as ready from here on, and is loaded by its first request. */
  register(entry: ModelEntry): void {
    if (this.#instance !== undefined || this.#loading !== undefined) return
    this.#isAnnounced = true
    this.#entry = entry
    this.#instance = this.#standIn(entry, undefined)
    this.#become('ready', 'not loaded yet; the next request loads it')
  }

  /** Loads, or joins the load of the same entry that is under way. Never throws. */
  load(entry: ModelEntry, signal: AbortSignal | undefined, turn = new Turn(false)): Promise<ModelStatus> {
    if (this.#loading?.entry === entry) return this.#loading.done
    this.#abort ??= new AbortController()
    const aborted = this.#abort.signal
    if (this.#instance === undefined) this.#become('loading', 'waiting for its turn')
    const done = this.#next(async () => {
      try {
        return await this.#around.queue.run(turn, () => this.#load(entry, turn, { unloaded: aborted, caller: signal }))
      } finally {
        if (this.#loading?.done === done) this.#loading = undefined
      }
    })
    this.#loading = { entry, turn, done }
    return done
  }

  /**
   * Frees the weights and goes on answering: the next call loads them again. Running calls end first.
   *
   * @param why for operators
   * @returns false where nothing is loaded, or a load is under way
   */
  standBy(reason: StandbyReason, why: string): boolean {
    const instance = this.#instance
    const entry = this.#entry
    if (!(instance instanceof LeasedModel) || entry === undefined || this.#loading !== undefined) return false
    this.#endWatch()
    const { log } = this.#around
    this.#instance = this.#standIn(entry, instance.served)
    this.#standby = reason
    this.#standbys[reason] += 1
    this.#retire(instance)
    const { name, version } = this.ref
    log.info({ model: name, version, reason: why }, 'model unloaded until the next request')
    this.#become('ready', `${why}; the next request loads it`)
    return true
  }

  #standIn(entry: ModelEntry, served: ServedMetadata | undefined): StandbyModel {
    const { timers, maxWaiting, failureMs, missed } = this.#around
    const { ref } = this
    return new StandbyModel({
      ref,
      served,
      wake: () => this.#wake(entry),
      current: () => this.#instance,
      maxWaiting,
      timers,
      failureMs,
      missed: (ms) => missed(ref, ms),
    })
  }

  /** Ends a load under way, refuses new calls at once, waits for running ones and closes the model. */
  unload(): Promise<void> {
    this.#abort?.abort(new InferenceError('cancelled', 'the model was unloaded while it loaded'))
    this.#abort = undefined
    this.#loading = undefined
    const instance = this.#instance
    this.#instance = undefined
    this.#standby = undefined
    this.#endWatch()
    if (this.#state !== 'unloaded') this.#become('unloading')
    if (instance instanceof LeasedModel) this.#retire(instance)
    return this.#next(async () => {
      await Promise.all(this.#retiring)
      if (this.#state === 'unloading') this.#become('unloaded', 'unloaded')
    })
  }

  #next<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(step)
    // Without what came of it: a status holds on to its model.
    this.#tail = done.then(
      () => undefined,
      () => undefined,
    )
    return done
  }

  async #load(entry: ModelEntry, turn: Turn, { unloaded, caller }: LoadSignals): Promise<ModelStatus> {
    if (unloaded.aborted) return this.status
    this.#refusal = undefined
    const started = performance.now()
    const signal = caller === undefined ? unloaded : AbortSignal.any([caller, unloaded])
    if (this.#instance === undefined) this.#become('loading')
    let claim: Claim | undefined
    try {
      signal.throwIfAborted()
      claim = await this.#memory.claim(entry, turn, signal)
      const loaded = await entry.load(signal)
      this.#loadMs = performance.now() - started
      if (signal.aborted) {
        await new LeasedModel(this.ref, loaded).retire(this.#around.log)
        signal.throwIfAborted()
      }
      this.#swap(entry, loaded, claim)
    } catch (reason) {
      claim?.release()
      if (unloaded.aborted) return this.status
      if (claim === undefined && this.#isRefusal(reason)) return this.status
      this.#loadMs = performance.now() - started
      this.#fail(entry, reason)
    }
    return this.status
  }

  /** Takes note of what a model in standby had no room for: it stays what it was. */
  #isRefusal(reason: unknown): boolean {
    if (!(this.#instance instanceof StandbyModel)) return false
    if (!(reason instanceof InferenceError) || reason.retryAfterMs === undefined) return false
    this.#refusal = reason
    const { name, version } = this.ref
    this.#around.log.warn({ model: name, version, reason: reason.message }, 'no room for a model')
    this.#become('ready', reason.message)
    return true
  }

  #swap(entry: ModelEntry, loaded: LoadedModel, claim: Claim | undefined): void {
    const old = this.#instance instanceof LeasedModel ? this.#instance : undefined
    const standIn = this.#instance instanceof StandbyModel ? this.#instance : undefined
    const instance = new LeasedModel(this.ref, loaded, {
      now: this.#isTimed(entry) ? this.#around.timers.now : undefined,
      revision: this.#revision,
      unusedMs: entry.unusedMs?.(),
    })
    this.#instance = instance
    this.#entry = entry
    this.#standby = undefined
    this.#hasBroken = false
    this.#runtime = entry.runtime
    this.#become('ready')
    logLoaded(this.#around.log, loaded, this.#recordOf(entry, old !== undefined))
    if (old !== undefined) this.#retire(old)
    if (claim !== undefined) {
      this.#memory.settle(claim, instance, {
        isPinned: entry.isPinned === true,
        isAwaited: () => standIn?.isAwaited === true,
        leave: () => this.#instance === instance && this.standBy('memory', 'others need the memory'),
      })
    }
    loaded.model.onFailure?.((reason) => this.#breakDown(instance, entry, reason))
    this.#watch(instance, entry)
  }

  /** Somebody looks at when it was used last. */
  #isTimed({ idleMs }: ModelEntry): boolean {
    return idleMs !== undefined || this.#around.budget !== undefined
  }

  #watch(instance: LeasedModel, { idleMs }: ModelEntry): void {
    this.#endWatch()
    if (idleMs === undefined) return
    const why = `no request for ${idleMs / 1000} s`
    this.#endWatch = watchIdle(instance, idleMs, this.#around.timers, () => void this.standBy('idle', why))
  }

  /**
   * Loads what is in standby, or waits for the load that is under way.
   *
   * @returns why there is no room for it @throws InferenceError where the load fails
   */
  async #wake(entry: ModelEntry): Promise<InferenceError | undefined> {
    // What is freed first need not be there twice.
    await Promise.all(this.#retiring)
    const before = this.#instance
    if (!(before instanceof StandbyModel)) return undefined
    this.#loading?.turn.hurry()
    await (this.#loading?.done ?? this.load(entry, undefined, new Turn(true)))
    if (this.#instance !== before) return undefined // loaded, though perhaps unloaded for another one since
    if (this.#refusal !== undefined) return this.#refusal
    const { name, version } = this.ref
    const message = `Model with name ${name} is not ready. Version ${version} failed to load: ${this.#reason ?? 'no reason is known'}`
    throw new InferenceError('unavailable', message)
  }

  /** A loaded model broke for good: its version is failed until somebody loads it again. */
  #breakDown(instance: LeasedModel, entry: ModelEntry, reason: unknown): void {
    if (this.#instance !== instance) return
    this.#instance = undefined
    this.#endWatch()
    this.#retire(instance)
    const { name, version } = this.ref
    const text = reasonOf(reason)
    this.#around.log.error({ model: name, version, source: entry.source, reason: text }, 'model failed while it served')
    this.#hasBroken = true
    this.#become('failed', text)
  }

  #fail(entry: ModelEntry, reason: unknown): void {
    const isServing = this.#instance instanceof LeasedModel
    const text = logFailed(this.#around.log, reason, this.#recordOf(entry, isServing))
    if (!isServing) this.#runtime = entry.runtime
    this.#become(isServing ? 'ready' : 'failed', text)
  }

  #recordOf(entry: ModelEntry, isServing: boolean): LoadRecord {
    return { ref: this.ref, revision: this.#revision, entry, loadMs: this.#loadMs, isServing }
  }

  #retire(instance: LeasedModel): void {
    const closed = instance.retire(this.#around.log).finally(() => {
      this.#memory.release(instance)
      this.#retiring.delete(closed)
    })
    this.#retiring.add(closed)
  }

  #become(state: ModelState, reason?: string): void {
    this.#state = state
    this.#reason = reason
    this.#around.changed(this)
  }
}
