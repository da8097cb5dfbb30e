/** The revisions of one InferenceService in this process: loaded beside each other, given their shares, unloaded after. */
import { InferenceError, messageOf } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { ModelRepository, RevisionShare } from '../../repository/model-repository.ts'
import type { ServedModelSource } from '../models.ts'
import { revisionName, type ObjectSource, type RolloutTarget } from './desired.ts'

/** The target, and where the manifest of its latest revision comes from. */
export interface SourcedTarget extends RolloutTarget {
  readonly source: ObjectSource
}

export type RevisionState = 'Pending' | 'Loading' | 'Loaded' | 'Standby' | 'FailedToLoad'

/** How one revision is. */
export interface RevisionReport {
  readonly name: string
  readonly state: RevisionState
  /** Why it failed. */
  readonly reason?: string
  /** When that was first seen, in milliseconds since 1970. */
  readonly failedMs?: number
}

export interface RolloutReport {
  readonly latest: RevisionReport
  readonly previous?: RevisionReport
  /** The share of the latest revision as it was asked for. */
  readonly percent: number
  /** Where the requests go now, the latest revision last. */
  readonly shares: readonly RevisionShare[]
}

export interface RolloutParts {
  /** Of the InferenceService. */
  readonly service: string
  /** Under which all of its revisions answer. */
  readonly model: string
  readonly repository: ModelRepository
  readonly log: Log
  readonly signal: AbortSignal
  /** The versions of a revision. @throws InferenceError where there is nothing to load */
  readonly find: (source: ObjectSource) => Promise<readonly ServedModelSource[]>
  readonly now: () => number
}

interface Revision {
  readonly number: number
  isSearching: boolean
  /** It answered once: what happens to it later is no matter of the rollout. */
  wasReady: boolean
  /** Why there is nothing to load. */
  failure: string | undefined
  failedMs: number | undefined
}

export class Rollout {
  readonly model: string
  readonly #parts: RolloutParts
  readonly #revisions = new Map<number, Revision>()
  #target: SourcedTarget
  #shares: readonly RevisionShare[] = []
  readonly #loads = new Set<Promise<void>>()
  #isClosed = false

  /** @param target whose latest revision the server itself loads, where {@link adopt} says so */
  constructor(parts: RolloutParts, target: SourcedTarget) {
    this.#parts = parts
    this.model = parts.model
    this.#target = target
  }

