/** The calls that run right now: what a drain waits for. */
import type { InferenceObserver } from '../dataplane/dataplane.ts'

export class RunningCalls implements InferenceObserver {
  #count = 0
  readonly #waiting = new Set<() => void>()

  onRequest(): void {
    this.#count += 1
  }

  onResponse(): void {
    this.#end()
  }

  onError(): void {
    this.#end()
  }

  /** Resolves as soon as no call runs. */
  idle(): Promise<void> {
    if (this.#count === 0) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.add(resolve))
  }

  #end(): void {
    this.#count -= 1
    if (this.#count > 0) return
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}
