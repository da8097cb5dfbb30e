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
import { NextRun } from './next-run.ts'
import { efficientBatch, isTooLate } from './policy.ts'
import { QueueRules, timeoutOf } from './queue-rules.ts'
import { deadlinePassed, deadlineUnreachable, sloMissed, timeoutExpired } from './refusals.ts'
import { Runner } from './runner.ts'
import { Running } from './running.ts'
import type { SchedulingPolicy } from './scheduler.ts'
import { Waiting } from './waiting.ts'
import type { Lane } from './waiting-line.ts'
import { WaitingLine } from './waiting-line.ts'
import { WakeUp } from './wake-up.ts'

export class PredictQueue {
  readonly #name: string
  readonly #sloMs: number
  readonly #nextRun: NextRun
  readonly #runner: Runner
  readonly #rules: QueueRules
  readonly #batching: Batching
  readonly #line: WaitingLine
  readonly #running: Running
  readonly #admission: Admission
  readonly #counts = new Counts()
  readonly #wakeUp = new WakeUp(() => this.#plan())
  /** Came in this turn of the event loop. Most of them run before anyone has to listen to their signals. */
  #fresh: Waiting[] = []
  #isPlanned = false
  #order = 0
  /** When the first of those who wait runs out of time; may be too early. */
  #expiresMs = Infinity

  constructor(model: Model, policy: SchedulingPolicy) {
    const options = policy.options ?? {}
    this.#name = policy.name
    this.#sloMs = options.sloMs ?? Infinity
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
    this.#nextRun = new NextRun(this.#admission, options)
    this.#runner = new Runner({
      model,
      batching: this.#batching,
      running: this.#running,
      counts: this.#counts,
      onEnd: () => this.#line.size > 0 && this.#plan(),
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
    const rules = this.#rules.levels[level]
    return new Promise((resolve, reject) => {
      const waiting = new Waiting({
        batch,
        signal,
        bucket,
        rows,
        order: this.#order,
        arrivedMs: nowMs,
        deadline,
        sloDeadline: nowMs + this.#sloMs,
        timeoutMs: rules === undefined ? Infinity : nowMs + timeoutOf(rules, deadline - nowMs),
        onStart: options?.onStart,
        resolve,
        reject,
      })
      this.#order += 1
      this.#enqueue(waiting, level)
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

  #enqueue(waiting: Waiting, level: number): void {
    waiting.isProbe = this.#running.size === 0 && this.#line.size === 0
    this.#line.push(waiting, level * 2)
    this.#expiresMs = Math.min(this.#expiresMs, waiting.deadline, waiting.timeoutMs)
    this.#fresh.push(waiting)
    this.#plan()
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
    if (this.#runner.hasUnwatched) this.#runner.watch(this.#onAbort)
    if (nowMs >= this.#expiresMs) this.#expire(nowMs)
    while (this.#running.isFree && this.#line.size > 0) {
      const lane = this.#line.next((candidate, first) => this.#nextRun.rowsOf(candidate, first, nowMs) > 0)
      const first = lane?.places.first
      if (lane === undefined || first === undefined) break
      this.#dispatch(lane, first, nowMs)
    }
    for (const waiting of this.#fresh) if (waiting.state === 'waiting') waiting.watch(this.#onAbort)
    this.#fresh.length = 0
    this.#setTimer(nowMs)
  }

  #dispatch(lane: Lane, first: Waiting, nowMs: number): void {
    const { bucket } = lane
    const limit = this.#nextRun.rowsOf(lane, first, nowMs)
    const members = this.#gather(bucket, lane.level, limit, nowMs)
    if (members.length === 0) return
    if (bucket.isMergeable) this.#batching.decided(bucket, limit, nowMs)
    if (limit > this.#admission.batchRows(bucket, Infinity)) bucket.exploredAtRun = bucket.latency.runs
    this.#runner.start(members)
    if (this.#runner.hasUnwatched) this.#plan()
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

  readonly #onAbort = (waiting: Waiting): void => {
    if (waiting.state === 'waiting') {
      this.#line.leave(waiting)
      this.#refuse(waiting, cancellationOf(waiting), InferenceError.from(waiting.signal.reason))
      return
    }
    waiting.reject(InferenceError.from(waiting.signal.reason))
    waiting.run?.leave(waiting.signal.reason)
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
        wakeMs = Math.min(wakeMs, this.#nextRun.waitsUntil(first))
        return false
      })
    }
    if (wakeMs < Infinity) this.#wakeUp.at(wakeMs, nowMs)
  }
}

function cancellationOf({ signal }: Waiting): RefusalReason {
  return InferenceError.from(signal.reason).code === 'deadline_exceeded' ? 'deadline' : 'cancelled'
}
