/** What a wire must do for the client; REST V2, REST V1 and gRPC each do it in a file of their own. */
import type { InferenceRequest, InferenceResponse, ModelRef } from '../core/inference.ts'
import type { DataType, Parameters } from '../core/tensor.ts'

/** What travels beside one call. */
export interface CallContext {
  /** Fires on the caller's cancellation with that reason, on the deadline with an InferenceError. */
  readonly signal: AbortSignal
  /** When the signal fires at the latest, in milliseconds since 1970: gRPC tells the server. Infinity: never. */
  readonly deadline: number
  /** Headers (REST) or metadata (gRPC), names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

/** What a server tells of itself; servers that tell nothing leave the texts empty. */
export interface ServerMetadata {
  readonly name: string
  readonly version: string
  readonly extensions: readonly string[]
}

/** A tensor as a foreign server describes it: some leave out what they do not know. */
export interface TensorDescription {
  readonly name: string
  readonly datatype?: DataType
  /** -1 where a dimension is free. */
  readonly shape?: readonly number[]
}

export interface ModelDescription {
  readonly name: string
  readonly versions: readonly string[]
  readonly platform: string
  readonly inputs: readonly TensorDescription[]
  readonly outputs: readonly TensorDescription[]
  readonly parameters: Parameters
}

/** A model that a server lists. */
export interface ListedModel {
  readonly name: string
  readonly version?: string
  /** As the server words it: `READY`, `UNAVAILABLE`, … */
  readonly state?: string
  readonly reason?: string
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
