/** One timer for everything that a scheduler waits for. */

/** A timer never fires sooner after another: many deadlines in a row share one look at the queue. */
const leastMs = 1

export class WakeUp {
  readonly #wake: () => void
  #timer: NodeJS.Timeout | undefined
  #atMs = Infinity

  constructor(wake: () => void) {
    this.#wake = wake
  }

  /** Wakes at this time or before it; an earlier time that was asked for stays. */
  at(timeMs: number, nowMs: number): void {
    if (timeMs >= this.#atMs) return
    this.clear()
    this.#atMs = timeMs
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        this.#atMs = Infinity
        this.#wake()
      },
      Math.min(2 ** 31 - 1, Math.max(leastMs, Math.ceil(timeMs - nowMs))),
    )
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#atMs = Infinity
  }
}
