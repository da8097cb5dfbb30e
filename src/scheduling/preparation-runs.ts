/** The runs of a preparation: one after the other, timed, ended by the signal. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { InferenceError } from '../core/errors.ts'
import type { Batch, Model } from '../core/model.ts'
import type { Tensor } from '../core/tensor.ts'
import type { RunSample } from './preparation-result.ts'

export interface TimedRun {
  readonly outputs: readonly Tensor[]
  readonly ms: number
}

/** Runs a model with nobody waiting for the answers, and writes down what each run took. */
export class PreparationRuns {
  readonly #model: Model
  readonly #signal: AbortSignal
  readonly #now: () => number
  readonly #samples: RunSample[] = []
  #spentMs = 0

  /** @param now the clock, in milliseconds */
  constructor(model: Model, signal: AbortSignal, now: () => number) {
    this.#model = model
    this.#signal = signal
    this.#now = now
  }

  /** The first run of a size allocates what later ones reuse: it counts only where it is the only one. */
  get samples(): readonly RunSample[] {
    const isFirst = ({ rows }: RunSample, index: number): boolean =>
      this.#samples.findIndex((sample) => sample.rows === rows) === index
    const isOnly = ({ rows }: RunSample): boolean => this.#samples.filter((sample) => sample.rows === rows).length === 1
    return this.#samples.filter((sample, index) => isOnly(sample) || !isFirst(sample, index))
  }

  /** Milliseconds of all runs so far. */
  get spentMs(): number {
    return this.#spentMs
  }

  /**
   * Other work of the main thread has its turn after each run.
   *
   * @param rows the run is written down as a sample of so many rows; not at all where absent
   * @throws InferenceError what the model threw; `cancelled` and the like once the signal has fired, though the run that it
   *   fired in goes on in its thread
   */
  async run(batch: Batch, rows?: number): Promise<TimedRun> {
    this.throwIfAborted()
    const started = this.#now()
    const outputs = await unlessAborted(this.#predict(batch), this.#signal)
    const ms = this.#now() - started
    this.#spentMs += ms
    if (rows !== undefined) this.#samples.push({ rows, ms })
    await nextTurn()
    return { outputs, ms }
  }

  /** @throws InferenceError what the signal says, once it has fired */
  throwIfAborted(): void {
    if (this.#signal.aborted) throw InferenceError.from(this.#signal.reason)
  }

  /** Rejects where a model throws. */
  async #predict(batch: Batch): Promise<readonly Tensor[]> {
    return this.#model.predict(batch, this.#signal)
  }
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let onAbort: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(InferenceError.from(signal.reason))
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort)
  }
}
