/** The messages of TF Serving's gRPC services as pure functions. */
export { decodeInput, encodeInput } from './example.ts'
export type { ExampleInputs } from './example.ts'
export {
  decodeExampleRequest,
  decodeMultiInferenceRequest,
  encodeExampleResponse,
  encodeMultiInferenceResponse,
} from './inference.ts'
export type { ExampleCall, InferenceTask, MultiInferenceCall } from './inference.ts'
export {
  decodeModelMetadataRequest,
  decodeModelStatusRequest,
  defaultSignature,
  describeModelV1,
  encodeModelMetadataResponse,
  encodeModelStatusResponse,
  methodNames,
} from './model-info.ts'
export type { ModelMetadataCall, VersionStatus } from './model-info.ts'
export { peekModelSpec } from './model-spec.ts'
export type { ModelSpec } from './model-spec.ts'
export { decodePredictRequest, decodePredictResponse, encodePredictRequest, encodePredictResponse } from './predict.ts'
export type { PredictAnswer, PredictCall } from './predict.ts'
