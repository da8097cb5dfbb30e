/** One inference call and its answer, whichever protocol it came in by. */
import type { Parameters, Tensor } from './tensor.ts'
import type { TraceContext } from './trace-context.ts'

/** Which model: the newest ready version where none is named. */
export interface ModelRef {
  readonly name: string
  readonly version?: string
}

export interface InferenceRequest {
  readonly id?: string
  readonly model: ModelRef
  readonly inputs: readonly Tensor[]
  /** Names of the outputs wanted; all of them where absent. */
  readonly outputs?: readonly string[]
  /** Outputs that shall come back as their best classes, by name: how many of them, at least 1. */
  readonly classes?: ReadonlyMap<string, number>
  readonly parameters?: Parameters
  /**
   * The ModelInferRequest (V2 gRPC) that it came as, where the model asked for it by `takesRaw` and nobody has changed it: a
   * getter of a class, which copies by spread leave behind. It names the model as the caller does.
   */
  readonly raw?: Uint8Array
}

export interface InferenceResponse {
  readonly id?: string
  readonly model: Required<ModelRef>
  readonly outputs: readonly Tensor[]
  readonly parameters?: Parameters
  /** Headers (REST) or trailing metadata (gRPC) of the answer, where the model or a hook sets some; ASCII. */
  readonly headers?: Readonly<Record<string, string>>
  /** The ModelInferResponse (V2 gRPC) that says the same, where a model has it at hand; a getter, as that of a request. */
  readonly raw?: Uint8Array
}

/** A call as bytes, for observers that log it as it came and as it was answered. */
export interface Wire {
  /** Inflated. */
  readonly body: Uint8Array
  readonly contentType: string | undefined
  /** Told of an answer of 200, before it is compressed; what it holds may be used again afterwards. */
  onAnswer?: (body: Uint8Array | readonly Uint8Array[]) => void
}

/** What travels beside a request and is not part of it. */
export interface RequestContext {
  readonly requestId: string
  /** The wire it came by, as metrics label it. */
  readonly protocol: 'v1' | 'v2' | 'openai' | 'grpc-v1' | 'grpc-v2' | 'library'
  /** Fires on client disconnect, deadline, or shutdown. */
  readonly signal: AbortSignal
  /** The same as `signal.aborted` for who only looks: contexts make their signals when one is asked for. */
  readonly isAborted?: boolean
  /** When the answer is worth nothing any more, by the clock of `performance.now()`; the signal fires then. */
  readonly deadline?: number | undefined
  /** Headers (REST) or metadata (gRPC), names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** The span of this call, where the server traces: what a model calls in turn is part of it. */
  readonly trace?: TraceContext | undefined
  /** Present where the call came as bytes; only in the context that the door made, as observers see it first. */
  readonly wire?: Wire | undefined
  /** Is told which revision of the model answers, where it has revisions; only in the context that the door made. */
  readonly answersAs?: (revision: string) => void
}
