/** One ModelInferRequest as it comes in, alone or in a stream. */
import { decodeGrpcInferRequest, peekGrpcInferRequest, type GrpcCall } from '../codec/v2-grpc.ts'
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest } from '../core/inference.ts'
import type { Door } from './door.ts'

/**
 * Decodes a request that may run now.
 *
 * @throws InferenceError `invalid_argument`, or `unavailable` while draining
 */
export function decodeCall(door: Door, bytes: Uint8Array): GrpcCall {
  try {
    door.refuseWhileDraining()
    return decodeGrpcInferRequest(bytes)
  } catch (reason) {
    const { model } = peekGrpcInferRequest(bytes)
    door.metrics?.countRefusal(model, 'grpc-v2', 'infer', InferenceError.from(reason).code)
    throw reason
  }
}

/** A request without an id gets one: callers match answers by it, and logs name it. */
export function withId(request: InferenceRequest, id: string): InferenceRequest {
  return request.id === undefined ? { ...request, id } : request
}
