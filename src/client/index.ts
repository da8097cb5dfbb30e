/** `servable/client`: a typed client for every server that speaks the V2 or V1 protocol, over REST or gRPC. */
import { Client, type ClientOptions } from './client.ts'
import { grpcAddress, openGrpc } from './grpc-connection.ts'
import { openGrpcV1 } from './grpc-v1.ts'
import { openGrpcV2 } from './grpc-v2.ts'
import { baseUrl, openHttp } from './http.ts'
import { openRestV1 } from './rest-v1.ts'
import { openRestV2 } from './rest-v2.ts'
import type { ClientTls } from './tls.ts'
import type { Transport } from './transport.ts'

export { InferenceError, type ErrorCode } from '../core/errors.ts'
export type { InferenceRequest, InferenceResponse, ModelRef } from '../core/inference.ts'
export type { DataType, Parameters, Tensor, TensorData } from '../core/tensor.ts'
export { Client, type CallOptions, type ClientOptions, type InferOptions, type InferResult } from './client.ts'
export { valuesOf, type Scalar, type TypedArray } from './elements.ts'
export type { Clock } from './retry.ts'
export type { Nested } from './shape.ts'
export type { ClientTls } from './tls.ts'
export { tensorOf, type Input, type InputData, type ShapedInput, type TensorOptions } from './tensor-of.ts'
export type { ListedModel, ModelDescription, ServerMetadata, TensorDescription } from '../codec/description.ts'
export type { CallContext, Transport } from './transport.ts'

export type Protocol = 'v2' | 'v1' | 'grpc-v2' | 'grpc-v1'

export interface ConnectOptions extends ClientOptions {
  /**
   * Default `v2`. The URL tells whether it goes over REST or gRPC; `grpc-v2` and `grpc-v1` are for addresses without a
   * scheme. V1 over gRPC is TensorFlow Serving's PredictionService.
   */
  readonly protocol?: Protocol
  /** V2 over REST only: tensors as raw bytes, not as JSON. By default wherever the server says that it takes them. */
  readonly binary?: boolean
  /** For https and grpcs: whom to trust, and who one is. */
  readonly tls?: ClientTls
}

/**
 * A client of the server at a URL. It connects with the first call and keeps its connections until `close`.
 *
 * @param url `localhost:8080`, `http://host/prefix`, `https://…`, `grpc://localhost:8081`, `grpcs://…` for gRPC with TLS
 * @throws InferenceError `invalid_argument` where the URL is none
 * @example
 * const client = createClient('http://localhost:8080')
 * const { outputs } = await client.infer('iris', { X: [[5.1, 3.5, 1.4, 0.2]] })
 */
export function createClient(url: string, options: ConnectOptions = {}): Client {
  return new Client(openTransport(url, options), options)
}

function openTransport(url: string, { protocol = 'v2', binary, tls }: ConnectOptions): Transport {
  const isV1 = protocol.endsWith('v1')
  if (protocol.startsWith('grpc') || /^grpcs?:/i.test(url)) {
    const connection = openGrpc(grpcAddress(url), tls)
    return isV1 ? openGrpcV1(connection) : openGrpcV2(connection)
  }
  const server = openHttp(baseUrl(url), tls)
  return isV1 ? openRestV1(server) : openRestV2(server, binary)
}
