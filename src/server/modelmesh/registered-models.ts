/** The models that a mesh has loaded into the repository: by their ids, each loaded once, and gone for good when it is unloaded. */
import { InferenceError, messageOf } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { unlessAborted } from '../../dataplane/deadline.ts'
import type { LoadedSize, MeshModel } from '../../grpc/model-runtime.ts'
import type { ModelEntry } from '../../repository/entry.ts'
import type { ModelRepository } from '../../repository/model-repository.ts'
import type { LocatedModel } from './mesh-entry.ts'
import { sessionBytes } from './model-sizes.ts'

export interface RegisteredParts {
  readonly repository: ModelRepository
  /** Finds a model's files. @throws InferenceError `invalid_argument` or `failed_precondition` */
  readonly locate: (model: MeshModel, signal: AbortSignal) => Promise<LocatedModel>
  readonly log: Log
}

/** What is loaded, or on its way. */
interface Registered {
  readonly model: MeshModel
  readonly abort: AbortController
  /** Callers that wait for the load. */
  waiting: number
  loaded: Promise<LoadedSize>
  /** Present once it is loaded. */
  size: LoadedSize | undefined
  located: LocatedModel | undefined
  /** The repository knows it. */
  isListed: boolean
}

/** A model that takes no memory here, as one of another server, counts as the mesh's unit. */
const leastBytes = 8192

export class RegisteredModels {
  readonly #parts: RegisteredParts
  readonly #byId = new Map<string, Registered>()
  /** Unloads under way. */
  readonly #leaving = new Map<string, Promise<void>>()
  readonly #endWatch: () => void

