/** One model's queue, and the runs that it starts. All its decisions are those of `policy.ts`. */
import { InferenceError } from '../core/errors.ts'
import type { Batch, Model } from '../core/model.ts'
import type { Caller, PredictOptions, SchedulingSnapshot } from '../core/scheduling.ts'
import type { Tensor } from '../core/tensor.ts'
import { Admission } from './admission.ts'
import { Batching } from './batching.ts'
import type { Bucket } from './bucket.ts'
import { commonRows } from './bucket.ts'
import { Counts } from './counts.ts'
import { Departures } from './departures.ts'
import { NextRun } from './next-run.ts'
import { efficientBatch } from './policy.ts'
import { QueueRules, timeoutOf } from './queue-rules.ts'
import { Runner } from './runner.ts'
import { Running } from './running.ts'
import type { SchedulingPolicy } from './scheduler.ts'
import { isAborted, Waiting } from './waiting.ts'
import type { Lane } from './waiting-line.ts'
import { WaitingLine } from './waiting-line.ts'
import { WakeUp } from './wake-up.ts'

export class PredictQueue {
  readonly #sloMs: number
  readonly #now: () => number
  readonly #nextRun: NextRun
  readonly #runner: Runner
  readonly #rules: QueueRules
  readonly #batching: Batching
  readonly #line: WaitingLine
  readonly #running: Running
  readonly #admission: Admission
  readonly #departures: Departures
  readonly #counts = new Counts()
  readonly #wakeUp = new WakeUp(() => this.#plan())
  /** Came in this turn of the event loop. Most of them run before anyone has to listen to their signals. */
  #fresh: Waiting[] = []
  #isPlanned = false
  #order = 0

  constructor(model: Model, policy: SchedulingPolicy) {
    const options = policy.options ?? {}
    this.#sloMs = options.sloMs ?? Infinity
    this.#now = policy.now ?? (() => performance.now())
    this.#rules = new QueueRules(options)
    this.#batching = new Batching(model, policy)
    this.#line = new WaitingLine(this.#rules.places)
    this.#running = new Running(model, this.#batching)
    const common = { name: policy.name, sloMs: this.#sloMs, line: this.#line, rules: this.#rules }
    const maxQueueSize = options.maxQueueSize ?? policy.maxQueueSize
    this.#admission = new Admission({ ...common, maxQueueSize, running: this.#running })
    this.#departures = new Departures({ ...common, counts: this.#counts })
    this.#nextRun = new NextRun(this.#admission, this.#running, options)
    this.#runner = new Runner({
      model,
      batching: this.#batching,
      running: this.#running,
      counts: this.#counts,
      now: this.#now,
      onEnd: () => this.#line.size > 0 && this.#plan(),
    })
  }

  predict(batch: Batch, given: AbortSignal | Caller, options: PredictOptions | undefined): Promise<readonly Tensor[]> {
    const caller = given instanceof AbortSignal ? { signal: given } : given
    if (isAborted(caller)) return Promise.reject(InferenceError.from(caller.signal.reason))
    const nowMs = this.#now()
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
    const waiting = new Waiting({
      batch,
      caller,
      bucket,
      rows,
      order: this.#order,
      arrivedMs: nowMs,
      deadline,
      sloDeadline: nowMs + this.#sloMs,
      timeoutMs: rules === undefined ? Infinity : nowMs + timeoutOf(rules, options?.timeoutMs ?? deadline - nowMs),
      onStart: options?.onStart,
    })
    this.#order += 1
    this.#enqueue(waiting, level)
    return waiting.answer
  }

  snapshot(): SchedulingSnapshot {
    const { usual, apart, isOn, reason, maxRows } = this.#batching
    const { latency, returns } = usual
    return {
      isBatching: isOn && (usual.isMergeable || usual === apart), // apart: nothing has come yet
      reason,
      ...(latency.isKnown ? { alphaMs: latency.alphaMs, betaMs: latency.betaMs } : {}),
      margin: latency.margin,
      efficientBatch: isOn ? efficientBatch(latency, Math.min(maxRows, usual.maxRows)) : 1,
      batchSize: this.#admission.batchRows(usual, this.#sloMs),
      ...this.#admission.view(usual, this.#now()),
      ...(returns.isKnown ? { returnFraction: returns.fraction } : {}),
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
    waiting.bucket.returns.arrive(waiting.arrivedMs, waiting.rows)
    this.#departures.expect(waiting)
    this.#line.push(waiting, this.#rules.placeOf(level))
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
    const nowMs = this.#now()
    if (this.#runner.hasUnwatched) this.#runner.watch(this.#onAbort)
    this.#departures.expire(nowMs)
    if (this.#running.isFree) this.#dispatchAll(nowMs)
    else if (this.#line.size > 0 && this.#running.hasRoomAhead) this.#dispatchAhead(nowMs)
    for (const waiting of this.#fresh) if (waiting.state === 'waiting') waiting.watch(this.#onAbort)
    this.#fresh.length = 0
    this.#setTimer(nowMs)
  }

  #dispatchAll(nowMs: number): void {
    while (this.#running.isFree && this.#line.size > 0) {
      const lastMs = this.#departures.nextMs
      const lane = this.#line.next((candidate, first) => this.#nextRun.isReady(candidate, first, nowMs, lastMs))
      const first = lane?.places.first
      if (lane === undefined || first === undefined) break
      this.#dispatch(lane, first, nowMs)
    }
    if (this.#line.size > 0 && this.#running.hasRoomAhead) this.#plan()
  }

  /** Not in the turn of the run before: on the main thread that one has ended by now. */
  #dispatchAhead(nowMs: number): void {
    const lane = this.#line.next((candidate, first) => this.#nextRun.isFull(candidate, first, nowMs))
    const first = lane?.places.first
    if (lane !== undefined && first !== undefined) this.#dispatch(lane, first, nowMs)
  }

  #dispatch(lane: Lane, first: Waiting, nowMs: number): void {
    const { bucket } = lane
    const wanted = this.#nextRun.explored(first, this.#nextRun.rowsOf(lane, first, nowMs))
    const limit = Math.min(wanted, this.#batching.joinedRows(bucket, first.rows))
    const members = this.#gather(bucket, lane.level, limit, nowMs)
    if (members.length === 0) return
    if (bucket.isMergeable) this.#batching.decided(bucket, this.#admission.batchRows(bucket, this.#sloMs), nowMs)
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
        if (this.#departures.isDropped(next, runRows, nowMs)) continue
        members.push(next)
        rows += next.rows
        if (rows >= limit) return members
      }
    }
    return members
  }

  readonly #onAbort = (waiting: Waiting): void => {
    if (waiting.state === 'waiting') {
      this.#departures.cancel(waiting)
      return
    }
    waiting.reject(InferenceError.from(waiting.signal.reason))
    waiting.run?.leave(waiting.signal.reason)
  }

  /** The one timer: for those who linger and those whose time runs out. */
  #setTimer(nowMs: number): void {
    if (this.#line.size === 0) {
      this.#wakeUp.clear()
      return
    }
    let wakeMs = this.#departures.nextMs
    if (this.#running.isFree) {
      this.#line.next((_, first) => {
        wakeMs = Math.min(wakeMs, this.#nextRun.waitsUntil(first))
        return false
      })
    }
    if (wakeMs < Infinity) this.#wakeUp.at(wakeMs, nowMs)
  }
}
