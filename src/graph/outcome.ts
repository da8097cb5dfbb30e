/** What comes of a node or a step: an answer of any status, or a fault of the routing. */
import { Payload } from './payload.ts'
import { goString } from './gjson-scan.ts'

export type Outcome = Answer | Fault

export interface Answer {
  readonly kind: 'answer'
  /** HTTP status. 0 where a Sequence without steps was to answer. */
  readonly status: number
  readonly payload: Payload
}

/** No service answered this: the router itself failed, or the way to a service. */
export interface Fault {
  readonly kind: 'fault'
  /** 404 where no branch of a Switch was taken, else 500. */
  readonly status: 404 | 500
  readonly cause: string
}

export function answer(status: number, payload: Payload): Answer {
  return { kind: 'answer', status, payload }
}

export function fault(cause: string, status: 404 | 500 = 500): Fault {
  return { kind: 'fault', status, cause }
}

/** What a node makes of a fault in one of its steps: 404 is for the root's own Switch. */
export function nested(outcome: Outcome): Outcome {
  return outcome.kind === 'fault' && outcome.status !== 500 ? fault(outcome.cause) : outcome
}

export function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status <= 299
}

/** The body that KServe's router answers for a fault. */
export function faultBody({ cause }: Fault): Payload {
  return Payload.ofText(`{"error":"Failed to process request","cause":${goString(cause)}}`)
}
