/** What the requests of one model may take in all: time, and how many of them run at once. */
import { InferenceError } from '../core/errors.ts'
import { Fifo } from '../scheduling/fifo.ts'

export interface ServiceLimits {
  /** For one request, its wait included, in milliseconds. */
  readonly timeoutMs?: number
  /** Requests that run at once, at least 1. */
  readonly concurrency?: number
}

/** Requests that wait for each one that may run, as in Knative's queue-proxy. */
const waitingPerRunning = 10
/** Told to who is refused: a place may be free by then. */
const retryAfterMs = 1000

/** The limits of models by their names; they may change while the server runs. */
export class LimitTable {
  readonly #byName = new Map<string, Limit>()
  #named: (name: string) => string = (name) => name

  /** @returns undefined where the model has none */
  of(model: string): Limit | undefined {
    if (this.#byName.size === 0) return undefined
    return this.#byName.get(model) ?? this.#byName.get(this.#named(model))
  }

  /** Has requests by another name of a model share its limits. */
  follow(named: (name: string) => string): void {
    this.#named = named
  }

  /** Calls that run keep the limits with which they came. */
  set(model: string, limits: ServiceLimits): void {
    this.#byName.set(model, new Limit(model, limits))
  }

  delete(model: string): void {
    this.#byName.delete(model)
  }
}

export class Limit {
  readonly timeoutMs: number | undefined
  readonly #model: string
  readonly #concurrency: number
  readonly #waiting = new Fifo<() => void>()
  #running = 0

  constructor(model: string, { timeoutMs, concurrency = Infinity }: ServiceLimits) {
    this.#model = model
    this.timeoutMs = timeoutMs
    this.#concurrency = concurrency
  }

  /**
   * Runs `work` in its turn.
   *
   * @param signal ends the wait
   * @throws InferenceError `resource_exhausted` where too many wait; the reason of the signal
   */
  async run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#concurrency === Infinity) return work()
    if (this.#running >= this.#concurrency) await this.#turn(signal)
    else this.#running += 1
    try {
      return await work()
    } finally {
      // The place goes to the next one, so that nobody who comes now is before it.
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size >= this.#concurrency * waitingPerRunning) {
      const message = `model '${this.#model}' runs ${this.#running} requests at a time, and ${this.#waiting.size} wait already`
      return Promise.reject(new InferenceError('resource_exhausted', message, { retryAfterMs }))
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.leave(ticket)
        reject(InferenceError.from(signal.reason))
      }
      const ticket = this.#waiting.push(() => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      })
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) onAbort()
    })
  }
}
