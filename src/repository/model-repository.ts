/** The models of one server: every version with its state, and the lease that keeps one loaded while it works. */
import { InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import { silentLog, type Log } from '../core/log.ts'
import type { ModelEntry } from './entry.ts'
import type { Leasable } from './leased-model.ts'
import { Limiter } from '../core/limiter.ts'
import { ModelSlot } from './model-slot.ts'
import type { ModelHandle, Repository } from './repository.ts'
import type { ModelStatus, ServedMetadata, StandbyReason } from './status.ts'
import { systemTimers, type Timers } from './timers.ts'
import { compareVersions } from './version.ts'

/** Loads that run at once: two keep disk and CPU busy, more would only multiply the peak of memory. */
const concurrentLoads = 2

/** Requests that may wait for the load of a model in standby, where nobody says how many. */
const defaultMaxWaiting = 1000

export interface RepositoryOptions {
  readonly timers?: Timers
  /** Requests that may wait for the load of a model in standby; at least one may. */
  readonly maxWaiting?: number
}

/** All versions under one name. */
interface Family {
  /** Oldest first. */
  readonly slots: ModelSlot[]
  readonly byVersion: Map<string, ModelSlot>
  /** The highest ready version. */
  current: Leasable | undefined
}

export class ModelRepository implements Repository {
  readonly #families = new Map<string, Family>()
  readonly #listeners = new Set<(status: ModelStatus) => void>()
  readonly #log: Log
  readonly #limiter = new Limiter(concurrentLoads)
  readonly #timers: Timers
  readonly #maxWaiting: number
  #isClosed = false

  constructor(log: Log = silentLog, { timers = systemTimers, maxWaiting = defaultMaxWaiting }: RepositoryOptions = {}) {
    this.#log = log
    this.#timers = timers
    this.#maxWaiting = maxWaiting
  }

  /** Two Map look-ups at most and a counter: this is on the path of every request. */
  use<T>(ref: ModelRef, work: (model: ModelHandle) => Promise<T>): Promise<T> {
    const instance = this.#instance(ref)
    return instance === undefined ? Promise.reject(this.#unavailable(ref)) : instance.use(work)
  }

  metadata(ref: ModelRef): ServedMetadata {
    const instance = this.#instance(ref)
    if (instance === undefined) throw this.#unavailable(ref)
    const { served } = instance
    return ref.version === undefined ? served : { ...served, versions: [served.ref.version] }
  }

  status(ref: ModelRef): ModelStatus {
    const family = this.#family(ref)
    return slotOf(family, ref).status
  }

  list(): readonly ModelStatus[] {
    return [...this.#families.values()].flatMap((family) => family.slots.map((slot) => slot.status))
  }

  get isReady(): boolean {
    for (const { slots, current } of this.#families.values()) {
      for (const { state, isAnnounced, instance } of slots) {
        // A version that came later does not count while another answers: its load must not take the server out of service.
        const isAwaited = isAnnounced || current === undefined || current === instance
        if ((state === 'loading' || state === 'failed') && isAwaited) return false
      }
    }
    return true
  }

  /** Makes a version known before its load is asked for: it is listed, and nothing is ready yet. */
  announce(entry: ModelEntry): void {
    this.#slot(entry).announce()
  }

  load(entry: ModelEntry, signal?: AbortSignal): Promise<ModelStatus> {
    if (this.#isClosed) return Promise.reject(new InferenceError('unavailable', 'Server is shutting down.'))
    return this.#slot(entry).load(entry, signal)
  }

  async unload(ref: ModelRef): Promise<void> {
    const family = this.#family(ref)
    const slots = ref.version === undefined ? family.slots : [slotOf(family, ref)]
    await Promise.all(slots.map((slot) => slot.unload()))
  }

  /**
   * Frees the weights of a version that goes on answering: the next call loads it again.
   *
   * @param why for operators, as 'no request for 60 s'
   * @returns false where it is not loaded, or is being loaded
   * @throws InferenceError `not_found`
   */
  standBy(ref: ModelRef, reason: StandbyReason, why: string): boolean {
    return slotOf(this.#family(ref), ref).standBy(reason, why)
  }

  onChange(listener: (status: ModelStatus) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    const slots = [...this.#families.values()].flatMap((family) => family.slots)
    await Promise.all(slots.map((slot) => slot.unload()))
  }

  #instance(ref: ModelRef): Leasable | undefined {
    const family = this.#families.get(ref.name)
    return ref.version === undefined ? family?.current : family?.byVersion.get(ref.version)?.instance
  }

  #family(ref: ModelRef): Family {
    const family = this.#families.get(ref.name)
    if (family === undefined) throw unknownModel(ref)
    return family
  }

  #slot(entry: ModelEntry): ModelSlot {
    const { name, version } = entry.ref
    let family = this.#families.get(name)
    if (family === undefined) {
      family = { slots: [], byVersion: new Map(), current: undefined }
      this.#families.set(name, family)
    }
    let slot = family.byVersion.get(version)
    if (slot === undefined) {
      slot = new ModelSlot(entry, {
        log: this.#log,
        limiter: this.#limiter,
        timers: this.#timers,
        maxWaiting: this.#maxWaiting,
        changed: (changed) => this.#changed(changed),
      })
      family.byVersion.set(version, slot)
      family.slots.push(slot)
      family.slots.sort((left, right) => compareVersions(left.ref.version, right.ref.version))
    }
    return slot
  }

  #changed(slot: ModelSlot): void {
    const family = this.#families.get(slot.ref.name)
    if (family !== undefined) settle(family)
    for (const listener of this.#listeners) listener(slot.status)
  }

  /** Why a call cannot be taken, in KServe's words where the model exists and in Triton's where the version does not. */
  #unavailable(ref: ModelRef): InferenceError {
    const family = this.#families.get(ref.name)
    if (family === undefined) return unknownModel(ref)
    if (ref.version !== undefined) {
      const slot = family.byVersion.get(ref.version)
      if (slot === undefined) return unknownVersion(ref.name, ref.version)
      return notReady(slot)
    }
    const asked = family.slots.filter((slot) => slot.state !== 'unloaded')
    const newest = asked.at(-1)
    return newest === undefined
      ? new InferenceError('not_found', `Request for unknown model: '${ref.name}' has no available versions`)
      : notReady(newest)
  }
}

/** Chooses the version that answers where none is named, and tells each ready one of the others. */
function settle(family: Family): void {
  const ready = family.slots.filter((slot) => slot.instance !== undefined)
  const versions = ready.map((slot) => slot.ref.version)
  for (const { instance } of ready) instance?.announce(versions)
  family.current = ready.at(-1)?.instance
}

/** The version named, else the one that answers, else the newest. */
function slotOf(family: Family, { name, version }: ModelRef): ModelSlot {
  const slot =
    version === undefined
      ? (family.slots.findLast((candidate) => candidate.instance !== undefined) ?? family.slots.at(-1))
      : family.byVersion.get(version)
  if (slot === undefined) throw unknownVersion(name, version ?? '')
  return slot
}

function unknownModel({ name }: ModelRef): InferenceError {
  return new InferenceError('not_found', `Model with name ${name} does not exist.`)
}

function unknownVersion(name: string, version: string): InferenceError {
  return new InferenceError('not_found', `Request for unknown model: '${name}' version ${version} is not found`)
}

function notReady({ ref, state, reason, hasBroken }: ModelSlot): InferenceError {
  if (state === 'unloaded') {
    return new InferenceError(
      'unavailable',
      `Request for unknown model: '${ref.name}' version ${ref.version} is not at ready state`,
    )
  }
  const detail =
    state === 'failed'
      ? `Version ${ref.version} ${hasBroken ? 'failed' : 'failed to load'}: ${reason}`
      : `Version ${ref.version} is ${state}.`
  return new InferenceError('unavailable', `Model with name ${ref.name} is not ready. ${detail}`)
}
