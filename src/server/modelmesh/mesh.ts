/** ModelMesh's management API for one server: its models and vmodels, without etcd and without others to place them on. */
import { InferenceError } from '../../core/errors.ts'
import type { ModelRef } from '../../core/inference.ts'
import type { EnsureLoaded, MeshControl, MeshModelInfo, MeshModelStatus } from '../../grpc/model-mesh.ts'
import type { RegisterModel, SetVModel, VModelName, VModelStatus } from '../../grpc/model-mesh.ts'
import type { MeshName } from '../../grpc/model-mesh-headers.ts'
import type { Names } from '../../repository/aliased-repository.ts'
import { systemTimers, type Timers } from '../../repository/timers.ts'
import { VirtualModels, type VirtualModel } from '../../repository/virtual-models.ts'
import { endsInTime } from './ends-in-time.ts'
import type { DeleteVModelChange, MeshChange, RegisterChange, UnregisterChange, VModelChange } from './mesh-change.ts'
import { MeshModels, type MeshModelsParts } from './mesh-models.ts'
import { Transitions } from './transitions.ts'

/** A model that nobody has used yet counts as used so long ago, as in ModelMesh: it leaves before those that are used. */
const freshAgeMs = 3_600_000
/** The same where it is not loaded at once. */
const unloadedAgeMs = 6 * freshAgeMs
/** Longest wait for a transition, as in ModelMesh. */
const longestWaitMs = 240_000

export interface MeshParts extends MeshModelsParts {
  readonly timers?: Timers
  /** True for names that are taken by what is neither a model nor a vmodel. */
  readonly isTaken: (name: string) => boolean
  /** Has every process of this server make a change, this one first; only this one where absent. */
  readonly share?: ((change: MeshChange) => Promise<void>) | undefined
}

export class Mesh implements MeshControl {
  readonly #parts: MeshParts
  readonly #models: MeshModels
  readonly #virtuals = new VirtualModels()
  readonly #transitions: Transitions
  /** The vmodels as names that any protocol may use. */
  readonly names: Names

