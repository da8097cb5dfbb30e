/** One call on its way through the data plane, and who looks on. */
import type { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse, ModelRef, RequestContext } from '../core/inference.ts'
import type { TraceContext } from '../core/trace-context.ts'

/** Milliseconds of each part of a call; 0 where a part did not run. */
export interface Timings {
  preprocessMs: number
  /** Part of `predictMs`: what the request waited for its turn. */
  queueMs: number
  predictMs: number
  postprocessMs: number
  explainMs: number
  totalMs: number
}

export type Verb = 'infer' | 'explain'

/** One call as observers see it. `model` is resolved to a version once the lease is taken. */
export interface Call {
  readonly verb: Verb
  readonly request: InferenceRequest
  /** With less time than the door gave where the request itself brings a limit. */
  context: RequestContext
  readonly timings: Timings
  /** When the answer is worth nothing any more, by the clock of `performance.now()`: the earliest of all limits. */
  deadline?: number | undefined
  /** Longest wait in the queue that the request asks for, in milliseconds, where a queue policy of the model counts it. */
  timeoutMs?: number | undefined
  /** The version that ran; absent where none was found. */
  ref?: Required<ModelRef> | undefined
  /** Rows that were given to the model; absent where it was not asked. */
  rows?: number | undefined
  /** The scheduler of the model counts its runs. */
  isScheduled?: boolean | undefined
  /** Its span: an observer that traces sets it when the request comes, and the context then tells it to the model. */
  trace?: TraceContext | undefined
  /** Present where answers of the model are kept. */
  cache?: CacheUse | undefined
}

/** What the response cache did for one call. */
export interface CacheUse {
  readonly isHit: boolean
  /** Time that looking up took and, on a miss, keeping the answer, in milliseconds. */
  readonly ms: number
}

/** What a stream of tokens shows while it passes. */
export type TokenEvent =
  /** The first text came, so long after the request. */
  | { readonly kind: 'first'; readonly ms: number }
  /** More text came, so long after the text before. */
  | { readonly kind: 'next'; readonly ms: number }
  /** All tokens of the request, told once, at its end. */
  | { readonly kind: 'usage'; readonly promptTokens?: number; readonly completionTokens?: number }

/** Sees each call go by: metrics and the payload log are observers. Must not throw. */
export interface InferenceObserver {
  onRequest?(call: Call): void
  onResponse?(call: Call, response: InferenceResponse): void
  onError?(call: Call, error: InferenceError): void
  onTokens?(call: Call, event: TokenEvent): void
}
