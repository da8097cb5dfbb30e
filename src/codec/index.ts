/** The wires as pure functions, in both directions. */
export { decodeV2Request, decodeV2Response, encodeV2Request, encodeV2Response } from './v2-json.ts'
export type { V2Call } from './v2-json.ts'
export type { OutputEncoding, RequestedOutput } from './v2-outputs.ts'
export type { EncodedBody } from './v2-binary.ts'
export { decodeV1Request, decodeV1Response, encodeV1Request, encodeV1Response } from './v1.ts'
export type { V1Call, V1Format } from './v1.ts'
export {
  decodeGrpcInferRequest,
  decodeGrpcInferResponse,
  encodeGrpcInferRequest,
  encodeGrpcInferResponse,
  encodeGrpcStreamResponse,
  peekGrpcInferRequest,
} from './v2-grpc.ts'
export type { GrpcCall } from './v2-grpc.ts'
export { decodeGenerateRequest, encodeGenerateResponse, isInferenceBody } from './generate.ts'
export { decodeGenerateResponse, encodeGenerateRequest } from './generate-client.ts'
export { ProtoReader } from './protobuf-reader.ts'
export { ProtoWriter } from './protobuf-writer.ts'
export { datatypeOf, dtypeOf } from './tensorflow/types.ts'
export { decodeRawRequest } from './v2-raw.ts'
export {
  decodePredictRequest,
  decodePredictResponse,
  encodePredictRequest,
  encodePredictResponse,
} from './tensorflow/predict.ts'
export type { PredictAnswer, PredictCall } from './tensorflow/predict.ts'
export type { ModelSpec } from './tensorflow/model-spec.ts'
export { encodeEvent, eventData, EventSplitter } from './event-splitter.ts'
export { scanOpenAiBody, withModel } from './openai-body.ts'
export {
  decodeCompletion,
  decodeCompletionEvent,
  encodeCompletionRequest,
  samplingParameters,
  textInput,
  textOutput,
} from './openai-completion.ts'
export { encodeOpenAiError, errorMessageOf } from './openai-error.ts'
export { usageOf, type TokenUsage } from './openai-usage.ts'
export {
  decodeIsAvailable,
  decodeSignature,
  encodeMetadataRequest,
  encodeStatusRequest,
} from './tensorflow/serving-messages.ts'
export { specOf } from './tensorflow/model-spec.ts'
export { isReadyDocument, parseModelMetadata, parseServerMetadata, parseSignatureDef } from './description.ts'
export type { ModelDescription, ServerMetadata, TensorDescription } from './description.ts'
export { errorOf as errorOfHttp } from './http-status.ts'
export type { HttpAnswer } from './http-status.ts'
export { errorOfStatus as errorOfGrpc } from './grpc-status.ts'
export { decodeModelMetadata, decodeNumber, decodeStreamResponse, encodeModelRef } from './v2-grpc-messages.ts'
export { rawGrpcInferRequest, rawGrpcInferResponse, renamed } from './v2-grpc-raw.ts'
export type { MessageName } from './v2-grpc-raw.ts'
