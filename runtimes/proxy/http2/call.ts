/** One call on an HTTP/2 connection: what its caller hears of it, and how far its windows are. */
import type { Field } from './hpack-static.ts'

/** Why a call ended without an answer. */
export interface Failure {
  readonly message: string
  /** The peer has certainly not begun with it. */
  readonly neverRan: boolean
  /** The connection takes no more calls; another may. */
  readonly isGone: boolean
  /** The peer has enough for now, whether or not it had begun with the call. */
  readonly isBusy?: true
}

/** The connection is gone. @param neverRan nothing of the call has left this process, or the peer says so */
export function gone(message: string, neverRan: boolean): Failure {
  return { message, neverRan, isGone: true }
}

/** The call has not begun. */
export function never(message: string): Failure {
  return { message, neverRan: true, isGone: false }
}

/** What the caller hears of a call. */
export interface CallEvents {
  /** First the answer's headers, then perhaps those behind its body. */
  head(fields: readonly Field[]): void
  /** The peer may send as many bytes more once {@link Call.consumed} tells of them. */
  data(bytes: Buffer): void
  /** Once, as the last. */
  end(failure: Failure | undefined): void
}

/** What is asked. */
export interface CallRequest {
  /** The same array for every call of a kind; nothing secret. */
  readonly fixed: readonly Field[]
  /** Further fields, as {@link literals} writes them. */
  readonly more: Buffer
  /** The body, in any pieces that are not empty. */
  readonly body: readonly Uint8Array[]
}

/** What a call does through its connection. */
export interface CallOwner {
  cancel(call: Call): void
  consumed(call: Call, bytes: number): void
}

export class Call {
  readonly request: CallRequest
  readonly events: CallEvents
  readonly #owner: CallOwner
  /** 0 before it has a stream. */
  id = 0
  /** The piece of the body that goes next, and how much of it is gone. */
  piece = 0
  offset = 0
  /** Bytes that the peer lets this call send. */
  sendWindow = 0
  /** Bytes that came and that the caller has not consumed. */
  held = 0
  /** Bytes that the caller has consumed and the peer was not told of. */
  untold = 0
  hasHead = false

  constructor(owner: CallOwner, request: CallRequest, events: CallEvents) {
    this.#owner = owner
    this.request = request
    this.events = events
  }

  get isSent(): boolean {
    return this.piece >= this.request.body.length
  }

  /** The stream is closed, where it is open; {@link CallEvents.end} is called before this returns. */
  cancel(): void {
    this.#owner.cancel(this)
  }

  consumed(bytes: number): void {
    this.#owner.consumed(this, bytes)
  }
}
