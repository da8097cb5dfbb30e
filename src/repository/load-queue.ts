/** Loads that run at once. Those that requests wait for come first, also where the request came after the load was asked for. */
import { Fifo } from '../scheduling/fifo.ts'

/** The place of one load. */
export class Turn {
  #isAsked: boolean
  /** Called when a request comes; set while it waits. */
  onHurry: (() => void) | undefined

  /** @param isAsked a request waits for it */
  constructor(isAsked: boolean) {
    this.#isAsked = isAsked
  }

  get isAsked(): boolean {
    return this.#isAsked
  }

  /** A request waits for it from now on. */
  hurry(): void {
    if (this.#isAsked) return
    this.#isAsked = true
    this.onHurry?.()
  }
}

export class LoadQueue {
  readonly #asked = new Fifo<() => void>()
  readonly #ahead = new Fifo<() => void>()
  #free: number

  /** @param concurrency loads that may run at once, at least 1 */
  constructor(concurrency: number) {
    this.#free = concurrency
  }

  /** Loads that wait. */
  get size(): number {
    return this.#asked.size + this.#ahead.size
  }

  /** Runs `work` when its turn comes. */
  async run<T>(turn: Turn, work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1
    else await this.#wait(turn)
    try {
      return await work()
    } finally {
      const next = this.#asked.shift() ?? this.#ahead.shift()
      if (next === undefined) this.#free += 1
      else next() // the turn is handed over, not given back
    }
  }

  #wait(turn: Turn): Promise<void> {
    return new Promise((resolve) => {
      const start = (): void => {
        turn.onHurry = undefined
        resolve()
      }
      if (turn.isAsked) {
        this.#asked.push(start)
        return
      }
      const ticket = this.#ahead.push(start)
      turn.onHurry = () => {
        this.#ahead.leave(ticket)
        this.#asked.push(start)
      }
    })
  }
}
