/** Who may wait: a bounded queue, and where there is a limit of time only those who can be answered within it. */
import type { InferenceError } from '../core/errors.ts'
import type { RefusalReason, SchedulingSnapshot } from '../core/scheduling.ts'
import { ArrivalRate } from './arrival-rate.ts'
import type { Bucket } from './bucket.ts'
import type { Ahead, Surroundings } from './policy.ts'
import { batchSize, expectedAnswerMs, expectedWaitMs, isAdmitted } from './policy.ts'
import type { QueueRules } from './queue-rules.ts'
import { deadlinePassed, deadlineUnreachable, levelFull, queueFull, sloMissed } from './refusals.ts'
import type { Running } from './running.ts'
import type { WaitingLine } from './waiting-line.ts'

export interface AdmissionOptions {
  /** The model's name, for messages. */
  readonly name: string
  readonly maxQueueSize: number
  /** Infinity: none. */
  readonly sloMs: number
  readonly line: WaitingLine
  readonly running: Running
  readonly rules: QueueRules
}

/** A request at the door. */
export interface Candidate {
  readonly bucket: Bucket
  readonly rows: number
  /** Index of its level. */
  readonly level: number
  readonly deadline: number
  readonly nowMs: number
}

export interface Refusal {
  readonly reason: RefusalReason
  readonly error: InferenceError
}

export class Admission {
  readonly #options: AdmissionOptions
  readonly #rate = new ArrivalRate()

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  /** Every request is told, refused ones too. */
  arrive(nowMs: number, rows: number): void {
    this.#rate.arrive(nowMs, rows)
  }

  /** Rows that a run takes at most now. */
  batchRows(bucket: Bucket, budgetMs: number): number {
    return bucket.isMergeable ? batchSize(this.#around(bucket), budgetMs) : 1
  }

  /** Undefined where the request may wait. */
  refusalOf(candidate: Candidate): Refusal | undefined {
    return this.#room(candidate) ?? this.#time(candidate)
  }

  /** What the next request can expect. */
  view(bucket: Bucket, nowMs: number): Pick<SchedulingSnapshot, 'arrivalsPerMs' | 'expectedWaitMs'> {
    const { running, sloMs } = this.#options
    return {
      arrivalsPerMs: this.#rate.perMsAt(nowMs) / running.executors,
      expectedWaitMs: this.#waitMs(bucket, nowMs, this.batchRows(bucket, sloMs)),
    }
  }

  #around(bucket: Bucket): Surroundings {
    const { executors } = this.#options.running
    const { latency, maxRows } = bucket
    return { latency, maxRows, executors, arrivalsPerMs: this.#rate.perMs / executors }
  }

  #room({ bucket, level, nowMs }: Candidate): Refusal | undefined {
    const { name, line, maxQueueSize, running, rules } = this.#options
    const levelLimit = rules.levels[level]?.maxQueueSize ?? Infinity
    if (line.size < maxQueueSize && line.sizeOf(rules.placeOf(level)) < levelLimit) return undefined
    // What may run at the end of this turn of the event loop does not wait.
    const atOnce = Math.max(0, running.executors - running.size) * this.batchRows(bucket, Infinity)
    if (line.size >= maxQueueSize + atOnce) {
      const retryAfterMs = this.#waitMs(bucket, nowMs, this.batchRows(bucket, Infinity))
      return { reason: 'queue_full', error: queueFull(name, line.size - atOnce, maxQueueSize, retryAfterMs) }
    }
    if (line.sizeOf(rules.placeOf(level)) >= levelLimit + atOnce) {
      const retryAfterMs = this.#waitMs(bucket, nowMs, this.batchRows(bucket, Infinity))
      return { reason: 'queue_full', error: levelFull(name, level + 1, levelLimit, retryAfterMs) }
    }
    return undefined
  }

  #time(candidate: Candidate): Refusal | undefined {
    const { bucket, rows, deadline, nowMs } = candidate
    const { name, sloMs, line, running } = this.#options
    const budgetMs = Math.min(sloMs, deadline - nowMs)
    if (budgetMs === Infinity) return undefined
    if (nowMs >= deadline) return { reason: 'deadline', error: deadlinePassed(name, 0) }
    // Nobody is in its way: if predictions are wrong, it is the one to show it.
    if (line.size === 0 && running.size === 0) return undefined
    const around = this.#around(bucket)
    const batchRows = this.batchRows(bucket, budgetMs)
    const ahead = this.#ahead(candidate, batchRows)
    if (isAdmitted(around, ahead, rows, { budgetMs, batchRows })) return undefined
    const expectedMs = expectedAnswerMs(around, ahead, rows, batchRows)
    return deadline - nowMs < sloMs
      ? { reason: 'deadline', error: deadlineUnreachable(name, deadline - nowMs, expectedMs) }
      : { reason: 'slo', error: sloMissed(name, sloMs, expectedMs) }
  }

  /** Rows of its own kind, and the time that all others take. */
  #ahead({ bucket, level, deadline, nowMs }: Candidate, batchRows: number): Ahead {
    const { line, running, rules, sloMs } = this.#options
    let rows = 0
    let residualMs = running.residualMs(nowMs)
    for (const lane of line.ahead(rules.placeOf(level))) {
      if (lane.bucket === bucket) rows += lane.rows
      else if (lane.rows > 0) {
        const around = this.#around(lane.bucket)
        const size = this.batchRows(lane.bucket, Math.min(sloMs, deadline - nowMs))
        const runs = Math.ceil(lane.rows / size)
        residualMs += (runs * around.latency.margin * around.latency.predict(size)) / around.executors
      }
    }
    return { rows: bucket.isMergeable ? rows : rows * batchRows, residualMs }
  }

  #waitMs(bucket: Bucket, nowMs: number, batchRows: number): number {
    const { line, running } = this.#options
    return expectedWaitMs(this.#around(bucket), { rows: line.rows, residualMs: running.residualMs(nowMs) }, batchRows)
  }
}
