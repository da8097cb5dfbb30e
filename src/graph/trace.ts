/** What happened to one step of one request: for `explain`, metrics and spans. */
import type { Outcome } from './outcome.ts'
import type { StepTarget } from './spec.ts'

export interface StepRecord {
  readonly node: string
  /** The name of the step, else its index. */
  readonly step: string
  /** `node:x`, `service:x`, or a URL. */
  readonly target: string
  /**
   * `answered` with any status; `failed` without one; `passed over` as its condition did not hold; `cancelled` as nobody
   * waits any more; `shadow` when a copy was answered; `dropped`: a shadow too many.
   */
  readonly outcome: 'answered' | 'failed' | 'passed over' | 'cancelled' | 'shadow' | 'dropped'
  readonly condition?: { readonly text: string; readonly holds: boolean }
  readonly status?: number
  /** Why it failed. */
  readonly cause?: string
  /** After the start of the request. */
  readonly startMs: number
  readonly durationMs: number
  /** Calls that were made, retries included; absent for a node. */
  readonly calls?: number
}

export function targetText(target: StepTarget): string {
  return target.kind === 'url' ? target.url : `${target.kind}:${target.name}`
}

/** The parts of a record that tell of the outcome. */
export function told(outcome: Outcome): Pick<StepRecord, 'outcome' | 'status' | 'cause'> {
  return outcome.kind === 'answer'
    ? { outcome: 'answered', status: outcome.status }
    : { outcome: 'failed', cause: outcome.cause }
}
