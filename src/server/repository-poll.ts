/** Looks at the served paths again and again: loads what is new or has changed, unloads what is gone. */
import { messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Timers } from '../repository/timers.ts'
import { fingerprintOf } from './fingerprint.ts'
import type { ServedModelSource } from './models.ts'

/** What a poll works with. */
export interface PollParts {
  /** Looks anew for the models of the server. */
  readonly find: () => Promise<readonly ServedModelSource[]>
  /**
   * Loads `changed` of the versions of a model and unloads those that are not among `sources`.
   * @throws InferenceError for a load that failed
   */
  readonly apply: (
    name: string,
    sources: readonly ServedModelSource[],
    changed: readonly ServedModelSource[],
  ) => Promise<void>
  readonly log: Log
  readonly timers: Timers
  /** Between the end of one look and the next, in milliseconds. */
  readonly everyMs: number
  /** The same after a look that saw files which were not there, or other, before. */
  readonly againMs: number
  readonly fingerprint?: typeof fingerprintOf
}

/** One version in one look. */
interface Seen {
  readonly source: ServedModelSource
  readonly print: string
}

type Look = ReadonlyMap<string, ReadonlyMap<string, Seen>>

/**
 * A version is loaded when two looks one after the other saw the same files: what is being copied is left alone until it is
 * whole, however long that takes. What failed to load is tried again when its files change.
 */
export class RepositoryPoll {
  readonly #parts: PollParts
  readonly #fingerprint: typeof fingerprintOf
  /** By model and version: the files that were loaded, or tried, last. */
  #applied = new Map<string, Map<string, string>>()
  #last: Look = new Map()
  #cancel: () => void = () => undefined
  #isClosed = false
  #looking: Promise<void> = Promise.resolve()

  constructor(parts: PollParts) {
    this.#parts = parts
    this.#fingerprint = parts.fingerprint ?? fingerprintOf
  }

  /** Takes note of what the server is about to load. */
  async begin(sources: readonly ServedModelSource[]): Promise<void> {
    this.#last = await this.#lookAt(sources)
    for (const [name, versions] of this.#last) {
      this.#applied.set(name, new Map(Array.from(versions, ([version, { print }]) => [version, print])))
    }
  }

  start(): void {
    this.#plan(this.#parts.everyMs)
  }

  /** Looks once, after the look that goes on. Never throws. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look())
    return this.#looking
  }

  /** Something has changed: the next look comes soon. */
  hurry(afterMs: number): void {
    if (!this.#isClosed) this.#plan(afterMs)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancel()
    await this.#looking
  }

  #plan(afterMs: number): void {
    this.#cancel()
    this.#cancel = this.#parts.timers.after(afterMs, () => {
      void this.look().then(() => {
        if (!this.#isClosed) this.#plan(this.#isUnsettled() ? this.#parts.againMs : this.#parts.everyMs)
      })
    })
  }

  /** Something is there that was not loaded, or not there that was. */
  #isUnsettled(): boolean {
    for (const [name, versions] of this.#last) {
      for (const [version, { print }] of versions) if (this.#applied.get(name)?.get(version) !== print) return true
    }
    for (const [name, versions] of this.#applied) {
      for (const version of versions.keys()) if (this.#last.get(name)?.has(version) !== true) return true
    }
    return false
  }

  async #look(): Promise<void> {
    if (this.#isClosed) return
    const { find, log } = this.#parts
    try {
      const now = await this.#lookAt(await find())
      const before = this.#last
      this.#last = now
      const names = new Set([...now.keys(), ...before.keys(), ...this.#applied.keys()])
      await Promise.all(Array.from(names, (name) => this.#compare(name, before.get(name), now.get(name))))
    } catch (reason) {
      log.warn({ reason: messageOf(reason) }, 'the served paths could not be looked at, what is loaded goes on')
    }
  }

  async #lookAt(sources: readonly ServedModelSource[]): Promise<Look> {
    const seen = new Map<string, Map<string, Seen>>()
    for (const source of sources) {
      const { ref, root, entry } = source
      if (root === undefined) continue // of the program, or a graph
      const versions = seen.get(ref.name) ?? new Map<string, Seen>()
      const print = await this.#fingerprint({ root, source: entry.source ?? root })
      seen.set(ref.name, versions.set(ref.version, { source, print }))
    }
    return seen
  }

  async #compare(
    name: string,
    before: ReadonlyMap<string, Seen> | undefined,
    now: ReadonlyMap<string, Seen> | undefined,
  ): Promise<void> {
    const applied = this.#applied.get(name) ?? new Map<string, string>()
    const stable = [...(now ?? [])].filter(([version, { print }]) => before?.get(version)?.print === print)
    const changed = stable.filter(([version, { print }]) => applied.get(version) !== print)
    const gone = [...applied.keys()].filter((version) => !now?.has(version) && before?.has(version) !== true)
    if (changed.length === 0 && gone.length === 0) return
    // A version that is still being copied stays as it is, loaded or not.
    const kept = [...(now ?? [])].filter(
      ([version]) => applied.has(version) || stable.some(([each]) => each === version),
    )
    for (const version of gone) applied.delete(version)
    for (const [version, { print }] of changed) applied.set(version, print)
    if (applied.size === 0) this.#applied.delete(name)
    else this.#applied.set(name, applied)
    const { apply, log } = this.#parts
    const sourcesOf = (list: readonly (readonly [string, Seen])[]) => list.map(([, { source }]) => source)
    const versions = { loaded: changed.map(([version]) => version), gone }
    log.info({ model: name, ...versions }, 'files of a model have changed')
    try {
      await apply(name, sourcesOf(kept), sourcesOf(changed))
    } catch (reason) {
      log.warn(
        { model: name, reason: messageOf(reason) },
        'a changed model was not loaded, it is tried again when its files change',
      )
    }
  }
}