  constructor(parts: RegisteredParts) {
    this.#parts = parts
    this.#endWatch = parts.repository.onChange(({ ref, state }) => {
      const held = state === 'ready' || state === 'loading' ? undefined : this.#byId.get(ref.name)
      // One that broke while it served, or that others unload, is not here any more: the mesh is told so by the next request.
      if (held?.size !== undefined) void this.#drop(ref.name, held)
    })
  }

  /** True from the moment that a load is asked for until it has failed or the model is unloaded. */
  has(id: string): boolean {
    return this.#byId.has(id)
  }

  get ids(): readonly string[] {
    return [...this.#byId.keys()]
  }

  /** @returns undefined where it is not loaded */
  size(id: string): LoadedSize | undefined {
    return this.#byId.get(id)?.size
  }

  /**
   * Returns once the model serves requests. Callers with the same model share one load, which ends when the last of them is gone.
   *
   * @throws InferenceError `invalid_argument` or `failed_precondition` where nothing was tried to load, any other code where it was
   */
  async load(model: MeshModel, signal: AbortSignal): Promise<LoadedSize> {
    const id = model.modelId
    if (signal.aborted) throw InferenceError.from(signal.reason)
    const known = this.#byId.get(id)
    if (known !== undefined && !isSame(known.model, model)) void this.#drop(id, known)
    const held = this.#byId.get(id) ?? this.#begin(model)
    held.waiting += 1
    try {
      return await unlessAborted(held.loaded, signal)
    } catch (reason) {
      const isLast = held.waiting === 1 && this.#byId.get(id) === held
      // Of a load that failed nothing is left when its caller hears of it; one that gives up waits for nothing.
      const gone = isLast ? this.#drop(id, held) : undefined
      if (!signal.aborted) await gone
      throw reason
    } finally {
      held.waiting -= 1
    }
  }

  /** Returns once its memory is free; at once for a model that is not here. Ends a load under way. Never throws. */
  async unload(id: string): Promise<void> {
    const held = this.#byId.get(id)
    if (held !== undefined) await this.#drop(id, held)
    else await this.#leaving.get(id)
  }

  /** Unloads everything. Never throws. */
  async purge(): Promise<void> {
    await Promise.all([...new Set([...this.#byId.keys(), ...this.#leaving.keys()])].map((id) => this.unload(id)))
  }

  close(): void {
    this.#endWatch()
    for (const { abort } of this.#byId.values()) abort.abort(shuttingDown())
  }

  #begin(model: MeshModel): Registered {
    const abort = new AbortController()
    const before = this.#leaving.get(model.modelId) ?? Promise.resolve()
    const held: Registered = {
      model,
      abort,
      waiting: 0,
      loaded: before.then(() => this.#load(model, held)),
      size: undefined,
      located: undefined,
      isListed: false,
    }
    held.loaded.catch(() => undefined) // told to who waits
    this.#byId.set(model.modelId, held)
    return held
  }

  async #load(model: MeshModel, held: Registered): Promise<LoadedSize> {
    const { repository, locate } = this.#parts
    const { signal } = held.abort
    if (signal.aborted) throw InferenceError.from(signal.reason)
    const id = model.modelId
    if (repository.has(id)) {
      const text = `model '${id}' is served by this server already, from elsewhere: choose another id`
      throw new InferenceError('failed_precondition', text)
    }
    held.located = await locate(model, signal)
    if (signal.aborted) throw InferenceError.from(signal.reason)
    let concurrency = 1
    let failure: unknown
    const { entry } = held.located
    const watched: ModelEntry = {
      ...entry,
      load: async (ending) => {
        try {
          const loaded = await entry.load(ending)
          concurrency = loaded.model.concurrency
          return loaded
        } catch (reason) {
          failure = reason
          throw reason
        }
      },
    }
    held.isListed = true
    const { state, reason, memoryBytes } = await repository.load(watched, signal)
    if (signal.aborted) throw InferenceError.from(signal.reason)
    if (state !== 'ready') throw tried(failure, reason ?? `it is ${state}`)
    held.size = { sizeInBytes: this.#sizeOf(memoryBytes), maxConcurrency: Math.max(1, concurrency) }
    return held.size
  }

  /** What it says of itself, and what models were seen to take beside. */
  #sizeOf(memoryBytes: number): number {
    if (memoryBytes === 0) return leastBytes
    const overheadBytes = Math.max(sessionBytes, this.#parts.repository.memory?.overheadBytes ?? 0)
    return Math.ceil(memoryBytes + overheadBytes)
  }

  #drop(id: string, held: Registered): Promise<void> {
    this.#byId.delete(id)
    held.abort.abort(new InferenceError('cancelled', `the model '${id}' was unloaded while it loaded`))
    const before = this.#leaving.get(id) ?? Promise.resolve()
    const gone = before
      .then(() => this.#leave(id, held))
      .catch((reason: unknown) => this.#parts.log.error({ model: id, reason: messageOf(reason) }, 'model not unloaded'))
      .then(() => {
        if (this.#leaving.get(id) === gone) this.#leaving.delete(id)
      })
    this.#leaving.set(id, gone)
    return gone
  }

  async #leave(id: string, held: Registered): Promise<void> {
    const forgotten = held.isListed ? this.#parts.repository.forget(id) : undefined
    await Promise.all([forgotten, held.loaded.catch(() => undefined)])
    // It may have come to the repository meanwhile.
    if (forgotten === undefined && held.isListed) await this.#parts.repository.forget(id)
    await held.located?.release()
  }
}

/** The type is the mesh's own affair. */
function isSame(one: MeshModel, other: MeshModel): boolean {
  return one.modelPath === other.modelPath && one.modelKey === other.modelKey
}

/** A load that was tried ends with none of the codes that say it was not. */
function tried(failure: unknown, reason: string): InferenceError {
  // Without a failure of the model there was no room for it.
  if (failure === undefined) return new InferenceError('resource_exhausted', reason)
  const error = InferenceError.from(failure)
  const isTried =
    error.code !== 'invalid_argument' && error.code !== 'failed_precondition' && error.code !== 'not_found'
  return new InferenceError(isTried ? error.code : 'internal', reason, { cause: failure })
}

function shuttingDown(): InferenceError {
  return new InferenceError('unavailable', 'Server is shutting down.')
}
