/** Shadow steps: they get what the others get, and nobody waits for what they answer. */
import { messageOf } from '../core/errors.ts'
import type { Payload } from './payload.ts'
import type { Run, Shadows } from './run.ts'
import type { GraphNode, GraphStep } from './spec.ts'
import { placeOf, runStep } from './step.ts'

/** Shadows that run at once, per graph: a slow one is not to hold all memory. */
const mostShadows = 64

/** Starts the shadow steps of a node with its input. One with a condition runs where that holds. */
export function shadowAll(run: Run, node: GraphNode, input: Payload): void {
  for (const step of node.steps) {
    if (step.options.isShadow !== true) continue
    if (step.condition === undefined || (input.isJson && step.condition.holds(input.asText()))) {
      shadow(run, node, step, input)
    }
  }
}

/** Starts one shadow step. */
export function shadow(run: Run, node: GraphNode, step: GraphStep, payload: Payload): void {
  const startMs = run.graph.timers.now() - run.startedMs
  // It outlives the request: it has no part in its record and its deadline.
  const { origin } = run
  const own: Run = {
    ...run,
    origin: origin === undefined ? origin : { requestId: origin.requestId },
    spent: { steps: 0, exhausted: undefined },
    record: run.graph.observe,
  }
  const isStarted = run.graph.shadows.start(async (signal) => {
    await runStep(own, node, step, payload, signal)
  })
  run.record?.({ ...placeOf(node, step), outcome: isStarted ? 'shadow' : 'dropped', startMs, durationMs: 0 })
}

/** The shadows of one graph: so many at once, and ended when the graph is. */
export class RunningShadows implements Shadows {
  readonly #closing = new AbortController()
  readonly #onError: (message: string) => void
  #count = 0

  constructor(onError: (message: string) => void) {
    this.#onError = onError
  }

  start(work: (signal: AbortSignal) => Promise<void>): boolean {
    if (this.#count >= mostShadows || this.#closing.signal.aborted) return false
    this.#count += 1
    void this.#follow(work)
    return true
  }

  async #follow(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await work(this.#closing.signal)
    } catch (reason) {
      this.#onError(messageOf(reason))
    } finally {
      this.#count -= 1
    }
  }

  close(): void {
    this.#closing.abort()
  }
}
