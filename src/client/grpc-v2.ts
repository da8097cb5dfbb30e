/** The V2 (Open Inference) protocol over gRPC; tensors travel raw. */
import { decodeGrpcInferResponse, encodeGrpcInferRequest } from '../codec/v2-grpc.ts'
import {
  decodeModelMetadata,
  decodeNumber,
  decodeRepositoryIndex,
  decodeServerMetadata,
  decodeStreamResponse,
  emptyMessage,
  encodeModelRef,
} from '../codec/v2-grpc-messages.ts'
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse, ModelRef } from '../core/inference.ts'
import type { GrpcConnection } from './grpc-connection.ts'
import type { CallContext, Transport } from './transport.ts'

const service = '/inference.GRPCInferenceService'

/** Asks Triton and this server to end a stream with the status of an error, where others tell its text only. */
const wantsStatus = { triton_grpc_error: 'true' }

export function openGrpcV2(connection: GrpcConnection): Transport {
  const ask = <T>(
    method: string,
    request: Uint8Array,
    context: CallContext,
    decode: (answer: Uint8Array) => T,
  ): Promise<T> =>
    connection
      .call(`${service}/${method}`, request, context)
      .then((answer) => readable(`${connection.url} ${method}`, () => decode(answer)))
  const isTrue = (method: string, request: Uint8Array, context: CallContext): Promise<boolean> =>
    ask(method, request, context, (answer) => decodeNumber(answer, `${method}Response`) !== 0)

  return {
    isUntyped: false,
    infer: (request, context) =>
      ask('ModelInfer', encodeGrpcInferRequest(request), context, (answer) => decode(answer, request)),
    async *stream(request, context) {
      const headers = { ...wantsStatus, ...context.headers }
      const messages = connection.stream(`${service}/ModelStreamInfer`, encodeGrpcInferRequest(request), {
        ...context,
        headers,
      })
      for await (const message of messages) {
        const { error, response } = readable(`${connection.url} ModelStreamInfer`, () => decodeStreamResponse(message))
        // The stream has no field for a code.
        if (error !== '') throw new InferenceError('internal', error)
        yield readable(`${connection.url} ModelStreamInfer`, () => decode(response, request))
      }
    },
    isLive: (context) => isTrue('ServerLive', emptyMessage, context),
    isReady: (context) => isTrue('ServerReady', emptyMessage, context),
    isModelReady: (model, context) =>
      isTrue('ModelReady', encodeModelRef(model), context).catch((reason: unknown) => {
        if (InferenceError.from(reason).code === 'not_found') return false
        throw reason
      }),
    serverMetadata: (context) => ask('ServerMetadata', emptyMessage, context, decodeServerMetadata),
    modelMetadata: (model, context) =>
      ask('ModelMetadata', encodeModelRef(model), context, (answer) => decodeModelMetadata(answer, model.name)),
    models: (context) => ask('RepositoryIndex', emptyMessage, context, decodeRepositoryIndex),
    close: () => connection.close(),
  }
}

function decode(answer: Uint8Array, request: InferenceRequest): InferenceResponse {
  const response = decodeGrpcInferResponse(answer)
  return { ...response, model: answered(response.model, request.model) }
}

/** What ran; what the answer leaves out is as it was asked for. */
export function answered(model: Required<ModelRef>, asked: ModelRef): Required<ModelRef> {
  return { name: model.name || asked.name, version: model.version || (asked.version ?? '') }
}

/** @throws InferenceError `internal` where an answer cannot be read: the caller has done nothing wrong */
export function readable<T>(label: string, read: () => T): T {
  try {
    return read()
  } catch (reason) {
    const { message } = InferenceError.from(reason)
    throw new InferenceError('internal', `${label}: the answer cannot be read: ${message}`, { cause: reason })
  }
}
