/** Who leaves the queue without having run: the cancelled, the late, those whose time in the queue is over. */
import { InferenceError } from '../core/errors.ts'
import type { RefusalReason } from '../core/scheduling.ts'
import type { Counts } from './counts.ts'
import { isTooLate } from './policy.ts'
import type { QueueRules } from './queue-rules.ts'
import { deadlinePassed, deadlineUnreachable, sloMissed, timeoutExpired } from './refusals.ts'
import type { Waiting } from './waiting.ts'
import type { WaitingLine } from './waiting-line.ts'

export interface DeparturesOptions {
  /** The model's name, for messages. */
  readonly name: string
  /** Infinity: none. */
  readonly sloMs: number
  readonly line: WaitingLine
  readonly rules: QueueRules
  readonly counts: Counts
}

export class Departures {
  readonly #options: DeparturesOptions
  /** When the first of those who wait runs out of time; may be too early. */
  #nextMs = Infinity

  constructor(options: DeparturesOptions) {
    this.#options = options
  }

  get nextMs(): number {
    return this.#options.line.size === 0 ? Infinity : this.#nextMs
  }

  /** Someone came. */
  expect({ deadline, timeoutMs }: Waiting): void {
    this.#nextMs = Math.min(this.nextMs, deadline, timeoutMs)
  }

  /** Its caller is gone. */
  cancel(waiting: Waiting): void {
    const error = InferenceError.from(waiting.signal.reason)
    this.#options.line.leave(waiting)
    this.#refuse(waiting, error.code === 'deadline_exceeded' ? 'deadline' : 'cancelled', error)
  }

  /** True for one that would run now but is gone, or would be answered too late. */
  isDropped(waiting: Waiting, runRows: number, nowMs: number): boolean {
    const { deadline, sloDeadline, isProbe } = waiting
    if (waiting.isAborted) {
      this.cancel(waiting)
      return true
    }
    if (nowMs < deadline && (isProbe || Math.min(deadline, sloDeadline) === Infinity)) return false
    return this.#isLate(waiting, runRows, nowMs)
  }

  /** Whose time is over fails, or waits on behind the others of its level. */
  expire(nowMs: number): void {
    if (nowMs < this.nextMs) return
    let nextMs = Infinity
    for (const waiting of [...this.#options.line]) {
      if (nowMs >= waiting.deadline) {
        this.#options.line.leave(waiting)
        this.#refuse(waiting, 'deadline', deadlinePassed(this.#options.name, nowMs - waiting.arrivedMs))
      } else if (nowMs >= waiting.timeoutMs) this.#timeOut(waiting, nowMs)
      if (waiting.state === 'waiting') nextMs = Math.min(nextMs, waiting.deadline, waiting.timeoutMs)
    }
    this.#nextMs = nextMs
  }

  #isLate(waiting: Waiting, runRows: number, nowMs: number): boolean {
    const { bucket, arrivedMs, deadline, sloDeadline } = waiting
    const { latency } = bucket
    const { name, sloMs } = this.#options
    const runMs = latency.margin * latency.predict(runRows)
    if (nowMs >= deadline) this.#refuse(waiting, 'deadline', deadlinePassed(name, nowMs - arrivedMs))
    else if (isTooLate(latency, runRows, nowMs, deadline)) {
      this.#refuse(waiting, 'deadline', deadlineUnreachable(name, deadline - nowMs, runMs))
    } else if (isTooLate(latency, runRows, nowMs, sloDeadline)) {
      this.#refuse(waiting, 'slo', sloMissed(name, sloMs, nowMs - arrivedMs + runMs))
    } else return false
    return true
  }

  #timeOut(waiting: Waiting, nowMs: number): void {
    const { line, rules, name } = this.#options
    const place = waiting.lane?.level ?? 0
    line.leave(waiting)
    if (rules.levelAt(place)?.timeoutAction === 'delay') {
      waiting.timeoutMs = Infinity
      line.push(waiting, rules.placeBehind(place))
    } else this.#refuse(waiting, 'timeout', timeoutExpired(name, nowMs - waiting.arrivedMs))
  }

  #refuse(waiting: Waiting, reason: RefusalReason, error: InferenceError): void {
    this.#options.counts.refusals[reason] += 1
    waiting.reject(error)
  }
}
