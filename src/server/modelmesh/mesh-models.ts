/** Models that came by an id and a path: known from then on, loaded when somebody asks. */
import { hostname } from 'node:os'
import { InferenceError, messageOf } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { MeshModelInfo, MeshModelState, MeshModelStatus } from '../../grpc/model-mesh.ts'
import type { ModelEntry } from '../../repository/entry.ts'
import type { ModelRepository } from '../../repository/model-repository.ts'
import type { ModelStatus } from '../../repository/status.ts'
import type { LocatedModel } from './mesh-entry.ts'

/** So many models by request; each costs about ten kilobytes before it is loaded. */
const mostModels = 100_000
/** A model of this API is what it is: another one has another id. */
const version = '1'

export interface MeshModelsParts {
  readonly repository: ModelRepository
  /** Finds a model's files. @throws InferenceError that says what is wrong with the path or what lies there */
  readonly locate: (id: string, info: MeshModelInfo, signal: AbortSignal) => Promise<LocatedModel>
  readonly log: Log
  /** Ends loads when the server closes. */
  readonly signal: AbortSignal
}

/** How a model comes. */
export interface Registration {
  readonly info: MeshModelInfo
  /** Milliseconds since 1970 at which it counts as used last. */
  readonly lastUsedTime: number
  /** It goes with the last vmodel that leads to it. */
  readonly isAutoDeleted: boolean
}

interface Registered {
  readonly info: MeshModelInfo
  readonly isAutoDeleted: boolean
  readonly entry: ModelEntry
  /** Present once it was loaded. */
  located: LocatedModel | undefined
  lastUsedTime: number
  /** Loads under way. */
  loads: number
  changedMs: number
}

export class MeshModels {
  readonly #parts: MeshModelsParts
  readonly #byId = new Map<string, Registered>()
  readonly #endWatch: () => void

  constructor(parts: MeshModelsParts) {
    this.#parts = parts
    this.#endWatch = parts.repository.onChange(({ ref }) => {
      const known = this.#byId.get(ref.name)
      if (known !== undefined) known.changedMs = Date.now()
    })
  }

  /** What was registered; undefined for models that the server was started with, too. */
  get(id: string): Pick<Registered, 'info' | 'isAutoDeleted' | 'lastUsedTime'> | undefined {
    return this.#byId.get(id)
  }

  /** True for every model of the server. */
  has(id: string): boolean {
    return this.#parts.repository.has(id)
  }

  isLoaded(id: string): boolean {
    return this.has(id) && isLoaded(this.#parts.repository.status({ name: id }))
  }

  /** @throws InferenceError `invalid_argument` for the id; `resource_exhausted` where there are too many */
  register(id: string, { info, lastUsedTime, isAutoDeleted }: Registration): void {
    if (/[/\\:]/.test(id)) {
      throw new InferenceError('invalid_argument', `a model cannot be named '${id}': no slash, backslash or colon`)
    }
    if (this.#byId.size >= mostModels) {
      throw new InferenceError('resource_exhausted', `${mostModels} models are registered: unregister one first`)
    }
    const known = { info, isAutoDeleted, lastUsedTime, located: undefined, loads: 0, changedMs: Date.now() }
    const registered: Registered = { ...known, entry: this.#entry(id, () => registered) }
    this.#byId.set(id, registered)
    this.#parts.repository.register(registered.entry)
    this.#parts.log.info({ model: id, type: info.type, path: info.path }, 'model registered')
  }

  /** Counts as used then, where it was not used since. @param lastUsedTime milliseconds since 1970 */
  touch(id: string, lastUsedTime: number): void {
    const known = this.#byId.get(id)
    if (known !== undefined) known.lastUsedTime = Math.max(known.lastUsedTime, lastUsedTime)
    this.#parts.repository.touch({ name: id }, Math.max(0, Date.now() - lastUsedTime))
  }

  /** Refuses its next request, and lets those that run end. @returns false where it was not registered */
  forget(id: string): boolean {
    const known = this.#byId.get(id)
    if (known === undefined) return false
    this.#byId.delete(id)
    const { repository, log } = this.#parts
    log.info({ model: id }, 'model unregistered')
    repository
      .forget(id)
      .then(() => known.located?.release())
      .catch((reason: unknown) => log.warn({ model: id, reason: messageOf(reason) }, 'files of a model not released'))
    return true
  }

  /** Loads what is not loaded. Never throws: {@link status} tells what came of it. */
  async load(id: string): Promise<void> {
    if (!this.has(id) || this.isLoaded(id)) return
    const { repository, signal } = this.#parts
    const known = this.#byId.get(id)
    const ended = (): void => undefined
    if (known === undefined) return repository.use({ name: id }, async () => undefined).catch(ended)
    known.loads += 1
    await repository.load(known.entry, signal).catch(ended)
    known.loads -= 1
  }

  status(id: string): MeshModelStatus {
    if (!this.has(id)) return { status: 'NOT_FOUND', errors: [], modelCopyInfos: [] }
    const known = this.#byId.get(id)
    const of = this.#parts.repository.status({ name: id })
    const status = stateOf(of, (known?.loads ?? 0) > 0)
    const isHere = status !== 'NOT_LOADED'
    return {
      status,
      errors: status === 'LOADING_FAILED' && of.reason !== undefined ? [of.reason] : [],
      modelCopyInfos: isHere ? [{ location: hostname(), copyStatus: status, time: known?.changedMs ?? 0 }] : [],
    }
  }

  close(): void {
    this.#endWatch()
  }

  /** Looks at the path when it is first loaded: to register a model costs nothing. */
  #entry(id: string, of: () => Registered): ModelEntry {
    const { locate, signal: closing } = this.#parts
    const located = async (signal: AbortSignal): Promise<ModelEntry> => {
      const known = of()
      known.located ??= await locate(id, known.info, signal)
      return known.located.entry
    }
    return {
      ref: { name: id, version },
      get runtime() {
        return of().located?.entry.runtime ?? ''
      },
      get source() {
        return of().info.path
      },
      isOptional: true,
      unusedMs: () => Math.max(0, Date.now() - of().lastUsedTime),
      estimateBytes: async () => (await (await located(closing)).estimateBytes?.()) ?? 0,
      load: async (signal) => (await located(signal)).load(signal),
    }
  }
}

function isLoaded({ state, scheduling }: ModelStatus): boolean {
  return state === 'ready' && scheduling !== undefined
}

function stateOf(status: ModelStatus, isLoading: boolean): MeshModelState {
  if (isLoaded(status)) return 'LOADED'
  if (isLoading || status.state === 'loading') return 'LOADING'
  return status.state === 'failed' ? 'LOADING_FAILED' : 'NOT_LOADED'
}
