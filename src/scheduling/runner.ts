/** Runs of a model from their start to the answers of their requests. */
import { InferenceError } from '../core/errors.ts'
import type { Batch, Model } from '../core/model.ts'
import type { Tensor } from '../core/tensor.ts'
import type { Batching } from './batching.ts'
import type { Bucket } from './bucket.ts'
import type { Counts } from './counts.ts'
import { MergedRun } from './merged-run.ts'
import type { Run, Running } from './running.ts'
import type { Waiting } from './waiting.ts'

export interface RunnerOptions {
  readonly model: Model
  readonly batching: Batching
  readonly running: Running
  readonly counts: Counts
  /** Milliseconds. */
  readonly now: () => number
  /** Told after each run: there is room for another. */
  readonly onEnd: () => void
}

export class Runner {
  readonly #options: RunnerOptions
  /** Runs of this turn of the event loop: many end before anyone has to listen to the signals of their callers. */
  #unwatched: MergedRun[] = []

  constructor(options: RunnerOptions) {
    this.#options = options
  }

  /** Starts the run of one request as it came, or of several joined. */
  start(members: readonly Waiting[]): void {
    const [first] = members
    if (first === undefined) return
    if (members.length === 1) this.#startAlone(first)
    else this.#startTogether(members, first.bucket)
  }

  /** True where {@link watch} has something to do. */
  get hasUnwatched(): boolean {
    return this.#unwatched.length > 0
  }

  /** Calls back when a caller of a joined run goes away. To be called in the turn of the event loop after the start. */
  watch(onAbort: (waiting: Waiting) => void): void {
    const runs = this.#unwatched
    this.#unwatched = []
    for (const run of runs) {
      if (!run.hasEnded) for (const member of run.members) member.watch(onAbort)
    }
  }

  #startAlone(waiting: Waiting): void {
    const { batch, bucket, rows, signal } = waiting
    waiting.unwatch() // the model sees its signal
    const run = this.#options.running.begin(bucket, rows, this.#options.now())
    begin(waiting)
    const answer = this.#predict(batch, signal)
    if (this.#options.running.areInTurn) run.computeMs = this.#options.now() - run.startedMs
    answer.then(
      (outputs) => {
        this.#succeeded(run, this.#options.batching.rowsOf(batch))
        waiting.resolve(outputs)
      },
      (reason: unknown) => {
        this.#end(run)
        waiting.reject(reason)
      },
    )
  }

  #startTogether(members: readonly Waiting[], bucket: Bucket): void {
    let rows = 0
    for (const member of members) rows += member.rows
    const merged = new MergedRun(members, rows)
    const run = this.#options.running.begin(bucket, rows, this.#options.now())
    for (const member of members) begin(member)
    this.#unwatched.push(merged)
    this.#predictMerged(merged).then(
      (outputs) => this.#answer(merged, run, outputs),
      (reason: unknown) => this.#isolate(merged, run, reason),
    )
  }

  /** Rejects where a model throws. */
  readonly #predict = (batch: Batch, signal: AbortSignal): Promise<readonly Tensor[]> => {
    try {
      return this.#options.model.predict(batch, signal)
    } catch (reason) {
      return Promise.reject(InferenceError.from(reason))
    }
  }

  #predictMerged(merged: MergedRun): Promise<readonly Tensor[]> {
    try {
      return merged.predict(this.#predict)
    } catch (reason) {
      return Promise.reject(InferenceError.from(reason))
    }
  }

  #answer(merged: MergedRun, run: Run, outputs: readonly Tensor[]): void {
    let parts: readonly (readonly Tensor[])[]
    try {
      parts = merged.split(outputs)
    } catch (reason) {
      this.#mixedUp(merged, run, InferenceError.from(reason))
      return
    }
    run.bucket.mergeFaults = 0
    this.#succeeded(run, merged.rows)
    merged.answer(parts)
  }

  /** The outputs cannot be told apart: the model is not what it was taken for. */
  #mixedUp(merged: MergedRun, run: Run, error: InferenceError): void {
    const { batching, counts } = this.#options
    batching.turnOff(error.message)
    counts.isolations += merged.members.length
    void merged.singly(this.#predict).then(() => this.#end(run))
  }

  #isolate(merged: MergedRun, run: Run, reason: unknown): void {
    const { batching, counts } = this.#options
    if (merged.isDivisible(reason)) counts.isolations += merged.members.length
    void merged.isolate(reason, this.#predict).then((failed) => {
      batching.isolated(run.bucket, failed)
      this.#end(run)
    })
  }

  #succeeded(run: Run, countedRows: number): void {
    const nowMs = this.#options.now()
    const ms = run.computeMs ?? nowMs - run.startedMs
    const { latency, returns, isMergeable } = run.bucket
    latency.observe(run.rows, ms)
    if (isMergeable) returns.end(nowMs, run.rows, ms, this.#options.running.executors)
    this.#options.counts.run(countedRows, ms)
    this.#end(run, nowMs)
  }

  #end(run: Run, nowMs = this.#options.now()): void {
    this.#options.running.end(run, nowMs)
    this.#options.onEnd()
  }
}

function begin(waiting: Waiting): void {
  waiting.state = 'running'
  waiting.onStart?.()
}
