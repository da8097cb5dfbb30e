/** The runs of one model that go on now. */
import type { Model } from '../core/model.ts'
import type { Batching } from './batching.ts'
import type { Bucket } from './bucket.ts'

export interface Run {
  readonly bucket: Bucket
  readonly rows: number
  /** When the model turned to it, as far as can be told from here. */
  startedMs: number
  /** Waits in the model behind another. */
  isAhead: boolean
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

  /**
   * True where one more may be sent ahead, behind those that go on: the model has it at hand when it has done one of them,
   * which is sooner than a message to its thread takes. Only a full run: nothing that may still come would make it larger.
   */
  get hasRoomAhead(): boolean {
    const { executors } = this
    return this.#runs.length < Math.min(executors * 2, this.#model.concurrency)
  }

  begin(bucket: Bucket, rows: number, startedMs: number): Run {
    const run: Run = { bucket, rows, startedMs, isAhead: !this.isFree }
    this.#runs.push(run)
    return run
  }

  end(run: Run, nowMs: number): void {
    const index = this.#runs.indexOf(run)
    if (index >= 0) this.#runs.splice(index, 1)
    if (run.isAhead) return
    const next = this.#runs.find(({ isAhead }) => isAhead)
    if (next === undefined) return
    next.isAhead = false
    next.startedMs = nowMs
  }

  /** Milliseconds until the first of them should end; 0 where one more may begin. */
  residualMs(nowMs: number): number {
    if (this.isFree) return 0
    let firstMs = Infinity
    let aheadMs = 0
    for (const { bucket, rows, startedMs, isAhead } of this.#runs) {
      const ms = bucket.latency.predict(rows)
      if (isAhead) aheadMs += ms
      else firstMs = Math.min(firstMs, startedMs + ms)
    }
    return Math.max(0, firstMs - nowMs) + aheadMs / this.executors
  }
}
