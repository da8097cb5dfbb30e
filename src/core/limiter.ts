/** Bounded concurrency: so many at once, the rest in the order of their coming. */

export class Limiter {
  readonly #waiting: (() => void)[] = []
  #free: number

  /** @param concurrency how many may run at once, at least 1 */
  constructor(concurrency: number) {
    this.#free = concurrency
  }

  /** Runs `work` when its turn comes. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free += 1
      else next() // the turn is handed over, not given back
    }
  }
}
