/** The runs of one model that go on now. */
import type { Model } from '../core/model.ts'
import type { Batching } from './batching.ts'
import type { Bucket } from './bucket.ts'

export interface Run {
  readonly bucket: Bucket
  readonly rows: number
  readonly startedMs: number
  /** Set where it is known before the answer is. */
  computeMs?: number
}

export class Running {
  readonly #model: Model
  readonly #batching: Batching
  readonly #runs: Run[] = []

  constructor(model: Model, batching: Batching) {
    this.#model = model
    this.#batching = batching
  }

  get size(): number {
    return this.#runs.length
  }

  /** True where several are computed one after the other in one turn of the event loop, and answered after all of it. */
  get areInTurn(): boolean {
    // asked each time: a model may leave the main thread while it serves
    return !this.#batching.isOn && this.#model.metadata.parameters?.['placement'] === 'inline'
  }

  /** How many may go on at once. Joined runs are not sent ahead: more arrives while one goes on. */
  get executors(): number {
    const { concurrency, executors = concurrency } = this.#model
    return Math.max(1, this.#batching.isOn ? executors : concurrency)
  }

  /** Of all runs together. */
  get rows(): number {
    let rows = 0
    for (const run of this.#runs) rows += run.rows
    return rows
  }

  get isFree(): boolean {
    return this.#runs.length < this.executors
  }

  begin(bucket: Bucket, rows: number, startedMs: number): Run {
    const run: Run = { bucket, rows, startedMs }
    this.#runs.push(run)
    return run
  }

  end(run: Run): void {
    const index = this.#runs.indexOf(run)
    const last = this.#runs.pop()
    if (last !== undefined && last !== run && index >= 0) this.#runs[index] = last
  }

  /** Milliseconds until the first of them should end; 0 where one more may begin. */
  residualMs(nowMs: number): number {
    if (this.isFree) return 0
    let firstMs = Infinity
    for (const { bucket, rows, startedMs } of this.#runs) {
      firstMs = Math.min(firstMs, startedMs + bucket.latency.predict(rows))
    }
    return Math.max(0, firstMs - nowMs)
  }
}
