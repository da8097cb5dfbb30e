/** Loads and unloads models on request, from where the server's models come from. */
import type { ServingConfig } from '../codec/tensorflow/reload-config.ts'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { LoadOverride } from '../dataplane/load-override.ts'
import type { RepositoryControl } from '../dataplane/model-control.ts'
import type { Repository } from '../repository/repository.ts'
import type { ModelStatus } from '../repository/status.ts'
import { tritonConfigOf } from '../repository/triton/read-config.ts'
import type { VersionLabels } from '../repository/version-labels.ts'
import { findConfigured, type ModelFinder } from './configured-models.ts'
import type { ServedModelSource } from './models.ts'
import type { UploadDirectory } from './uploads.ts'

/** What a loader works with. */
export interface LoaderParts {
  readonly repository: Repository
  readonly finder: ModelFinder
  readonly labels: VersionLabels
  /** Is told of the directories of uploads that models are loaded from. */
  readonly uploads: Pick<UploadDirectory, 'keep'>
  /** Ends loads when the server closes. */
  readonly signal: AbortSignal
}

const noLabels: ReadonlyMap<string, string> = new Map()

export class ModelLoader implements RepositoryControl {
  readonly #repository: Repository
  readonly #finder: ModelFinder
  readonly #labels: VersionLabels
  readonly #uploads: LoaderParts['uploads']
  readonly #signal: AbortSignal
  /** Per model the end of what was asked for so far: loads and unloads of one model follow each other. */
  readonly #tails = new Map<string, Promise<void>>()
  /** Per model the last configuration that named it. */
  readonly #configured = new Map<string, ServingConfig>()
  /** What was loaded last, by name and version. */
  readonly #loadedFrom = new Map<string, string | undefined>()
  #reloads: Promise<void> = Promise.resolve()

  constructor({ repository, finder, labels, uploads, signal }: LoaderParts) {
    this.#repository = repository
    this.#finder = finder
    this.#labels = labels
    this.#uploads = uploads
    this.#signal = signal
  }

  /** Takes note of what the server itself loads. */
  begin(sources: readonly ServedModelSource[]): void {
    this.#remember(sources)
    for (const [name, own] of byName(sources)) this.#setLabels(name, own)
  }

