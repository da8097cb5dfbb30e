/** One ModelInferRequest as it comes in, alone or in a stream. */
import { checkReservedParameters, classesOf } from '../codec/reserved-parameters.ts'
import { decodeGrpcInferRequest, peekGrpcInferRequest, type GrpcCall } from '../codec/v2-grpc.ts'
import { InferenceError } from '../core/errors.ts'
import type { Door } from './door.ts'

/**
 * Decodes a request that may run now.
 *
 * @param id of a request that brings none
 * @throws InferenceError `invalid_argument`, or `unavailable` while draining
 */
export function decodeCall(door: Door, bytes: Uint8Array, id: string): GrpcCall {
  try {
    door.refuseWhileDraining()
    const call = decodeGrpcInferRequest(bytes, { isOwned: true, id })
    if (call.request.parameters !== undefined) checkReservedParameters(Object.entries(call.request.parameters))
    return call.outputParameters.size === 0 ? call : withClasses(call)
  } catch (reason) {
    const { model } = peekGrpcInferRequest(bytes)
    door.metrics?.countRefusal(model, 'grpc-v2', 'infer', InferenceError.from(reason).code)
    throw reason
  }
}

/** Outputs whose parameter `classification` asks for their best classes. */
function withClasses(call: GrpcCall): GrpcCall {
  const classes = new Map<string, number>()
  for (const [name, { classification }] of call.outputParameters) {
    if (classification !== undefined) classes.set(name, classesOf(name, classification))
  }
  return classes.size === 0 ? call : { ...call, request: { ...call.request, classes } }
}
