/** What a protocol must do for a proxied model; each does it in a file of its own. */
import type { ModelDescription } from '../../src/codec/index.ts'
import type { InferenceError, InferenceRequest, InferenceResponse, ModelRef } from '../../src/runtime/index.ts'

/** What travels beside one call to one upstream. */
export interface Exchange {
  /** Fires when the caller is gone and when the time is up: the connection or stream is then closed. */
  readonly signal: AbortSignal
  /** Why that was, once it was. */
  readonly over: InferenceError | undefined
  /** Called then: cheaper than a signal, for the one attempt that is under way. */
  onOver: (() => void) | undefined
  /** When that is at the latest, in milliseconds since 1970. */
  readonly deadline: number
  /** Headers (REST) or metadata (gRPC), names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

/** What HTTP needs of it. */
export type HttpExchange = Pick<Exchange, 'signal' | 'headers'>

export type Headers = Readonly<Record<string, string>>

/** A response as callers of this server know it, and what came beside it. */
export interface Answer {
  readonly response: InferenceResponse
  /** Names in lower case. */
  readonly headers: Headers
}

/** Which model is meant: how it is called here, and how there. */
export interface Target {
  readonly local: Required<ModelRef>
  readonly remote: ModelRef
}

/** An exchange that is passed on: the path below the server's root, and the body as it came. */
export interface ForwardedCall {
  readonly path: string
  readonly contentType: string
  readonly accept: string | undefined
  readonly body: Uint8Array
}

/** A piece of the answer to it; the first one may be empty. */
export interface ForwardedPiece {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Headers
  readonly bytes: Uint8Array
}

/** One protocol to one upstream. Every method throws UpstreamError, or the reason of the signal. */
export interface Wire {
  /** As errors and logs name it; holds no secrets. */
  readonly url: string
  infer(request: InferenceRequest, exchange: Exchange): Promise<Answer>
  /** Absent where the protocol cannot stream. Ending the iteration cancels the call. */
  stream?(request: InferenceRequest, exchange: Exchange): AsyncGenerator<Answer, void>
  /** Present where the protocol is passed on as it is. Ending the iteration closes the connection. */
  forward?(call: ForwardedCall, exchange: Exchange): AsyncGenerator<ForwardedPiece, void>
  /** False where the server says no. */
  isReady(exchange: Exchange): Promise<boolean>
  /** How many requests the server has, from whomever; absent where it does not say. Undefined where it says nothing of it. */
  requests?(exchange: Exchange): Promise<number | undefined>
  /** Undefined where the protocol tells nothing of its models. */
  describe(exchange: Exchange): Promise<ModelDescription | undefined>
  close(): void
}
