/** Loads and unloads models on request, from where the server's models come from. */
import { InferenceError, messageOf } from '../core/errors.ts'
import type { RepositoryControl } from '../dataplane/model-control.ts'
import type { Repository } from '../repository/repository.ts'
import type { ModelStatus } from '../repository/status.ts'
import type { ServedModelSource } from './models.ts'

/** Looks anew for the models of the server. */
export type FindSources = () => Promise<readonly ServedModelSource[]>

export class ModelLoader implements RepositoryControl {
  readonly #repository: Repository
  readonly #find: FindSources
  readonly #signal: AbortSignal
  /** Per model the end of what was asked for so far: loads and unloads of one model follow each other. */
  readonly #tails = new Map<string, Promise<void>>()

  /** @param signal ends loads when the server closes */
  constructor(repository: Repository, find: FindSources, signal: AbortSignal) {
    this.#repository = repository
    this.#find = find
    this.#signal = signal
  }

  /** Versions that are gone from disk are unloaded once the others are loaded. */
  load(name: string): Promise<void> {
    return this.#inTurn(name, async () => {
      const sources = (await this.#found(name)).filter(({ ref }) => ref.name === name)
      if (sources.length === 0) {
        throw new InferenceError('not_found', `failed to load '${name}', no model of that name is in the served paths`)
      }
      const statuses = await Promise.all(sources.map(({ entry }) => this.#repository.load(entry, this.#signal)))
      const failed = statuses.find(({ state, reason }) => state !== 'ready' || reason !== undefined)
      if (failed !== undefined) throw loadFailure(failed)
      const versions = new Set(sources.map(({ ref }) => ref.version))
      const gone = this.#loaded(name).filter(({ ref }) => !versions.has(ref.version))
      await Promise.all(gone.map(({ ref }) => this.#repository.unload(ref)))
    })
  }

  unload(name: string): Promise<void> {
    return this.#inTurn(name, async () => {
      const versions = this.#repository.list().filter(({ ref }) => ref.name === name)
      if (versions.every(({ state, reason }) => state === 'unloaded' && reason === undefined)) {
        throw new InferenceError('invalid_argument', `Model to be unloaded has not been served: '${name}'`)
      }
      await this.#repository.unload({ name })
    })
  }

  async #found(name: string): Promise<readonly ServedModelSource[]> {
    try {
      return await this.#find()
    } catch (reason) {
      throw new InferenceError(
        'failed_precondition',
        `failed to load '${name}', failed to poll from model repository: ${messageOf(reason)}`,
        { cause: reason },
      )
    }
  }

  #loaded(name: string): readonly ModelStatus[] {
    return this.#repository.list().filter(({ ref, state }) => ref.name === name && state !== 'unloaded')
  }

  #inTurn(name: string, work: () => Promise<void>): Promise<void> {
    const done = (this.#tails.get(name) ?? Promise.resolve()).then(work)
    const tail = done
      .catch(() => undefined) // told to who asked
      .then(() => {
        if (this.#tails.get(name) === tail) this.#tails.delete(name)
      })
    this.#tails.set(name, tail)
    return done
  }
}

function loadFailure({ ref, state, reason }: ModelStatus): InferenceError {
  const detail = reason ?? `it is ${state}`
  const rest = state === 'ready' ? '; the version that was loaded before goes on serving' : ''
  return new InferenceError(
    'failed_precondition',
    `failed to load '${ref.name}', version ${ref.version}: ${detail}${rest}`,
  )
}