  /** Takes the latest revision as one that others load. */
  adopt(): void {
    const { latest } = this.#target
    this.#revisions.set(latest, {
      number: latest,
      isSearching: false,
      wasReady: false,
      failure: undefined,
      failedMs: undefined,
    })
    this.#shares = [{ revision: this.#nameOf(latest), percent: 100 }]
  }

  /** Goes where the target says: loads what is missing, and moves the requests once it is ready. */
  follow(target: SourcedTarget): void {
    this.#target = target
    this.reconcile()
  }

  /** Called after each change of a state. */
  reconcile(): void {
    if (this.#isClosed || this.#parts.signal.aborted) return
    const { latest, previous, source } = this.#target
    this.#ensure(latest, source)
    if (previous !== undefined && this.#isPreviousWanted()) this.#ensure(previous.number, previous.source)
    this.#route()
    for (const { number } of [...this.#revisions.values()]) {
      if (number === latest || (number === previous?.number && this.#isPreviousWanted())) continue
      this.#revisions.delete(number)
      void this.#parts.repository.removeRevision(this.#nameOf(number))
    }
  }

  /** Waits for the loads that were begun, whatever becomes of them. */
  async settled(): Promise<void> {
    await Promise.all(this.#loads)
  }

  /** The number of the revision that has what no canary has; undefined where none is ready. */
  get rolledOut(): number | undefined {
    const first = this.#shares[0]?.revision
    return [...this.#revisions.keys()].find((number) => this.#nameOf(number) === first && this.#isReady(number))
  }

  get report(): RolloutReport {
    const { latest, previous, percent = 100 } = this.#target
    return {
      latest: this.#reportOf(latest),
      ...(previous === undefined ? {} : { previous: this.#reportOf(previous.number) }),
      percent,
      shares: this.#shares,
    }
  }

  /** The revision that answers where no canary does, for who loads it anew. */
  get primary(): { readonly revision: string; readonly source: ObjectSource } {
    const { latest, previous, source } = this.#target
    const isPrevious = previous !== undefined && this.#shares[0]?.revision === this.#nameOf(previous.number)
    if (isPrevious) return { revision: this.#nameOf(previous.number), source: previous.source }
    return { revision: this.#nameOf(latest), source }
  }

  /** Drains and unloads all revisions; the name is gone. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#parts.repository.forget(this.model)
  }

  #nameOf(number: number): string {
    return revisionName(this.#parts.service, number)
  }

  /** The latest one may be at fault. */
  #isPreviousWanted(): boolean {
    const { latest, percent = 100 } = this.#target
    return percent < 100 || !(this.#isReady(latest) || this.#revisions.get(latest)?.wasReady === true)
  }

  #isReady(number: number): boolean {
    const { state } = this.#reportOf(number)
    const isReady = state === 'Loaded' || state === 'Standby'
    const revision = this.#revisions.get(number)
    if (isReady && revision !== undefined) revision.wasReady = true
    return isReady
  }

  #ensure(number: number, source: ObjectSource): void {
    if (this.#revisions.has(number)) return
    const revision: Revision = { number, isSearching: true, wasReady: false, failure: undefined, failedMs: undefined }
    this.#revisions.set(number, revision)
    const done = this.#load(revision, source).catch((reason: unknown) => {
      if (this.#isClosed || this.#revisions.get(number) !== revision) return
      revision.isSearching = false
      revision.failure = messageOf(reason)
      const { log, service } = this.#parts
      log.error({ service, revision: this.#nameOf(number), reason: revision.failure }, 'revision cannot be loaded')
      this.reconcile()
    })
    this.#loads.add(done)
    void done.finally(() => this.#loads.delete(done))
  }

  async #load(revision: Revision, source: ObjectSource): Promise<void> {
    const { repository, find, signal } = this.#parts
    const name = this.#nameOf(revision.number)
    const found = await find(source)
    const isWanted = (): boolean => !this.#isClosed && this.#revisions.get(revision.number) === revision
    if (!isWanted()) return
    const other = found.find(({ ref }) => ref.name !== this.model)
    if (other !== undefined) {
      const message = `the model would be served as '${other.ref.name}', its earlier revisions as '${this.model}': delete the InferenceService first`
      throw new InferenceError('failed_precondition', message)
    }
    const entries = found.map(({ entry }) => ({ ...entry, revision: name }))
    // Not announced: the server does not wait for it, and goes on being ready where it fails.
    const loads = entries.map((entry) => repository.load(entry, signal))
    revision.isSearching = false
    this.reconcile()
    await Promise.all(loads)
    if (isWanted()) this.reconcile()
    else await repository.removeRevision(name)
  }

  /** Moves the requests to those that are ready, by the shares that were asked for. */
  #route(): void {
    const { latest, previous, percent = 100 } = this.#target
    const isLatestReady = this.#isReady(latest)
    const isPreviousReady = previous !== undefined && this.#isReady(previous.number)
    const own = { revision: this.#nameOf(latest), percent: 100 }
    if (isLatestReady && (previous === undefined || percent === 100)) return this.#give([own])
    if (previous === undefined) return
    const rest = { revision: this.#nameOf(previous.number), percent: 100 }
    if (isLatestReady && isPreviousReady && percent > 0) {
      return this.#give([
        { ...rest, percent: 100 - percent },
        { ...own, percent },
      ])
    }
    if (isPreviousReady) return this.#give([rest])
    // The other one cannot come back: better the canary than nobody.
    if (isLatestReady && this.#reportOf(previous.number).state === 'FailedToLoad') this.#give([own])
  }

  #give(shares: readonly RevisionShare[]): void {
    if (JSON.stringify(shares) === JSON.stringify(this.#shares)) return
    const { repository, log, service } = this.#parts
    this.#shares = shares
    repository.route(this.model, shares)
    log.info({ service, traffic: shares.map(({ revision, percent }) => `${revision}: ${percent} %`) }, 'traffic moved')
  }

  #reportOf(number: number): RevisionReport {
    const name = this.#nameOf(number)
    const revision = this.#revisions.get(number)
    if (revision === undefined) return { name, state: 'Pending' }
    const fail = (reason: string): RevisionReport => {
      revision.failedMs ??= this.#parts.now()
      return { name, state: 'FailedToLoad', reason, failedMs: revision.failedMs }
    }
    if (revision.failure !== undefined) return fail(revision.failure)
    if (revision.isSearching) return { name, state: 'Loading' }
    const versions = this.#parts.repository.revision(name)
    const ready = versions.filter(({ state }) => state === 'ready')
    if (ready.length > 0) {
      return { name, state: ready.every(({ standby }) => standby !== undefined) ? 'Standby' : 'Loaded' }
    }
    if (versions.some(({ state }) => state === 'loading')) return { name, state: 'Loading' }
    const failed = versions.findLast(({ state }) => state === 'failed')
    return failed === undefined ? { name, state: 'Pending' } : fail(failed.reason ?? 'no reason is known')
  }
}
