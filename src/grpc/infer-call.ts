/** One ModelInferRequest as it comes in, alone or in a stream. */
import { checkReservedParameters, classesOf } from '../codec/reserved-parameters.ts'
import { decodeGrpcInferRequest, peekGrpcInferRequest, type GrpcCall } from '../codec/v2-grpc.ts'
import { rawGrpcInferRequest } from '../codec/v2-grpc-raw.ts'
import { InferenceError } from '../core/errors.ts'
import type { CallPlace, Door } from './door.ts'

/**
 * Decodes a request that may run now.
 *
 * @param id of a request that brings none
 * @param at where the call came to
 * @throws InferenceError `invalid_argument`, `not_found` for another model than that of the host, or `unavailable` while draining
 */
export function decodeCall(door: Door, bytes: Uint8Array, id: string, at: CallPlace): GrpcCall {
  try {
    door.refuseWhileDraining()
    const model = door.hasHosts ? hostedModel(door, bytes, at) : undefined
    const undecoded = model === undefined ? rawCall(door, bytes, id) : undefined
    if (undecoded !== undefined) return undecoded
    const call = decodeGrpcInferRequest(bytes, { isOwned: true, id, ...(model === undefined ? {} : { model }) })
    if (call.request.parameters !== undefined) checkReservedParameters(Object.entries(call.request.parameters))
    return call.outputParameters.size === 0 ? call : withClasses(call)
  } catch (reason) {
    const { model } = peekGrpcInferRequest(bytes)
    door.metrics?.countRefusal(model, 'grpc-v2', 'infer', InferenceError.from(reason).code)
    throw reason
  }
}

/** The model of the host that the call came to, where the message does not name it. */
function hostedModel(door: Door, bytes: Uint8Array, at: CallPlace): string | undefined {
  const { name } = peekGrpcInferRequest(bytes).model
  const model = door.modelAt(at, name)
  return model === name ? undefined : model
}

/** The call as its message, where its model passes messages on: who answers it checks it. */
function rawCall({ dataPlane }: Door, bytes: Uint8Array, id: string): GrpcCall | undefined {
  if (dataPlane.rawModels.size === 0 || !dataPlane.rawModels.has(peekGrpcInferRequest(bytes).model.name))
    return undefined
  const request = rawGrpcInferRequest(bytes, id)
  const wantsFinalResponse = request.parameters?.['triton_enable_empty_final_response'] === true
  const wantsTyped = request.parameters?.['binary_data_output'] === false
  return { request, wantsTyped, wantsFinalResponse, outputParameters: new Map() }
}

/** Outputs whose parameter `classification` asks for their best classes. */
function withClasses(call: GrpcCall): GrpcCall {
  const classes = new Map<string, number>()
  for (const [name, { classification }] of call.outputParameters) {
    if (classification !== undefined) classes.set(name, classesOf(name, classification))
  }
  return classes.size === 0 ? call : { ...call, request: { ...call.request, classes } }
}
