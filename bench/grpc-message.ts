/** The gRPC calls that servers are loaded with, and how messages are framed. */
import { encodePredictRequest } from '../src/codec/tensorflow/predict.ts'
import { encodeGrpcInferRequest } from '../src/codec/v2-grpc.ts'
import { tensor } from '../src/core/tensor.ts'
import { picture, pictureShape } from './requests.ts'

export const modelInfer = '/inference.GRPCInferenceService/ModelInfer'
export const predict = '/tensorflow.serving.PredictionService/Predict'

export interface GrpcRequest {
  readonly path: string
  readonly message: Uint8Array
}

const flower = tensor('X', 'FP32', [1, 4], Float32Array.of(5.1, 3.5, 1.4, 0.2))

export const irisInfer: GrpcRequest = {
  path: modelInfer,
  message: encodeGrpcInferRequest({ model: { name: 'iris-logreg' }, inputs: [flower] }),
}

export const irisPredict: GrpcRequest = {
  path: predict,
  message: encodePredictRequest({
    spec: { name: 'iris-logreg', signatureName: '' },
    inputs: [flower],
    outputFilter: [],
  }),
}

/** A picture of 600 KB, raw. */
export function pictureInfer(model: string): GrpcRequest {
  const input = tensor('x', 'FP32', pictureShape, picture())
  return { path: modelInfer, message: encodeGrpcInferRequest({ model: { name: model }, inputs: [input] }) }
}

const prefixBytes = 5

/** A message behind its prefix: not compressed, and its length. */
export function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(prefixBytes + message.byteLength)
  frame.writeUInt32BE(message.byteLength, 1)
  frame.set(message, prefixBytes)
  return frame
}

/** The message in a frame. */
export function unframed(frame: Buffer): Buffer {
  return frame.subarray(prefixBytes)
}

export const grpcHeaders = { 'content-type': 'application/grpc', te: 'trailers' } as const
