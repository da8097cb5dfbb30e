/** Vmodels on their way to another model: loads it, then switches; a load that failed is tried again. */
import type { Log } from '../../core/log.ts'
import type { VirtualModels } from '../../repository/virtual-models.ts'
import type { Timers } from '../../repository/timers.ts'
import type { MeshModels } from './mesh-models.ts'

/** A target that failed is tried again after so long, doubled with each failure, as failures of ModelMesh expire after 15 minutes. */
const firstPauseMs = 15_000
const longestPauseMs = 900_000

export interface TransitionParts {
  readonly virtuals: VirtualModels
  readonly models: Pick<MeshModels, 'load' | 'isLoaded' | 'status'>
  readonly timers: Timers
  readonly log: Log
  /** Nothing leads to these models any more. */
  readonly released: (models: readonly string[]) => void
}

interface Transition {
  readonly target: string
  /** The switch, the first failure, or that another change came before. */
  readonly settled: Promise<void>
  readonly settle: () => void
  failures: number
  cancelPause: () => void
}

export class Transitions {
  readonly #parts: TransitionParts
  readonly #byId = new Map<string, Transition>()

  constructor(parts: TransitionParts) {
    this.#parts = parts
  }

  /** Loads the target of a vmodel, and switches to it then. A transition of the same vmodel that is under way ends. */
  begin(id: string, target: string): void {
    this.end(id)
    let settle = (): void => undefined
    const settled = new Promise<void>((resolve) => (settle = resolve))
    const transition = { target, settled, settle, failures: 0, cancelPause: () => undefined }
    this.#byId.set(id, transition)
    void this.#advance(id, transition)
  }

  /** Ends when the vmodel has switched or the load failed; undefined where it is not on its way. */
  settled(id: string): Promise<void> | undefined {
    return this.#byId.get(id)?.settled
  }

  end(id: string): void {
    const transition = this.#byId.get(id)
    if (transition === undefined) return
    this.#byId.delete(id)
    transition.cancelPause()
    transition.settle()
  }

  close(): void {
    for (const id of [...this.#byId.keys()]) this.end(id)
  }

  async #advance(id: string, transition: Transition): Promise<void> {
    const { virtuals, models, log, released } = this.#parts
    const { target } = transition
    await models.load(target) // never rejects
    if (this.#byId.get(id) !== transition) return
    if (!models.isLoaded(target)) {
      this.#fail(id, transition)
      return
    }
    const from = virtuals.get(id)?.active
    const change = virtuals.complete(id, target)
    this.end(id)
    if (change === undefined) return
    log.info({ vmodel: id, from, to: target }, 'vmodel leads to another model')
    released(change.released)
  }

  #fail(id: string, transition: Transition): void {
    const { virtuals, models, timers, log } = this.#parts
    const { target, failures } = transition
    virtuals.mark(id, target, true)
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** failures)
    transition.failures += 1
    const [reason] = models.status(target).errors
    log.warn({ vmodel: id, to: target, reason, retryMs: pauseMs }, 'target of a vmodel failed to load')
    transition.cancelPause = timers.after(pauseMs, () => void this.#advance(id, transition))
    transition.settle()
  }
}
