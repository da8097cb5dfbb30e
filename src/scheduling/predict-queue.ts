/** One model's queue, and the runs that it starts. All its decisions are those of `policy.ts`. */
import { InferenceError } from '../core/errors.ts'
import type { Batch, Model } from '../core/model.ts'
import type { PredictOptions, RefusalReason, SchedulingSnapshot } from '../core/scheduling.ts'
import type { Tensor } from '../core/tensor.ts'
import { Admission } from './admission.ts'
import { Batching } from './batching.ts'
import type { Bucket } from './bucket.ts'
import { commonRows } from './bucket.ts'
import { Counts } from './counts.ts'
import { MergedRun } from './merged-run.ts'
import type { Linger } from './policy.ts'
import { efficientBatch, isTooLate, rowsToTake } from './policy.ts'
import { QueueRules, timeoutOf } from './queue-rules.ts'
import { deadlinePassed, deadlineUnreachable, sloMissed, timeoutExpired } from './refusals.ts'
import { Running, type Run } from './running.ts'
import type { SchedulingPolicy } from './scheduler.ts'
import { Waiting } from './waiting.ts'
import type { Lane } from './waiting-line.ts'
import { WaitingLine } from './waiting-line.ts'
import { WakeUp } from './wake-up.ts'

export class PredictQueue {
  readonly #model: Model
  readonly #name: string
  readonly #sloMs: number
  readonly #linger: Linger
  readonly #rules: QueueRules
  readonly #batching: Batching
  readonly #line: WaitingLine
  readonly #running: Running
  readonly #admission: Admission
  readonly #counts = new Counts()
  readonly #wakeUp = new WakeUp(() => this.#plan())
  /** Came in this turn of the event loop. Most of them run before anyone has to listen to their signals. */
  #fresh: Waiting[] = []
  #unwatched: MergedRun[] = []
  #isPlanned = false
  #order = 0
  /** When the first of those who wait runs out of time; may be too early. */
  #expiresMs = Infinity