  /** Versions that are gone from disk are unloaded once the others are loaded. */
  load(name: string, override?: LoadOverride): Promise<void> {
    return this.#inTurn(name, async () => {
      const sources = await (override === undefined ? this.#found(name) : this.#overridden(name, override))
      if (sources.length === 0) {
        throw new InferenceError('not_found', `failed to load '${name}', no model of that name is in the served paths`)
      }
      try {
        await this.#loadOnly(name, sources, sources)
      } finally {
        // Of several versions one may have failed, and another be served from there.
        if (override?.directory !== undefined && sources.some((source) => this.#hasTaken(source))) {
          this.#uploads.keep(override.directory)
        }
      }
      if (!this.#configured.has(name)) this.#setLabels(name, sources)
    })
  }

  /**
   * For who looks at the files: loads `changed` of the versions found, then unloads what is not among `sources`.
   *
   * @throws InferenceError for a load that failed: nothing is unloaded then
   */
  apply(name: string, sources: readonly ServedModelSource[], changed: readonly ServedModelSource[]): Promise<void> {
    return this.#inTurn(name, async () => {
      await this.#loadOnly(name, sources, changed)
      if (!this.#configured.has(name)) this.#setLabels(name, sources)
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

  /** One after the other. Versions that are ready, from the same place, are not loaded anew. */
  reload(configs: readonly ServingConfig[]): Promise<void> {
    const done = this.#reloads.then(() => this.#reload(configs))
    this.#reloads = done.catch(() => undefined) // told to who asked
    return done
  }

  async #reload(configs: readonly ServingConfig[]): Promise<void> {
    const listed = await findConfigured(configs, this.#finder)
    const loads = listed.map(({ config, sources }) =>
      this.#inTurn(config.name, async () => {
        const changed = sources.filter((source) => !this.#isServing(source))
        await this.#loadOnly(config.name, sources, changed)
        this.#configured.set(config.name, config)
        this.#labels.set(config.name, config.labels)
      }),
    )
    const failed = (await Promise.allSettled(loads)).find(({ status }) => status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
    const kept = new Set(configs.map(({ name }) => name))
    const others = new Set(this.#repository.list().map(({ ref }) => ref.name))
    await Promise.all(
      [...others]
        .filter((name) => !kept.has(name))
        .map((name) =>
          this.#inTurn(name, async () => {
            this.#configured.delete(name)
            this.#labels.set(name, noLabels)
            await this.#repository.unload({ name })
          }),
        ),
    )
  }

  /** Loads `changed`, then unloads the versions that are not among `sources`. @throws InferenceError for a load that failed */
  async #loadOnly(
    name: string,
    sources: readonly ServedModelSource[],
    changed: readonly ServedModelSource[],
  ): Promise<void> {
    const statuses = await Promise.all(changed.map(({ entry }) => this.#repository.load(entry, this.#signal)))
    const failed = statuses.find(({ state, reason }) => state !== 'ready' || reason !== undefined)
    if (failed !== undefined) throw loadFailure(failed)
    this.#remember(changed)
    const versions = new Set(sources.map(({ ref }) => ref.version))
    const gone = this.#loaded(name).filter(({ ref }) => !versions.has(ref.version))
    await Promise.all(gone.map(({ ref }) => this.#repository.unload(ref)))
  }

  async #found(name: string): Promise<readonly ServedModelSource[]> {
    try {
      const config = this.#configured.get(name)
      if (config !== undefined) return (await findConfigured([config], this.#finder)).flatMap(({ sources }) => sources)
      return (await this.#finder.all()).filter(({ ref }) => ref.name === name)
    } catch (reason) {
      throw new InferenceError(
        'failed_precondition',
        `failed to load '${name}', failed to poll from model repository: ${messageOf(reason)}`,
        { cause: reason },
      )
    }
  }

  /** @throws InferenceError `invalid_argument` for the configuration; `not_found` where the files are not there */
  async #overridden(name: string, { config: given, directory }: LoadOverride): Promise<readonly ServedModelSource[]> {
    const source = `load parameter 'config' of model '${name}'`
    const config = tritonConfigOf(given, source)
    if (config.name !== undefined && config.name !== '' && config.name !== name) {
      throw new InferenceError(
        'invalid_argument',
        `${source}: 'name' is '${config.name}'; leave it out, or give '${name}'`,
      )
    }
    const root = directory ?? (await this.#found(name)).find((found) => found.root !== undefined)?.root
    return root === undefined ? [] : this.#finder.at(root, name, { value: config, source })
  }

  /** The labels that the model's own files give. */
  #setLabels(name: string, sources: readonly ServedModelSource[]): void {
    const own = sources.filter(({ ref }) => ref.name === name).flatMap(({ labels = {} }) => Object.entries(labels))
    this.#labels.set(name, new Map(own.map(([label, version]) => [label, String(version)])))
  }

  #remember(sources: readonly ServedModelSource[]): void {
    for (const source of sources) this.#loadedFrom.set(keyOf(source), source.root)
  }

  #isServing(source: ServedModelSource): boolean {
    const key = keyOf(source)
    if (!this.#loadedFrom.has(key) || this.#loadedFrom.get(key) !== source.root) return false
    return this.#loaded(source.ref.name).some(
      ({ ref, state }) => ref.version === source.ref.version && state === 'ready',
    )
  }

  /** Its load went well: no reason was left behind. */
  #hasTaken({ ref }: ServedModelSource): boolean {
    return this.#loaded(ref.name).some(
      ({ ref: { version }, state, reason }) => version === ref.version && state === 'ready' && reason === undefined,
    )
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

function byName(sources: readonly ServedModelSource[]): ReadonlyMap<string, readonly ServedModelSource[]> {
  const groups = new Map<string, ServedModelSource[]>()
  for (const source of sources) {
    const group = groups.get(source.ref.name)
    if (group === undefined) groups.set(source.ref.name, [source])
    else group.push(source)
  }
  return groups
}

function keyOf({ ref }: ServedModelSource): string {
  return `${ref.name}\0${ref.version}`
}

function loadFailure({ ref, state, reason }: ModelStatus): InferenceError {
  const detail = reason ?? `it is ${state}`
  const rest = state === 'ready' ? '; the version that was loaded before goes on serving' : ''
  return new InferenceError(
    'failed_precondition',
    `failed to load '${ref.name}', version ${ref.version}: ${detail}${rest}`,
  )
}
