/** The memory of one version of a model: claimed before a load, measured after it, given back at its end. */
import type { ModelEntry } from './entry.ts'
import type { LeasedModel } from './leased-model.ts'
import type { Turn } from './load-queue.ts'
import type { Claim, Measured, MemoryBudget } from './memory-budget.ts'

/** What a loaded instance says of itself. */
export interface Residence {
  readonly isPinned: boolean
  /** Calls that waited for the load have not all begun. */
  readonly isAwaited: () => boolean
  readonly leave: () => boolean
}

const claims = new WeakMap<LeasedModel, Claim>()

export class SlotMemory {
  readonly #name: string
  readonly #budget: MemoryBudget | undefined
  /** Of the last load. */
  #measured: Measured | undefined

  constructor(name: string, budget: MemoryBudget | undefined) {
    this.#name = name
    this.#budget = budget
  }

  /** @returns undefined without a budget @throws InferenceError where there is no room for it */
  async claim(entry: ModelEntry, turn: Turn, signal: AbortSignal): Promise<Claim | undefined> {
    if (this.#budget === undefined) return undefined
    const bytes = this.#measured?.bytes ?? (await entry.estimateBytes?.()) ?? 0
    return this.#budget.claim({
      name: this.#name,
      bytes,
      isResident: this.#measured?.isResident ?? bytes > 0,
      signal,
      get isAsked() {
        return turn.isAsked
      },
    })
  }

  settle(claim: Claim, instance: LeasedModel, { isPinned, isAwaited, leave }: Residence): void {
    claims.set(instance, claim)
    const { memoryBytes, metadata } = instance.handle.model
    // What lives in a process of its own was measured there; what others serve takes nothing.
    this.#measured = {
      bytes: memoryBytes,
      isResident: memoryBytes > 0 && metadata.parameters?.['placement'] !== 'process',
    }
    claim.settle(this.#measured, {
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
    claims.get(instance)?.release()
  }
}