  constructor(model: Model, policy: SchedulingPolicy) {
    const options = policy.options ?? {}
    this.#model = model
    this.#name = policy.name
    this.#sloMs = options.sloMs ?? Infinity
    this.#linger = {
      preferredBatchSizes: [...(options.preferredBatchSizes ?? [])].sort((a, b) => a - b),
      maxQueueDelayMs: options.maxQueueDelayMs ?? 0,
    }
    this.#rules = new QueueRules(options)
    this.#batching = new Batching(model, policy)
    this.#line = new WaitingLine(this.#rules.levels.length * 2)
    this.#running = new Running(model, this.#batching)
    this.#admission = new Admission({
      name: policy.name,
      maxQueueSize: options.maxQueueSize ?? policy.maxQueueSize,
      sloMs: this.#sloMs,
      line: this.#line,
      running: this.#running,
      rules: this.#rules,
    })
  }

  predict(batch: Batch, signal: AbortSignal, options: PredictOptions | undefined): Promise<readonly Tensor[]> {
    if (signal.aborted) return Promise.reject(InferenceError.from(signal.reason))
    const nowMs = performance.now()
    const bucket = this.#batching.bucketOf(batch)
    const rows = bucket === this.#batching.apart ? 1 : commonRows(batch.inputs)
    const level = this.#rules.levelOf(options?.priority)
    const deadline = options?.deadline ?? Infinity
    this.#admission.arrive(nowMs, rows)
    const refusal = this.#admission.refusalOf({ bucket, rows, level, deadline, nowMs })
    if (refusal !== undefined) {
      this.#counts.refusals[refusal.reason] += 1
      return Promise.reject(refusal.error)
    }
    return new Promise((resolve, reject) => {
      const rules = this.#rules.levels[level]
      const waitMs = rules === undefined ? Infinity : timeoutOf(rules, deadline - nowMs)
      const arrival = { batch, signal, bucket, rows, deadline, arrivedMs: nowMs, onStart: options?.onStart }
      const more = { order: this.#order, sloDeadline: nowMs + this.#sloMs, timeoutMs: nowMs + waitMs }
      const waiting = new Waiting({ ...arrival, ...more }, resolve, reject)
      waiting.isProbe = this.#running.size === 0 && this.#line.size === 0
      this.#order += 1
      this.#line.push(waiting, level * 2)
      this.#expiresMs = Math.min(this.#expiresMs, deadline, waiting.timeoutMs)
      this.#fresh.push(waiting)
      this.#plan()
    })
  }

  snapshot(): SchedulingSnapshot {
    const { usual, isOn, reason, maxRows } = this.#batching
    const { latency } = usual
    return {
      isBatching: isOn && usual.isMergeable,
      reason,
      ...(latency.isKnown ? { alphaMs: latency.alphaMs, betaMs: latency.betaMs } : {}),
      margin: latency.margin,
      efficientBatch: isOn ? efficientBatch(latency, Math.min(maxRows, usual.maxRows)) : 1,
      batchSize: this.#admission.batchRows(usual, this.#sloMs),
      ...this.#admission.view(usual, performance.now()),
      waitingRequests: this.#line.size,
      waitingRows: this.#line.rows,
      runningBatches: this.#running.size,
      refusals: { ...this.#counts.refusals },
      isolations: this.#counts.isolations,
      batches: this.#counts.batches,
    }
  }

  close(): void {
    this.#wakeUp.clear()
  }

  /** At the end of this turn of the event loop: what was read in it shares runs. */
  #plan(): void {
    if (this.#isPlanned) return
    this.#isPlanned = true
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#isPlanned = false
    const nowMs = performance.now()
    if (this.#unwatched.length > 0) this.#watchRuns()
    if (nowMs >= this.#expiresMs) this.#expire(nowMs)
    while (this.#running.isFree && this.#line.size > 0) {
      const lane = this.#line.next((candidate, first) => this.#take(candidate, first, nowMs) > 0)
      if (lane === undefined) break
      this.#dispatch(lane, nowMs)
    }
    for (const waiting of this.#fresh) if (waiting.state === 'waiting') waiting.watch(this.#onAbort)
    this.#fresh.length = 0
    this.#setTimer(nowMs)
  }

  /** Rows that the next run of a lane takes; 0 where it waits for more. */
  #take(lane: Lane, first: Waiting, nowMs: number): number {
    const { bucket } = lane
    const batchRows = this.#admission.batchRows(bucket, budgetOf(first))
    if (!bucket.isMergeable) return batchRows
    return rowsToTake(this.#linger, Math.max(bucket.waitingRows, first.rows), batchRows, this.#ageOf(first, nowMs))
  }

  /** Who has no time left for company is as old as can be. */
  #ageOf(first: Waiting, nowMs: number): number {
    return nowMs >= this.#lingersUntil(first) ? Infinity : nowMs - first.arrivedMs
  }

  #lingersUntil(first: Waiting): number {
    const { latency, waitingRows, maxRows } = first.bucket
    const lastMs = Math.min(first.deadline, first.sloDeadline)
    const runMs = latency.margin * latency.predict(Math.min(maxRows, waitingRows + 1))
    return Math.min(first.arrivedMs + this.#linger.maxQueueDelayMs, lastMs - runMs)
  }

  #dispatch(lane: Lane, nowMs: number): void {
    const { bucket } = lane
    const first = lane.places.first
    if (first === undefined) return
    const limit = this.#take(lane, first, nowMs)
    const members = this.#gather(bucket, lane.level, limit, nowMs)
    const [only] = members
    if (only === undefined) return
    if (bucket.isMergeable) this.#batching.decided(bucket, limit, nowMs)
    if (members.length === 1) this.#runAlone(only)
    else this.#runTogether(members, bucket)
  }

  /** Those who run together: in their order, from this level on, without the ones who are gone or late. */
  #gather(bucket: Bucket, level: number, limit: number, nowMs: number): readonly Waiting[] {
    const members: Waiting[] = []
    let rows = 0
    for (let index = level; index < bucket.lanes.length; index += 1) {
      const lane = bucket.lanes[index]
      for (let next = lane?.places.first; lane !== undefined && next !== undefined; next = lane.places.first) {
        if (rows > 0 && rows + next.rows > limit) return members
        const runRows = Math.max(next.rows, Math.min(limit, rows + bucket.waitingRows))
        this.#line.shift(lane)
        if (this.#isDropped(next, runRows, nowMs)) continue
        members.push(next)
        rows += next.rows
        if (rows >= limit) return members
      }
    }
    return members
  }

  #isDropped(waiting: Waiting, runRows: number, nowMs: number): boolean {
    if (waiting.signal.aborted) {
      this.#refuse(waiting, cancellationOf(waiting), InferenceError.from(waiting.signal.reason))
      return true
    }
    const { latency } = waiting.bucket
    const { arrivedMs, deadline, sloDeadline } = waiting
    const expectedMs = latency.margin * latency.predict(runRows)
    if (nowMs >= deadline) this.#refuse(waiting, 'deadline', deadlinePassed(this.#name, nowMs - arrivedMs))
    else if (waiting.isProbe) return false
    else if (isTooLate(latency, runRows, nowMs, deadline)) {
      this.#refuse(waiting, 'deadline', deadlineUnreachable(this.#name, deadline - nowMs, expectedMs))
    } else if (isTooLate(latency, runRows, nowMs, sloDeadline)) {
      this.#refuse(waiting, 'slo', sloMissed(this.#name, this.#sloMs, nowMs - arrivedMs + expectedMs))
    } else return false
    return true
  }

  #runAlone(waiting: Waiting): void {
    const { bucket, batch, rows, signal } = waiting
    waiting.unwatch() // the model sees its signal
    const run = this.#begin(waiting, bucket, rows)
    this.#predict(batch, signal).then(
      (outputs) => {
        this.#succeeded(run, this.#batching.rowsOf(batch))
        waiting.resolve(outputs)
      },
      (reason: unknown) => {
        this.#end(run)
        waiting.reject(reason)
      },
    )
  }

  #runTogether(members: readonly Waiting[], bucket: Bucket): void {
    let rows = 0
    for (const member of members) rows += member.rows
    const merged = new MergedRun(members, rows)
    let run: Run | undefined
    for (const member of members) run = this.#begin(member, bucket, rows, run)
    const started = run
    if (started === undefined) return
    this.#unwatched.push(merged)
    this.#plan()
    merged
      .predict(this.#predict)
      .then(
        (outputs) => this.#answer(merged, started, outputs),
        (reason: unknown) => this.#isolate(merged, started, reason),
      )
      .catch((reason: unknown) => this.#fail(merged, reason))
  }

  /** @param shared the run that it shares; a new one where absent */
  #begin(waiting: Waiting, bucket: Bucket, rows: number, shared?: Run): Run {
    waiting.state = 'running'
    const run = shared ?? this.#running.begin(bucket, rows, performance.now())
    waiting.onStart?.()
    return run
  }

  /** Rejects where a model throws. */
  readonly #predict = (batch: Batch, signal: AbortSignal): Promise<readonly Tensor[]> => {
    try {
      return this.#model.predict(batch, signal)
    } catch (reason) {
      return Promise.reject(InferenceError.from(reason))
    }
  }

  async #answer(merged: MergedRun, run: Run, outputs: readonly Tensor[]): Promise<void> {
    try {
      merged.answer(outputs)
      run.bucket.mergeFaults = 0
      this.#succeeded(run, merged.rows)
    } catch (reason) {
      this.#batching.turnOff(InferenceError.from(reason).message)
      this.#counts.isolations += merged.members.length
      await merged.singly(this.#predict)
      this.#end(run)
    }
  }

  async #isolate(merged: MergedRun, run: Run, reason: unknown): Promise<void> {
    this.#counts.isolations += merged.members.length
    this.#batching.isolated(run.bucket, await merged.isolate(reason, this.#predict))
    this.#end(run)
  }

  #fail(merged: MergedRun, reason: unknown): void {
    for (const member of merged.members) member.reject(InferenceError.from(reason))
  }

  #succeeded(run: Run, countedRows: number): void {
    const ms = performance.now() - run.startedMs
    run.bucket.latency.observe(run.rows, ms)
    this.#counts.run(countedRows, ms)
    this.#end(run)
  }

  #end(run: Run): void {
    this.#running.end(run)
    if (this.#line.size > 0) this.#plan()
  }

  /** Only runs that outlast a turn of the event loop have to know of callers that go away. */
  #watchRuns(): void {
    const runs = this.#unwatched
    this.#unwatched = []
    for (const run of runs) {
      if (!run.hasEnded) for (const member of run.members) member.watch(this.#onAbort)
    }
  }

  readonly #onAbort = (waiting: Waiting): void => {
    const { reason: cause } = waiting.signal as { readonly reason: unknown }
    if (waiting.state === 'waiting') {
      this.#line.leave(waiting)
      this.#refuse(waiting, cancellationOf(waiting), InferenceError.from(cause))
      return
    }
    waiting.reject(InferenceError.from(cause))
    waiting.run?.leave(cause)
  }

  /** Whose time is over fails or waits on behind the others of its level. */
  #expire(nowMs: number): void {
    let nextMs = Infinity
    for (const waiting of [...this.#line]) {
      if (nowMs >= waiting.deadline) {
        this.#line.leave(waiting)
        this.#refuse(waiting, 'deadline', deadlinePassed(this.#name, nowMs - waiting.arrivedMs))
      } else if (nowMs >= waiting.timeoutMs) this.#timeOut(waiting, nowMs)
      if (waiting.state === 'waiting') nextMs = Math.min(nextMs, waiting.deadline, waiting.timeoutMs)
    }
    this.#expiresMs = nextMs
  }

  #timeOut(waiting: Waiting, nowMs: number): void {
    const level = waiting.lane?.level ?? 0
    this.#line.leave(waiting)
    if (this.#rules.levels[level >> 1]?.timeoutAction === 'delay') {
      waiting.timeoutMs = Infinity
      this.#line.push(waiting, level | 1)
    } else this.#refuse(waiting, 'timeout', timeoutExpired(this.#name, nowMs - waiting.arrivedMs))
  }

  #refuse(waiting: Waiting, reason: RefusalReason, error: InferenceError): void {
    this.#counts.refusals[reason] += 1
    waiting.reject(error)
  }

  /** The one timer: for those who linger and those whose time runs out. */
  #setTimer(nowMs: number): void {
    if (this.#line.size === 0) {
      this.#expiresMs = Infinity
      this.#wakeUp.clear()
      return
    }
    let wakeMs = this.#expiresMs
    if (this.#running.isFree) {
      this.#line.next((_, first) => {
        wakeMs = Math.min(wakeMs, this.#lingersUntil(first))
        return false
      })
    }
    if (wakeMs < Infinity) this.#wakeUp.at(wakeMs, nowMs)
  }
}

function budgetOf(waiting: Waiting): number {
  return Math.min(waiting.deadline, waiting.sloDeadline) - waiting.arrivedMs
}

function cancellationOf({ signal }: Waiting): RefusalReason {
  return InferenceError.from(signal.reason).code === 'deadline_exceeded' ? 'deadline' : 'cancelled'
}
