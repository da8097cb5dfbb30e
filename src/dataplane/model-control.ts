/** The repository on request: its index, loads and unloads, in Triton's words; TF Serving's reload. */
import type { ServingConfig } from '../codec/tensorflow/reload-config.ts'
import { InferenceError } from '../core/errors.ts'
import type { Repository } from '../repository/repository.ts'
import type { ModelState, ModelStatus } from '../repository/status.ts'
import { readOverride, type GivenOverride, type LoadOverride, type Uploads } from './load-override.ts'

/** Loads and unloads by name; the server knows from where. */
export interface RepositoryControl {
  /**
   * Looks for the versions of a model anew and loads each; an older instance serves meanwhile, and goes on where the
   * load fails.
   *
   * @param override holds until the next load or unload of the model
   * @throws InferenceError with the reason of the first failure; `invalid_argument` where the override is wrong
   */
  load(name: string, override?: LoadOverride): Promise<void>
  /** Drains and closes every version. @throws InferenceError where it was never served */
  unload(name: string): Promise<void>
  /** Serves exactly what is listed. @throws InferenceError with what is wrong with the list, or the reason of a failed load */
  reload(configs: readonly ServingConfig[]): Promise<void>
}

/** One version; a model that was never asked for has nothing but its name. */
export interface IndexEntry {
  readonly name: string
  readonly version?: string
  readonly state?: 'READY' | 'UNAVAILABLE' | 'LOADING' | 'UNLOADING'
  readonly reason?: string
}

const states: Readonly<Record<ModelState, NonNullable<IndexEntry['state']>>> = {
  unloaded: 'UNAVAILABLE',
  loading: 'LOADING',
  ready: 'READY',
  unloading: 'UNLOADING',
  failed: 'UNAVAILABLE',
}

/** Parameters of a load or unload as they came, whatever their types. */
export type ControlParameters = Readonly<Record<string, unknown>>

export class ModelControl {
  readonly #repository: Repository
  readonly #control: RepositoryControl | undefined
  readonly #uploads: Uploads | undefined

  /** @param uploads where files go that come with a load; they are refused where it is absent */
  constructor(repository: Repository, control: RepositoryControl | undefined, uploads?: Uploads) {
    this.#repository = repository
    this.#control = control
    this.#uploads = uploads
  }

  /** True where models are loaded and unloaded on request. */
  get isEnabled(): boolean {
    return this.#control !== undefined
  }

  /** @param isReadyOnly leaves out what does not answer requests */
  index(isReadyOnly = false): readonly IndexEntry[] {
    const entries = this.#repository.list().map(entryOf)
    const seen = new Set<string>()
    return entries.filter(({ name, version, state }) => {
      if (isReadyOnly && state !== 'READY') return false
      if (version !== undefined) return true
      const isNew = !seen.has(name)
      seen.add(name)
      return isNew
    })
  }

  /**
   * @param parameters `config`, and with it `file:<version>/<path>`, as Triton's clients send them
   * @throws InferenceError `unavailable` where loading on request is off; `invalid_argument` for names and parameters;
   *   the reason of a load that failed: what was loaded before goes on serving
   */
  async load(name: string, parameters: ControlParameters = {}): Promise<void> {
    const control = this.#enabled()
    checkName(name)
    const given = readOverride(name, parameters)
    const moment = this.#uploads?.now() ?? 0
    if (given !== undefined && given.files.size > 0) return this.#loadUploaded(control, name, given)
    await control.load(name, given && { config: given.config })
    await this.#uploads?.dropBefore(name, moment)
  }

  /** @throws InferenceError `unavailable` where it is off; `invalid_argument` for names, parameters and unserved models */
  async unload(name: string, parameters: ControlParameters = {}): Promise<void> {
    const control = this.#enabled()
    checkName(name)
    for (const [key, value] of Object.entries(parameters)) {
      if (key !== 'unload_dependents') throw invalid(`Unrecognized unload parameter '${key}' for model '${name}'`)
      if (typeof value !== 'boolean') throw invalid(`parameter 'unload_dependents' must be true or false`)
    }
    const moment = this.#uploads?.now() ?? 0
    await control.unload(name)
    await this.#uploads?.dropBefore(name, moment)
  }

  /**
   * Loads what is listed, unloads every other model, and sets the labels. Nothing changes where the list is wrong, and nothing is unloaded where
   * a load fails.
   *
   * @throws InferenceError `unavailable` where loading on request is off; what is wrong with the list; the reason of a failed load
   */
  reload(configs: readonly ServingConfig[]): Promise<void> {
    return this.#enabled().reload(configs)
  }

  async #loadUploaded(control: RepositoryControl, name: string, { config, files }: GivenOverride): Promise<void> {
    if (this.#uploads === undefined) throw new InferenceError('unimplemented', 'this server takes no files')
    const moment = this.#uploads.now()
    const directory = await this.#uploads.stage(name, files)
    try {
      await control.load(name, { config, directory })
    } catch (reason) {
      await this.#uploads.drop(directory)
      throw reason
    }
    await this.#uploads.dropBefore(name, moment)
  }

  #enabled(): RepositoryControl {
    if (this.#control !== undefined) return this.#control
    throw new InferenceError(
      'unavailable',
      'explicit model load / unload is not allowed if polling is enabled or the server runs with --model-control none',
    )
  }
}

function entryOf({ ref, state, reason }: ModelStatus): IndexEntry {
  if (state === 'unloaded' && reason === undefined) return { name: ref.name }
  return { ...ref, state: states[state], ...(reason === undefined ? {} : { reason }) }
}

function checkName(name: string): void {
  if (name === '') throw invalid('model name is empty')
  if (/[/\\]/.test(name) || name === '.' || name === '..') {
    throw invalid(`invalid model name '${name}', model name must not contain path traversal characters`)
  }
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
