/** Changes that callers make to one worker and that all must share: loads, unloads, settings. */
import { InferenceError, messageOf } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { keepChange, type MeshChange } from '../modelmesh/mesh-change.ts'
import { loadOf, type ControlCall, type SettingsCall } from './messages.ts'
import type { WorkerProcess } from './worker-process.ts'

/** What a change needs of a worker. */
export type Follower = Pick<WorkerProcess, 'number' | 'phase' | 'isJoined'> & {
  readonly exchange: Pick<WorkerProcess['exchange'], 'ask'>
}

export interface ChangesOptions {
  readonly log: Log
  /** The workers that take part now. */
  readonly workers: () => readonly Follower[]
  /** Puts a new process in the place of one that has not done what the others did. */
  readonly replace: (process: Follower) => void
}

interface Entry {
  readonly sequence: number
  readonly call: ControlCall
}

/** One change at a time. What callers have changed is kept for workers that start later. */
export class Changes {
  readonly #options: ChangesOptions
  #journal: readonly Entry[] = []
  #sequence = 0
  /** Changes of names that still matter. */
  readonly #names = new Map<string, MeshChange>()
  readonly #settings = new Map<string, SettingsCall>()
  #tail: Promise<unknown> = Promise.resolve()

  constructor(options: ChangesOptions) {
    this.#options = options
  }

  /** What a worker that starts now must know. `sequence` is for {@link join}. */
  get state(): { readonly unloaded: string[]; readonly settings: SettingsCall[]; readonly sequence: number } {
    const isListed = this.#journal.some(({ call }) => call.verb === 'reload')
    const unloads = isListed ? [] : this.#journal.filter(({ call }) => call.verb === 'unload')
    return {
      unloaded: unloads.map(({ call }) => String(call.argument)),
      settings: [...this.#settings.values()],
      sequence: this.#sequence,
    }
  }

  /**
   * Does it in the worker that was asked, then in all others: what fails there changes nothing anywhere. A worker where
   * only it fails, twice, is replaced.
   *
   * @throws InferenceError the reason of the first worker; else the first of the others, with how many have done it
   */
  control(call: ControlCall, asked: Follower): Promise<void> {
    return this.#inTurn(async () => {
      await asked.exchange.ask(call)
      this.#note(call)
      const others = this.#options.workers().filter((process) => process !== asked)
      const failures = await Promise.all(others.map((process) => this.#repeat(call, process)))
      const failed = failures.filter((failure) => failure !== undefined)
      const [first] = failed
      if (first === undefined) return
      const done = others.length + 1 - failed.length
      throw new InferenceError(
        first.code,
        `done by ${done} of ${others.length + 1} workers, replacing the rest: ${first.message}`,
      )
    })
  }

  /** Changes settings in all workers; nothing anywhere where they are wrong. @throws InferenceError what is wrong */
  update(call: SettingsCall, asked: Follower): Promise<void> {
    return this.#inTurn(async () => {
      await asked.exchange.ask(call)
      const key = `${call.subject} ${call.model ?? ''}`
      const values = { ...this.#settings.get(key)?.values, ...call.values }
      this.#settings.set(key, { ...call, values })
      const others = this.#options.workers().filter((process) => process !== asked)
      await Promise.all(others.map((process) => process.exchange.ask(call).catch(() => undefined))) // checked by the first
    })
  }

  /** Brings a worker up to date that started at `sequence`; it takes part from then on. */
  join(process: Follower, sequence: number): Promise<void> {
    return this.#inTurn(async () => {
      const reload = this.#journal.findIndex(({ call }) => call.verb === 'reload')
      const missed = this.#journal.filter(
        (entry, index) =>
          entry.sequence > sequence ||
          entry.call.verb === 'objects' ||
          isOverride(entry.call) || // not what its own files say
          (reload >= 0 && index >= reload),
      )
      for (const { call } of missed) await process.exchange.ask(call)
      for (const argument of this.#names.values()) {
        await process.exchange.ask({ kind: 'control', verb: 'names', argument })
      }
      for (const settings of this.#settings.values()) await process.exchange.ask(settings)
      process.isJoined = true
    })
  }

  async #repeat(call: ControlCall, process: Follower): Promise<InferenceError | undefined> {
    try {
      await process.exchange.ask(call).catch(() => process.exchange.ask(call))
      return undefined
    } catch (reason) {
      if (process.phase === 'ended') return undefined // its successor reads the journal
      const { verb } = call
      if (verb === 'unload' && InferenceError.from(reason).code === 'invalid_argument') return undefined // is not there
      this.#options.log.error(
        { of: process.number, verb, reason: messageOf(reason) },
        'worker did not follow, replacing it',
      )
      this.#options.replace(process)
      return InferenceError.from(reason)
    }
  }

  /** Only what still matters is kept: a reload replaces all models, a load or unload what came before of that model. */
  #note(call: ControlCall): void {
    this.#sequence += 1
    if (call.verb === 'names') {
      keepChange(this.#names, call.argument as MeshChange) // a worker of this very version has made it
      return
    }
    const kept = this.#journal.filter((entry) => isOther(entry.call, call))
    this.#journal = [...kept, { sequence: this.#sequence, call }]
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#tail.then(work)
    this.#tail = done.catch(() => undefined) // told to who asked
    return done
  }
}

function isOther(earlier: ControlCall, later: ControlCall): boolean {
  const isObjects = later.verb === 'objects'
  if ((earlier.verb === 'objects') !== isObjects) return true
  if (isObjects || later.verb === 'reload') return false
  return earlier.verb === 'reload' || nameOf(earlier) !== nameOf(later)
}

function isOverride({ verb, argument }: ControlCall): boolean {
  return verb === 'load' && typeof argument === 'object'
}

function nameOf({ verb, argument }: ControlCall): unknown {
  return verb === 'load' ? loadOf(argument)[0] : argument
}
