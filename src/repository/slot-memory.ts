/** The memory of one version of a model: claimed before a load, measured after it, given back at its end. */
import type { ModelEntry } from './entry.ts'
import type { LeasedModel } from './leased-model.ts'
import type { Claim, MemoryBudget } from './memory-budget.ts'

/** What a loaded instance says of itself. */
export interface Residence {
  readonly isPinned: boolean
  /** Calls that waited for the load have not all begun. */
  readonly isAwaited: () => boolean
  readonly leave: () => boolean
}

export class SlotMemory {
  readonly #name: string
  readonly #budget: MemoryBudget | undefined
  readonly #claims = new WeakMap<LeasedModel, Claim>()
  /** Of the last load. */
  #measuredBytes: number | undefined

  constructor(name: string, budget: MemoryBudget | undefined) {
    this.#name = name
    this.#budget = budget
  }

  /** @returns undefined without a budget @throws InferenceError where there is no room for it */
  async claim(entry: ModelEntry, isAsked: boolean, signal: AbortSignal): Promise<Claim | undefined> {
    if (this.#budget === undefined) return undefined
    const bytes = this.#measuredBytes ?? (await entry.estimateBytes?.()) ?? 0
    return this.#budget.claim({ name: this.#name, bytes, isAsked, signal })
  }

  settle(claim: Claim, instance: LeasedModel, { isPinned, isAwaited, leave }: Residence): void {
    this.#claims.set(instance, claim)
    this.#measuredBytes = instance.handle.model.memoryBytes
    claim.settle(this.#measuredBytes, {
      isPinned,
      get isBusy() {
        return instance.isBusy || isAwaited()
      },
      get lastUse() {
        return instance.lastUse
      },
      leave,
    })
  }

  release(instance: LeasedModel): void {
    this.#claims.get(instance)?.release()
  }
}
