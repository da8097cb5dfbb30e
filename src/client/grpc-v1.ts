/** TensorFlow Serving's protocol over gRPC: PredictionService and ModelService. */
import { specOf } from '../codec/tensorflow/model-spec.ts'
import { decodePredictResponse, encodePredictRequest } from '../codec/tensorflow/predict.ts'
import {
  decodeIsAvailable,
  decodeSignature,
  encodeMetadataRequest,
  encodeStatusRequest,
} from '../codec/tensorflow/serving-messages.ts'
import { decodeNumber, emptyMessage } from '../codec/v2-grpc-messages.ts'
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse } from '../core/inference.ts'
import type { GrpcConnection } from './grpc-connection.ts'
import { answered, readable } from './grpc-v2.ts'
import type { CallContext, Transport } from './transport.ts'

const prediction = '/tensorflow.serving.PredictionService'
const getModelStatus = '/tensorflow.serving.ModelService/GetModelStatus'
const checkHealth = '/grpc.health.v1.Health/Check'
/** Of HealthCheckResponse. */
const serving = 1

export function openGrpcV1(connection: GrpcConnection): Transport {
  const isLive = (context: CallContext) =>
    // No liveness here: any answer that a server gives is life.
    connection.call(getModelStatus, encodeStatusRequest({ name: '' }), context).then(
      () => true,
      (reason: unknown) => {
        const { code } = InferenceError.from(reason)
        if (code === 'unavailable' || code === 'deadline_exceeded' || code === 'cancelled') throw reason
        return true
      },
    )

  return {
    isUntyped: false,
    infer: async (request, context) => {
      const answer = await connection.call(`${prediction}/Predict`, encodeRequest(request), context)
      return readable(`${connection.url} Predict`, () => decode(answer, request))
    },
    isLive,
    isReady: async (context) => {
      try {
        const answer = await connection.call(checkHealth, emptyMessage, context)
        return decodeNumber(answer, 'HealthCheckResponse') === serving
      } catch (reason) {
        if (InferenceError.from(reason).code === 'unimplemented') return isLive(context)
        throw reason
      }
    },
    isModelReady: (model, context) =>
      connection.call(getModelStatus, encodeStatusRequest(model), context).then(
        (answer) => readable(`${connection.url} GetModelStatus`, () => decodeIsAvailable(answer)),
        (reason: unknown) => {
          if (InferenceError.from(reason).code === 'not_found') return false
          throw reason
        },
      ),
    serverMetadata: async () => {
      throw new InferenceError('unimplemented', 'the V1 protocol tells nothing of the server; ask by protocol v2')
    },
    modelMetadata: async (model, context) => {
      const answer = await connection.call(`${prediction}/GetModelMetadata`, encodeMetadataRequest(model), context)
      return readable(`${connection.url} GetModelMetadata`, () => decodeSignature(answer, model.name))
    },
    models: async () => {
      throw new InferenceError('unimplemented', 'the V1 protocol over gRPC lists no models; ask by protocol v2')
    },
    close: () => connection.close(),
  }
}

function encodeRequest({ model, inputs, outputs = [], parameters }: InferenceRequest): Uint8Array {
  return encodePredictRequest({ spec: specOf(model, parameters), inputs, outputFilter: outputs })
}

function decode(bytes: Uint8Array, request: InferenceRequest): InferenceResponse {
  const { spec, outputs } = decodePredictResponse(bytes)
  const model = answered({ name: spec.name, version: spec.version ?? '' }, request.model)
  return { ...(request.id === undefined ? {} : { id: request.id }), model, outputs }
}
