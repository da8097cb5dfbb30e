/** The models of one server: every version with its state, and the lease that keeps one loaded while it works. */
import { InferenceError } from '../core/errors.ts'
import { inLanes } from '../core/in-lanes.ts'
import type { ModelRef } from '../core/inference.ts'
import { silentLog, type Log } from '../core/log.ts'
import type { ModelEntry } from './entry.ts'
import { instanceOf, notReady, settle, slotOf, unknownModel, unknownVersion, type Family } from './family.ts'
import { LeasedModel, type Leasable } from './leased-model.ts'
import { LoadQueue } from './load-queue.ts'
import { MemoryBudget, type BudgetOptions, type BudgetUsage } from './memory-budget.ts'
import { ModelSlot, type SlotSurroundings } from './model-slot.ts'
import type { ModelHandle, Repository } from './repository.ts'
import type { ModelStatus, ServedMetadata, StandbyReason } from './status.ts'
import { systemTimers, type Timers } from './timers.ts'
import { TrafficSplit } from './traffic-split.ts'
import { compareVersions } from './version.ts'

/** Loads that run at once: two keep disk and CPU busy, more would only multiply the peak of memory. */
export const concurrentLoads = 2

/** Of the memory budget, filled before the first request. */
const warmedFraction = 0.9

/** Requests that may wait for the load of a model in standby, where nobody says how many. */
const defaultMaxWaiting = 1000

export interface RepositoryOptions {
  readonly timers?: Timers
  /** Requests that may wait for the load of a model in standby; at least one may. */
  readonly maxWaiting?: number
  /** Memory that loaded models may hold together; unlimited where absent. */
  readonly budget?: Omit<BudgetOptions, 'timers' | 'loads'>
  /** How long a load that failed is not tried again; longer with each failure where absent. Milliseconds. */
  readonly failureMs?: number | undefined
  /** Told how long a request waited for a load. */
  readonly missed?: SlotSurroundings['missed']
}

/** The share of a revision in the requests of a name, 0 to 100. */
export interface RevisionShare {
  readonly revision: string
  readonly percent: number
}

/** What one revision does. */
export interface RevisionCount {
  /** Under which it answers. */
  readonly name: string
  readonly revision: string
  /** Requests that were given to it. */
  readonly requests: number
}

export class ModelRepository implements Repository {
  /** By name: those whose versions are listed and answer, or share the requests with others. */
  readonly #families = new Map<string, Family>()
  readonly #revisions = new Map<string, Family>()
  readonly #listeners = new Set<(status: ModelStatus) => void>()
  readonly #budget: MemoryBudget | undefined
  readonly #around: Omit<SlotSurroundings, 'changed'>
  #isClosed = false
  #isWarming = false

  constructor(log: Log = silentLog, options: RepositoryOptions = {}) {
    const {
      timers = systemTimers,
      maxWaiting = defaultMaxWaiting,
      budget,
      failureMs,
      missed = () => undefined,
    } = options
    this.#budget = budget && new MemoryBudget({ ...budget, timers, loads: concurrentLoads })
    const queue = new LoadQueue(concurrentLoads)
    this.#around = { log, queue, timers, maxWaiting, budget: this.#budget, failureMs, missed }
  }