  constructor(parts: MeshParts) {
    this.#parts = parts
    this.#models = new MeshModels(parts)
    this.#transitions = new Transitions({
      virtuals: this.#virtuals,
      models: this.#models,
      timers: parts.timers ?? systemTimers,
      log: parts.log,
      released: (models) => this.#released(models),
    })
    const first = (name: string): ModelRef | undefined => {
      const active = this.#virtuals.get(name)?.active
      return active === undefined ? undefined : { name: active }
    }
    this.names = { isEmpty: false, first, next: first }
  }

  /** A vmodel by its own name as long as no model has it too: so a request follows it while it waits for a model. */
  nameOf({ kind, id }: MeshName): string {
    if (kind === 'model') {
      if (this.#models.has(id)) return id
      throw new InferenceError('not_found', 'model not found')
    }
    const virtual = this.#virtuals.get(id)
    if (virtual === undefined) throw new InferenceError('not_found', 'vmodel not found')
    return this.#models.has(id) ? virtual.active : id
  }

  hasFailed({ kind, id }: MeshName): boolean {
    const model = kind === 'model' ? id : this.#virtuals.get(id)?.active
    return model !== undefined && this.#models.status(model).status === 'LOADING_FAILED'
  }

  async registerModel(request: RegisterModel, signal: AbortSignal): Promise<MeshModelStatus> {
    const { modelId: id, modelInfo: info, loadNow, sync } = request
    const lastUsedTime = insertTime(request.lastUsedTime, loadNow)
    await this.#share({ kind: 'register', id, info, isAutoDeleted: false, isLoadedNow: loadNow, lastUsedTime })
    if (loadNow) await this.#load(id, lastUsedTime, sync, signal)
    return this.#models.status(id)
  }

  unregisterModel(id: string): Promise<void> {
    return this.#share({ kind: 'unregister', id, isAutomatic: false })
  }

  getModelStatus(id: string): MeshModelStatus {
    return this.#models.status(id)
  }

  async ensureLoaded({ modelId, lastUsedTime, sync }: EnsureLoaded, signal: AbortSignal): Promise<MeshModelStatus> {
    if (!this.#models.has(modelId)) throw new InferenceError('not_found', 'model not found')
    const now = Date.now()
    await this.#load(modelId, lastUsedTime === 0 ? now : Math.min(now, lastUsedTime), sync, signal)
    return this.#models.status(modelId)
  }

  async setVModel(request: SetVModel, signal: AbortSignal): Promise<VModelStatus> {
    const { vModelId: id, targetModelId: target, modelInfo: info, owner, expectedTargetModelId: expected } = request
    await this.#share({
      kind: 'vmodel',
      id,
      target,
      isUpdate: request.updateOnly,
      isForced: request.force,
      isAutoDeleted: request.autoDeleteTargetModel,
      isLoadedNow: request.loadNow,
      lastUsedTime: insertTime(0, request.loadNow),
      ...(info === undefined ? {} : { info }),
      ...(owner === undefined ? {} : { owner }),
      ...(expected === undefined ? {} : { expected }),
    })
    if (request.sync) {
      const way = this.#transitions.settled(id) ?? (request.loadNow ? this.#models.load(target) : undefined)
      if (way !== undefined) await endsInTime(way, longestWaitMs, signal)
    }
    return this.#statusOf(this.#virtuals.get(id))
  }

  deleteVModel({ vModelId: id, owner }: VModelName): Promise<void> {
    return this.#share({ kind: 'delete-vmodel', id, ...(owner === undefined ? {} : { owner }) })
  }

  getVModelStatus({ vModelId, owner }: VModelName): VModelStatus {
    return this.#statusOf(this.#virtuals.get(vModelId, owner))
  }

  /** True for the name of a vmodel. */
  has(name: string): boolean {
    return this.#virtuals.get(name) !== undefined
  }

  /**
   * Makes a change in this process.
   *
   * @param isReplay it was made elsewhere long ago: nothing is compared
   * @throws InferenceError in ModelMesh's words: nothing has changed then
   */
  apply(change: Exclude<MeshChange, { kind: 'alias' }>, isReplay = false): void {
    switch (change.kind) {
      case 'register':
        this.#register(change)
        return
      case 'unregister':
        this.#unregister(change)
        return
      case 'vmodel':
        this.#setVModel(isReplay ? asNew(change) : change)
        return
      case 'delete-vmodel':
        this.#deleteVModel(change)
    }
  }

  close(): void {
    this.#transitions.close()
    this.#models.close()
  }

  async #share(change: Exclude<MeshChange, { kind: 'alias' }>): Promise<void> {
    const { share } = this.#parts
    if (share === undefined) this.apply(change)
    else await share(change)
  }

  async #load(id: string, lastUsedTime: number, isAwaited: boolean, signal: AbortSignal): Promise<void> {
    if (this.#models.has(id)) this.#models.touch(id, lastUsedTime)
    const loaded = this.#models.load(id)
    if (isAwaited) await endsInTime(loaded, Infinity, signal)
  }

  #register({ id, info, isAutoDeleted, isLoadedNow, lastUsedTime }: RegisterChange): void {
    checkType(info)
    if (this.#isNew(id, info, 'Model already exists with different attribute values')) {
      this.#models.register(id, { info, lastUsedTime, isAutoDeleted })
    } else if (lastUsedTime > (this.#models.get(id)?.lastUsedTime ?? 0) + freshAgeMs) {
      this.#models.touch(id, lastUsedTime)
    }
    if (isLoadedNow) void this.#models.load(id) // never rejects
  }

  #unregister({ id, isAutomatic }: UnregisterChange): void {
    if (!this.#models.has(id)) return
    if (this.#virtuals.isReferenced(id)) {
      if (isAutomatic) return
      throw new InferenceError('failed_precondition', `Model ${id} has referents`)
    }
    if (this.#models.forget(id) || isAutomatic) return
    throw new InferenceError('failed_precondition', `Model ${id} was not registered: this server was started with it`)
  }

  #setVModel(change: VModelChange): void {
    const { id, target, info, isAutoDeleted, isLoadedNow, lastUsedTime } = change
    if (info !== undefined) checkType(info)
    if (this.#parts.isTaken(id)) throw new InferenceError('already_exists', `vmodel ${id}: an alias has that name`)
    this.#virtuals.check(change)
    const hasOther = `Target model ${target} already exists with different attribute values`
    if (info !== undefined && this.#isNew(target, info, hasOther)) {
      this.#models.register(target, { info, lastUsedTime, isAutoDeleted })
    } else if (!this.#models.has(target)) {
      throw new InferenceError('not_found', `Target model ${target} not found`)
    }
    const before = this.#virtuals.get(id)
    const wasLoaded = before !== undefined && this.#models.isLoaded(before.active)
    const { virtual, isNew, released } = this.#virtuals.set(change, (model) => this.#models.isLoaded(model))
    const isChanged = isNew || before?.target !== virtual.target || before.active !== virtual.active
    if (isChanged && virtual.active !== target) this.#transitions.begin(id, target)
    else if (isChanged) this.#transitions.end(id)
    if (virtual.active === target && (isLoadedNow || (isChanged && wasLoaded))) void this.#models.load(target)
    if (isChanged) this.#parts.log.info({ vmodel: id, active: virtual.active, target }, 'vmodel set')
    this.#released(released)
  }

  #deleteVModel({ id, owner }: DeleteVModelChange): void {
    const deleted = this.#virtuals.delete(id, owner)
    if (deleted === undefined) return
    this.#transitions.end(id)
    this.#parts.log.info({ vmodel: id }, 'vmodel deleted')
    this.#released(deleted.released)
  }

  /** @throws InferenceError `already_exists` where it is there and is another */
  #isNew(id: string, info: MeshModelInfo, otherwise: string): boolean {
    if (!this.#models.has(id)) return true
    const known = this.#models.get(id)?.info
    const { type, path, key } = info
    if (known?.type === type && known.path === path && known.key === key) return false
    throw new InferenceError('already_exists', otherwise)
  }

  /** Once the change that let go of them is made everywhere. */
  #released(models: readonly string[]): void {
    for (const id of models) {
      if (this.#models.get(id)?.isAutoDeleted !== true) continue
      const { share, log } = this.#parts
      const change: UnregisterChange = { kind: 'unregister', id, isAutomatic: true }
      if (share === undefined) this.apply(change)
      else share(change).catch((error: unknown) => log.warn({ model: id, error }, 'model not unregistered everywhere'))
    }
  }

  #statusOf(virtual: VirtualModel | undefined): VModelStatus {
    if (virtual === undefined) return { status: 'NOT_FOUND' }
    const { active, target, owner, hasFailed } = virtual
    const isOnItsWay = active !== target
    return {
      status: !isOnItsWay ? 'DEFINED' : hasFailed ? 'TRANSITION_FAILED' : 'TRANSITIONING',
      activeModelId: active,
      targetModelId: target,
      activeModelStatus: this.#models.status(active),
      ...(isOnItsWay ? { targetModelStatus: this.#models.status(target) } : {}),
      ...(owner === undefined ? {} : { owner }),
    }
  }
}

/** @param given milliseconds since 1970; 0 where the server chooses */
function insertTime(given: number, isLoadedNow: boolean): number {
  const now = Date.now()
  if (given > 0) return Math.min(given, now)
  return now - (isLoadedNow ? freshAgeMs : unloadedAgeMs)
}

function checkType({ type }: MeshModelInfo): void {
  if (type === '') throw new InferenceError('invalid_argument', 'Must provide non-empty model type string')
}

/** It was compared when it was made: a vmodel that is not there yet expects its own target. */
function asNew(change: VModelChange): VModelChange {
  return { ...change, isUpdate: false, isForced: true, expected: change.target }
}
