/** What a wire must do for the client; REST V2, REST V1 and gRPC each do it in a file of their own. */
import type { ListedModel, ModelDescription, ServerMetadata } from '../codec/description.ts'
import type { InferenceRequest, InferenceResponse, ModelRef } from '../core/inference.ts'

/** What travels beside one call. */
export interface CallContext {
  /** Fires on the caller's cancellation with that reason, on the deadline with an InferenceError. */
  readonly signal: AbortSignal
  /** When the signal fires at the latest, in milliseconds since 1970: gRPC tells the server. Infinity: never. */
  readonly deadline: number
  /** Headers (REST) or metadata (gRPC), names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

/**
 * One wire to one server. Every method throws InferenceError: `unavailable` where the same call may succeed a moment
 * later (the client then tries again), else the code that the server's status stands for.
 */
export interface Transport {
  /** The wire carries no datatypes: numbers whose datatype nobody tells must look there as the caller wrote them. */
  readonly isUntyped: boolean
  infer(request: InferenceRequest, context: CallContext): Promise<InferenceResponse>
  /** Absent where the wire cannot stream. Ending the iteration cancels the call. */
  stream?(request: InferenceRequest, context: CallContext): AsyncGenerator<InferenceResponse, void>
  /** False where the server answers no, or `unavailable` where nobody answers. */
  isLive(context: CallContext): Promise<boolean>
  isReady(context: CallContext): Promise<boolean>
  isModelReady(model: ModelRef, context: CallContext): Promise<boolean>
  serverMetadata(context: CallContext): Promise<ServerMetadata>
  modelMetadata(model: ModelRef, context: CallContext): Promise<ModelDescription>
  models(context: CallContext): Promise<readonly ListedModel[]>
  /** Closes idle connections. */
  close(): void
}