  /** Two Map look-ups at most and a counter: this is on the path of every request. */
  use<T>(ref: ModelRef, work: (model: ModelHandle) => Promise<T>): Promise<T> {
    const family = this.#find(ref.name)
    // Who asks for a revision by its own name means that one.
    const split = ref.name === family?.name ? family.split : undefined
    const chosen = split === undefined ? family : (split.next((each) => instanceOf(each, ref) !== undefined) ?? family)
    if (chosen !== undefined) chosen.requests += 1
    const instance = instanceOf(chosen, ref)
    return instance === undefined ? Promise.reject(this.#unavailable(ref)) : instance.use(work)
  }

  metadata(ref: ModelRef): ServedMetadata {
    const { served } = this.#answering(ref)
    if (served === undefined) throw new InferenceError('unavailable', `Model with name ${ref.name} is not loaded yet.`)
    return ref.version === undefined ? served : { ...served, versions: [served.ref.version] }
  }

  peek(ref: ModelRef): ServedMetadata | undefined {
    return instanceOf(this.#find(ref.name), ref)?.served
  }

  check(ref: ModelRef): void {
    this.#answering(ref)
  }

  wake(ref: ModelRef): Promise<void> | undefined {
    const instance = instanceOf(this.#find(ref.name), ref)
    return instance === undefined || instance.served !== undefined ? undefined : instance.use(() => Promise.resolve())
  }

  /** True where a model of this name is known, in whatever state. */
  has(name: string): boolean {
    return this.#find(name) !== undefined
  }

  /** Has a loaded model count as used so many milliseconds ago, where it was not used since. @throws InferenceError `not_found` */
  touch(ref: ModelRef, unusedMs: number): void {
    const { instance } = slotOf(this.#family(ref), ref)
    if (instance instanceof LeasedModel) instance.touch(unusedMs)
  }

  status(ref: ModelRef): ModelStatus {
    const family = this.#family(ref)
    return slotOf(family, ref).status
  }

  list(): readonly ModelStatus[] {
    return [...this.#families.values()].flatMap((family) => family.slots.map((slot) => slot.status))
  }

  get isReady(): boolean {
    if (this.#isWarming) return false
    for (const { slots, current, revision } of this.#families.values()) {
      for (const { state, isAnnounced, hasBroken, instance, isOptional } of slots) {
        if (isOptional) continue
        // A version that came later does not count while another answers: its load must not take the server out of service.
        // Nor does a revision that was applied to the running server, unless it answered before.
        const isAlone = revision === undefined ? current === undefined || current === instance : hasBroken
        const isAwaited = isAnnounced || isAlone
        if ((state === 'loading' || state === 'failed') && isAwaited) return false
      }
    }
    return true
  }

  /** Makes a version known that its first request loads. */
  register(entry: ModelEntry): void {
    this.#slot(entry).register(entry)
  }

  /** The versions that are loaded, the one used last first. */
  recent(): readonly Required<ModelRef>[] {
    const slots = [...this.#families.values()].flatMap((family) => family.slots)
    const used = slots.flatMap(({ ref, lastUse }) => (lastUse === undefined ? [] : [{ ref, lastUse }]))
    return used.toSorted((left, right) => right.lastUse - left.lastUse).map(({ ref }) => ref)
  }

  /**
   * Loads versions in standby ahead of their first request, in this order, while nine tenths of the memory are enough. Not
   * ready meanwhile; what is not known is left out, and what fails waits for its first request.
   */
  async warm(refs: readonly Required<ModelRef>[]): Promise<void> {
    this.#isWarming = true
    try {
      await inLanes(refs, concurrentLoads, async (ref) => {
        const { usedBytes = 0, budgetBytes = Infinity } = this.memory ?? {}
        if (usedBytes < budgetBytes * warmedFraction) await this.wake(ref)?.catch(() => undefined) // its status tells why
      })
    } finally {
      this.#isWarming = false
    }
  }

  /** Memory that models hold and may hold, and who left for whom; undefined where there is no limit. */
  get memory(): BudgetUsage | undefined {
    return this.#budget?.usage
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
    const all = family.split?.shares.map(({ target }) => target) ?? [family]
    const slots = ref.version === undefined ? all.flatMap((each) => each.slots) : [slotOf(family, ref)]
    await Promise.all(slots.map((slot) => slot.unload()))
  }

  /**
   * Divides the requests for a name among revisions, from the next request on.
   *
   * @param shares the first is the one whose metadata and versions are told; together 100 per cent
   * @throws InferenceError `not_found` for a revision that nothing was loaded for
   */
  route(name: string, shares: readonly RevisionShare[]): void {
    const parts = shares.map(({ revision, percent }) => {
      const target = this.#revisions.get(revision)
      if (target?.name === name) return { target, percent }
      throw new InferenceError('not_found', `model '${name}' has no revision '${revision}'`)
    })
    const [first] = parts
    if (first === undefined) return
    for (const family of this.#revisions.values()) if (family.name === name) family.split = undefined
    this.#families.set(name, first.target)
    if (parts.length > 1) first.target.split = new TrafficSplit(parts)
    for (const { status } of first.target.slots) this.#tell(status)
  }

  /** The versions of one revision, oldest first; none where it is not known. */
  revision(revision: string): readonly ModelStatus[] {
    return this.#revisions.get(revision)?.slots.map(({ status }) => status) ?? []
  }

  /** What each revision was given. */
  revisionCounts(): readonly RevisionCount[] {
    return [...this.#revisions].map(([revision, { name, requests }]) => ({ name, revision, requests }))
  }

  /** Drains and closes the versions of a revision, then forgets it; with the last one the name is gone too. */
  async removeRevision(revision: string): Promise<void> {
    const family = this.#revisions.get(revision)
    if (family === undefined) return
    this.#revisions.delete(revision)
    const primary = this.#families.get(family.name)
    if (primary === family) this.#families.delete(family.name)
    else if (primary?.split?.shares.some(({ target }) => target === family) === true) primary.split = undefined
    await Promise.all(family.slots.map((slot) => slot.unload()))
  }

  /** Drains and closes all versions under a name, then forgets it. */
  async forget(name: string): Promise<void> {
    const own = [...this.#revisions].filter(([, family]) => family.name === name).map(([revision]) => revision)
    const family = this.#families.get(name)
    this.#families.delete(name)
    await Promise.all([
      ...own.map((revision) => this.removeRevision(revision)),
      ...(family?.slots.map((slot) => slot.unload()) ?? []),
    ])
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
    this.#budget?.close()
    const families = new Set([...this.#families.values(), ...this.#revisions.values()])
    await Promise.all([...families].flatMap(({ slots }) => slots.map((slot) => slot.unload())))
  }

  /** What takes the calls. @throws InferenceError where nothing does */
  #answering(ref: ModelRef): Leasable {
    const instance = instanceOf(this.#find(ref.name), ref)
    if (instance === undefined) throw this.#unavailable(ref)
    if (instance.isReady !== false) return instance
    throw new InferenceError('unavailable', `Model with name ${ref.name} is not ready.`)
  }

  /** A revision also answers to its own name, whatever its share. */
  #find(name: string): Family | undefined {
    return this.#families.get(name) ?? this.#revisions.get(name)
  }

  #family(ref: ModelRef): Family {
    const family = this.#find(ref.name)
    if (family === undefined) throw unknownModel(ref)
    return family
  }

  #slot(entry: ModelEntry): ModelSlot {
    const { version } = entry.ref
    const family = this.#familyFor(entry)
    let slot = family.byVersion.get(version)
    if (slot === undefined) {
      slot = new ModelSlot(entry, {
        ...this.#around,
        changed: ({ status }) => {
          settle(family)
          this.#tell(status)
        },
      })
      family.byVersion.set(version, slot)
      family.slots.push(slot)
      family.slots.sort((left, right) => compareVersions(left.ref.version, right.ref.version))
    }
    return slot
  }

  /** The first revision of a name has all of its requests. */
  #familyFor({ ref: { name }, revision }: ModelEntry): Family {
    const known = revision === undefined ? this.#families.get(name) : this.#revisions.get(revision)
    if (known !== undefined) return known
    const family: Family = {
      name,
      revision,
      requests: 0,
      split: undefined,
      slots: [],
      byVersion: new Map(),
      current: undefined,
    }
    if (revision !== undefined) this.#revisions.set(revision, family)
    if (!this.#families.has(name)) this.#families.set(name, family)
    return family
  }

  #tell(status: ModelStatus): void {
    for (const listener of this.#listeners) listener(status)
  }

  /** Why a call cannot be taken, in KServe's words where the model exists and in Triton's where the version does not. */
  #unavailable(ref: ModelRef): InferenceError {
    const family = this.#find(ref.name)
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
