/** TensorFlow Serving's protocol over gRPC: PredictionService and ModelService. */
import {
  decodeIsAvailable,
  decodePredictResponse,
  decodeSignature,
  encodeMetadataRequest,
  encodePredictRequest,
  encodeStatusRequest,
  specOf,
} from '../../src/codec/index.ts'
import { InferenceError } from '../../src/runtime/index.ts'
import { readable } from './errors.ts'
import type { GrpcUpstream } from './grpc-exchange.ts'
import type { Target, Wire } from './wire.ts'

const prediction = '/tensorflow.serving.PredictionService'
const getModelStatus = '/tensorflow.serving.ModelService/GetModelStatus'

export function openServingGrpc(upstream: GrpcUpstream, { local, remote }: Target): Wire {
  return {
    url: upstream.url,
    infer: async ({ id, inputs, outputs = [], parameters }, exchange) => {
      const bytes = encodePredictRequest({ spec: specOf(remote, parameters), inputs, outputFilter: outputs })
      const { message, headers } = await upstream.call(`${prediction}/Predict`, bytes, exchange)
      const answer = readable(`${upstream.url} Predict`, () => decodePredictResponse(message))
      return { response: { ...(id === undefined ? {} : { id }), model: local, outputs: answer.outputs }, headers }
    },
    isReady: async (exchange) => {
      try {
        const { message } = await upstream.call(getModelStatus, encodeStatusRequest(remote), exchange)
        return readable(`${upstream.url} GetModelStatus`, () => decodeIsAvailable(message))
      } catch (reason) {
        if (InferenceError.from(reason).code === 'not_found') return false
        throw reason
      }
    },
    describe: async (exchange) => {
      const request = encodeMetadataRequest(remote)
      const { message } = await upstream.call(`${prediction}/GetModelMetadata`, request, exchange)
      return readable(`${upstream.url} GetModelMetadata`, () => decodeSignature(message, remote.name))
    },
    close: () => upstream.close(),
  }
}
