/** Virtual models, ModelMesh's vmodels: each a name that leads to one model, and to the next once that one is loaded. */
import { InferenceError, type ErrorCode } from '../core/errors.ts'

export interface VirtualModel {
  readonly id: string
  /** The model that answers. */
  readonly active: string
  /** The model that is to answer: `active` itself, or one that is being loaded. */
  readonly target: string
  readonly owner?: string
  /** The target failed to load; the active model goes on. */
  readonly hasFailed: boolean
}

/** A target for a virtual model, as SetVModelRequest gives it. */
export interface TargetChange {
  readonly id: string
  readonly target: string
  readonly owner?: string
  /** Nothing is made. */
  readonly isUpdate: boolean
  /** Nothing is changed where it has another target than this. */
  readonly expected?: string
  /** The target answers at once, loaded or not. */
  readonly isForced: boolean
}

/** What a change did. */
export interface VirtualChange {
  readonly virtual: VirtualModel
  readonly isNew: boolean
  /** Models that no virtual model leads to any more, because of this change. */
  readonly released: readonly string[]
}

/** Far more than anybody has. */
const mostVirtuals = 100_000

/** Pure state: nothing is loaded here, and nothing waits. */
export class VirtualModels {
  readonly #byId = new Map<string, VirtualModel>()
  /** How many virtual models lead to a model, or will. */
  readonly #references = new Map<string, number>()

  get all(): Iterable<VirtualModel> {
    return this.#byId.values()
  }

  /** @param owner one of another owner is not found */
  get(id: string, owner?: string): VirtualModel | undefined {
    const found = this.#byId.get(id)
    return owner !== undefined && found?.owner !== owner ? undefined : found
  }

  isReferenced(model: string): boolean {
    return this.#references.has(model)
  }

  /**
   * What would keep {@link set} from working, without a look at the target: so that nothing is registered in vain.
   *
   * @throws InferenceError in ModelMesh's words: `already_exists` for another owner, `failed_precondition` for another target
   *   than expected, `not_found` for an update of nothing; `resource_exhausted` where there are too many
   */
  check({ id, target, owner, isUpdate, expected }: TargetChange): void {
    const current = this.#byId.get(id)
    if (current === undefined) {
      if (expected !== undefined && expected !== target) throw refusal('failed_precondition', `vmodel ${id} not found`)
      if (isUpdate) throw refusal('not_found', `vmodel ${id} not found`)
      if (this.#byId.size < mostVirtuals) return
      throw refusal('resource_exhausted', `there are ${mostVirtuals} vmodels: delete one first`)
    }
    if (owner !== undefined && owner !== current.owner) {
      throw refusal('already_exists', `vmodel ${id} already exists with different owner "${current.owner ?? ''}"`)
    }
    if (expected !== undefined && target !== current.target && expected !== current.target) {
      const text = `Existing target model ${current.target} does not match expected ${expected}`
      throw refusal('failed_precondition', text)
    }
  }

  /**
   * Makes a virtual model, or gives one another target. It leads there at once where that is forced, where the target is loaded or
   * where what answers so far is not; else once {@link complete} says so.
   *
   * @param isLoaded whether a model is
   * @throws InferenceError as {@link check}
   */
  set(change: TargetChange, isLoaded: (model: string) => boolean): VirtualChange {
    this.check(change)
    const { id, target, owner, isForced } = change
    const current = this.#byId.get(id)
    if (current === undefined) {
      const virtual = { id, active: target, target, ...(owner === undefined ? {} : { owner }), hasFailed: false }
      return { virtual, isNew: true, released: this.#put(virtual) }
    }
    const isSame = current.target === target
    if (isSame && (current.active === target || !isForced)) return { virtual: current, isNew: false, released: [] }
    const isSwitched = isForced || isLoaded(target) || !isLoaded(current.active)
    const virtual = { ...current, target, active: isSwitched ? target : current.active, hasFailed: false }
    return { virtual, isNew: false, released: this.#put(virtual) }
  }

  /** The target is loaded: it answers from here on. @returns undefined where another target has come meanwhile */
  complete(id: string, target: string): VirtualChange | undefined {
    const current = this.#inTransition(id, target)
    if (current === undefined) return undefined
    const virtual = { ...current, active: target, hasFailed: false }
    return { virtual, isNew: false, released: this.#put(virtual) }
  }

  /** The target failed to load, or is tried again. @returns undefined where another target has come meanwhile */
  mark(id: string, target: string, hasFailed: boolean): VirtualModel | undefined {
    const current = this.#inTransition(id, target)
    if (current === undefined) return undefined
    const virtual = { ...current, hasFailed }
    this.#byId.set(id, virtual)
    return virtual
  }

  /**
   * @param owner one of another owner stays
   * @returns what was there, and the models that nothing leads to any more; undefined where nothing was removed
   */
  delete(id: string, owner?: string): { readonly released: readonly string[] } | undefined {
    const current = this.get(id, owner)
    if (current === undefined) return undefined
    this.#byId.delete(id)
    return { released: modelsOf(current).filter((model) => this.#release(model)) }
  }

  #inTransition(id: string, target: string): VirtualModel | undefined {
    const current = this.#byId.get(id)
    return current === undefined || current.target !== target || current.active === target ? undefined : current
  }

  /** @returns the models that nothing leads to any more */
  #put(virtual: VirtualModel): readonly string[] {
    const before = this.#byId.get(virtual.id)
    this.#byId.set(virtual.id, virtual)
    for (const model of modelsOf(virtual)) this.#references.set(model, (this.#references.get(model) ?? 0) + 1)
    return before === undefined ? [] : modelsOf(before).filter((model) => this.#release(model))
  }

  /** @returns true where it was the last */
  #release(model: string): boolean {
    const left = (this.#references.get(model) ?? 1) - 1
    if (left > 0) this.#references.set(model, left)
    else this.#references.delete(model)
    return left <= 0
  }
}

/** Each once. */
function modelsOf({ active, target }: VirtualModel): readonly string[] {
  return active === target ? [active] : [active, target]
}

function refusal(code: ErrorCode, message: string): InferenceError {
  return new InferenceError(code, message)
}
