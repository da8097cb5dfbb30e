/** One request from its arrival to its answer. */
import type { Batch } from '../core/model.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Caller } from '../core/scheduling.ts'
import type { Bucket } from './bucket.ts'
import type { MergedRun } from './merged-run.ts'
import type { Lane } from './waiting-line.ts'

export interface Arrival {
  readonly batch: Batch
  readonly caller: Caller
  readonly bucket: Bucket
  /** Rows as runs count them; 1 where the request never shares a run. */
  readonly rows: number
  readonly order: number
  readonly arrivedMs: number
  /** When its answer is worth nothing any more to its caller; Infinity: never. */
  readonly deadline: number
  /** The same for the model's SLO. */
  readonly sloDeadline: number
  /** When its time in the queue is over; Infinity: never. */
  readonly timeoutMs: number
  readonly onStart: (() => void) | undefined
}

type State = 'waiting' | 'running' | 'done'

/** Without making a signal. */
export function isAborted(caller: Caller): boolean {
  return caller.isAborted ?? caller.signal.aborted
}

function ignore(): void {
  // Replaced by the promise of the answer, before anybody can call it.
}

/** Listens to its own signal: no closures for each request. */
export class Waiting {
  readonly batch: Batch
  readonly bucket: Bucket
  readonly rows: number
  readonly order: number
  readonly arrivedMs: number
  readonly deadline: number
  readonly sloDeadline: number
  timeoutMs: number
  readonly onStart: (() => void) | undefined
  /** The outputs, or why there are none. */
  readonly answer: Promise<readonly Tensor[]>
  state: State = 'waiting'
  /** Came while nothing ran: it may show that predictions are wrong, and is not dropped for them. */
  isProbe = false
  /** Its place in the queue. */
  lane: Lane | undefined
  ticket = 0
  /** The run that it shares. */
  run: MergedRun | undefined
  readonly #caller: Caller
  #resolve: (outputs: readonly Tensor[]) => void = ignore
  #reject: (reason: unknown) => void = ignore
  #onAbort: ((waiting: Waiting) => void) | undefined

  constructor(arrival: Arrival) {
    this.batch = arrival.batch
    this.#caller = arrival.caller
    this.bucket = arrival.bucket
    this.rows = arrival.rows
    this.order = arrival.order
    this.arrivedMs = arrival.arrivedMs
    this.deadline = arrival.deadline
    this.sloDeadline = arrival.sloDeadline
    this.timeoutMs = arrival.timeoutMs
    this.onStart = arrival.onStart
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get isAborted(): boolean {
    return isAborted(this.#caller)
  }

  /** Made now where nobody has asked for it. */
  get signal(): AbortSignal {
    return this.#caller.signal
  }

  /** Calls back where its caller goes away before the answer; at once where it is gone. */
  watch(onAbort: (waiting: Waiting) => void): void {
    if (this.#onAbort !== undefined || this.state === 'done') return
    if (this.isAborted) {
      onAbort(this)
      return
    }
    this.#onAbort = onAbort
    this.signal.addEventListener('abort', this, { once: true })
  }

  /** Its own signal is enough from here on. */
  unwatch(): void {
    if (this.#onAbort === undefined) return
    this.#onAbort = undefined
    this.signal.removeEventListener('abort', this)
  }

  handleEvent(): void {
    this.#onAbort?.(this)
  }

  /** Nothing happens where it has its answer already. */
  resolve(outputs: readonly Tensor[]): void {
    if (this.state === 'done') return
    this.state = 'done'
    this.unwatch()
    this.#resolve(outputs)
  }

  /** Nothing happens where it has its answer already. */
  reject(reason: unknown): void {
    if (this.state === 'done') return
    this.state = 'done'
    this.unwatch()
    this.#reject(reason)
  }
}
