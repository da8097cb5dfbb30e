/** The repository on request: its index, loads and unloads, in Triton's words; TF Serving's reload. */
import type { ServingConfig } from '../codec/tensorflow/reload-config.ts'
import { InferenceError } from '../core/errors.ts'
import type { Repository } from '../repository/repository.ts'
import type { ModelState, ModelStatus } from '../repository/status.ts'

/** Loads and unloads by name; the server knows from where. */
export interface RepositoryControl {
  /**
   * Looks for the versions of a model anew and loads each; an older instance serves meanwhile, and goes on where the
   * load fails.
   * @throws InferenceError with the reason of the first failure
   */
  load(name: string): Promise<void>
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

  constructor(repository: Repository, control: RepositoryControl | undefined) {
    this.#repository = repository
    this.#control = control
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
   * @throws InferenceError `unavailable` where loading on request is off; `invalid_argument` for names and parameters;
   *   `unimplemented` for overrides; the reason of a load that failed
   */
  async load(name: string, parameters: ControlParameters = {}): Promise<void> {
    const control = this.#enabled()
    checkName(name)
    checkLoadParameters(name, parameters)
    await control.load(name)
  }

  /** @throws InferenceError `unavailable` where it is off; `invalid_argument` for names, parameters and unserved models */
  async unload(name: string, parameters: ControlParameters = {}): Promise<void> {
    const control = this.#enabled()
    checkName(name)
    for (const [key, value] of Object.entries(parameters)) {
      if (key !== 'unload_dependents') throw invalid(`Unrecognized unload parameter '${key}' for model '${name}'`)
      if (typeof value !== 'boolean') throw invalid(`parameter 'unload_dependents' must be true or false`)
    }
    await control.unload(name)
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

/** What can be wrong with overrides is told before that they are not taken. */
function checkLoadParameters(model: string, parameters: ControlParameters): void {
  const { config, ...others } = parameters
  for (const [key, value] of Object.entries(others)) {
    if (!key.startsWith('file:')) throw invalid(`Unrecognized load parameter '${key}' for model '${model}'`)
    if (typeof value !== 'string' && !(value instanceof Uint8Array)) {
      throw invalid(`load parameter '${key}' must be the base64 text of a file`)
    }
  }
  if (config !== undefined) checkConfig(config)
  const [file] = Object.keys(others)
  if (file !== undefined && config === undefined) {
    throw invalid(`load parameter '${file}' is given without 'config': an override of files needs the model's config`)
  }
  if (config === undefined) return
  throw new InferenceError(
    'unimplemented',
    `load parameter 'config': this server takes no overrides; change the files of model '${model}' and load it without parameters`,
  )
}

function checkConfig(config: unknown): void {
  if (typeof config !== 'string')
    throw invalid(`load parameter 'config' must be a string that holds the config as JSON`)
  try {
    const parsed: unknown = JSON.parse(config)
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return
  } catch (cause) {
    throw new InferenceError('invalid_argument', 'Invalid config override: it is no valid JSON', { cause })
  }
  throw invalid('Invalid config override: it must be a JSON object')
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
