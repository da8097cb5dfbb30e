/** `tensorflow.serving.ModelService`: the states of a model's versions, and which models are served. */
import type { UntypedServiceImplementation } from '@grpc/grpc-js'
import { decodeModelStatusRequest, encodeModelStatusResponse } from '../codec/tensorflow/model-info.ts'
import { decodeReloadConfigRequest, encodeReloadConfigResponse } from '../codec/tensorflow/reload-config.ts'
import { InferenceError } from '../core/errors.ts'
import { versionStatuses } from '../repository/version-status.ts'
import type { GrpcContext } from './context.ts'
import type { Door } from './door.ts'
import { defineService, unary } from './service.ts'
import { hostedRef } from './serving-model.ts'

export const modelServiceName = 'tensorflow.serving.ModelService'

export const modelService = defineService(modelServiceName, { GetModelStatus: {}, HandleReloadConfigRequest: {} })

/** The handlers of the service. */
export function implementModelService(door: Door): UntypedServiceImplementation {
  return {
    GetModelStatus: unary(door, (request, context) => getModelStatus(door, request, context), 'grpc-v1'),
    HandleReloadConfigRequest: unary(door, (request) => reload(door, request), 'grpc-v1'),
  }
}

/** A label is not looked at: TF Serving answers all versions too (get_model_status_impl.cc). */
function getModelStatus(door: Door, bytes: Buffer, context: GrpcContext): Uint8Array {
  const { name: given, version } = decodeModelStatusRequest(bytes)
  const { name } = hostedRef(door, context, { name: given })
  if (name === '') throw new InferenceError('invalid_argument', 'ModelSpec has no name specified.')
  return encodeModelStatusResponse(
    versionStatuses(
      door.dataPlane.models(),
      door.dataPlane.named(version === undefined ? { name } : { name, version }),
    ),
  )
}

/** Answers when everything that is listed is loaded. */
async function reload({ dataPlane }: Door, bytes: Buffer): Promise<Uint8Array> {
  await dataPlane.modelControl.reload(decodeReloadConfigRequest(bytes))
  return encodeReloadConfigResponse()
}
