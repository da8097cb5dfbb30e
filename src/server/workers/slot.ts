/** The place of one worker, and what follows the end of a process in it. */
import { InferenceError } from '../../core/errors.ts'
import type { GroupTimes } from './group-options.ts'
import { errorOf } from './messages.ts'
import type { Ending, WorkerProcess } from './worker-process.ts'

/** Ends at start, one after the other, after which a group that cannot serve gives up. */
const startsTried = 3

/** Processes follow each other in it. */
export interface Slot {
  readonly number: number
  current: WorkerProcess
  /** Will take the place of `current` once it serves. */
  next: WorkerProcess | undefined
  /** Ends that followed each other closely. */
  failures: number
}

/** What surrounds the end of a process. */
export interface AfterEnd {
  /** No other worker serves. */
  readonly isAlone: boolean
  /** All workers have served once. */
  readonly isStarted: boolean
  readonly times: GroupTimes
}

/** @returns milliseconds until another process is started, or why the group cannot serve */
export function afterEnd(
  slot: Slot,
  ended: WorkerProcess,
  ending: Ending,
  { isAlone, isStarted, times: { backoffMs, longestBackoffMs, stableMs } }: AfterEnd,
): number | InferenceError {
  if (ended.hasServed && performance.now() - ended.servedSince > stableMs) slot.failures = 0
  slot.failures += 1
  if (!ended.hasServed && isAlone) {
    if (ending.failure !== undefined && !isStarted) return errorOf(ending.failure)
    if (slot.failures >= startsTried) {
      const text = `worker ${slot.number} ended ${slot.failures} times while it started: ${ending.reason}`
      return new InferenceError('internal', text)
    }
  }
  return Math.min(longestBackoffMs, backoffMs * 2 ** (slot.failures - 1))
}
