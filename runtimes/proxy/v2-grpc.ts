/** The V2 protocol over gRPC. Messages pass as they are: only the names in them are others here and there. */
import {
  decodeModelMetadata,
  decodeNumber,
  decodeStreamResponse,
  encodeGrpcInferRequest,
  encodeModelRef,
  rawGrpcInferResponse,
  renamed,
} from '../../src/codec/index.ts'
import { InferenceError, type InferenceRequest } from '../../src/runtime/index.ts'
import { answered, readable } from './errors.ts'
import type { GrpcAnswer, GrpcUpstream } from './grpc-exchange.ts'
import type { Answer, Target, Wire } from './wire.ts'

const service = '/inference.GRPCInferenceService'

/** Asks Triton and Servable to end a stream with the status of an error, where others tell its text only. */
const wantsStatus = { triton_grpc_error: 'true' }

export function openV2Grpc(upstream: GrpcUpstream, target: Target): Wire {
  const { local, remote } = target
  const answerOf = ({ message, headers }: GrpcAnswer, { id = '' }: InferenceRequest): Answer => {
    const label = `${upstream.url} ModelInfer`
    const response = readable(label, () => rawGrpcInferResponse(message, { model: local, id }))
    return { response, headers }
  }
  return {
    url: upstream.url,
    infer: async (request, exchange) =>
      answerOf(await upstream.call(`${service}/ModelInfer`, messageOf(request, target), exchange), request),
    async *stream(request, exchange) {
      const headers = { ...wantsStatus, ...exchange.headers }
      const messages = upstream.stream(`${service}/ModelStreamInfer`, messageOf(request, target), exchange, headers)
      for await (const { message, headers: told } of messages) {
        const { error, response } = readable(`${upstream.url} ModelStreamInfer`, () => decodeStreamResponse(message))
        if (error !== '') throw answered(new InferenceError('internal', error)) // the stream has no field for a code
        const answer = answerOf({ message: Buffer.from(response), headers: told }, request)
        if (!isEmptyEnd(answer)) yield answer
      }
    },
    isReady: async (exchange) => {
      try {
        const { message } = await upstream.call(`${service}/ModelReady`, encodeModelRef(remote), exchange)
        return readable(`${upstream.url} ModelReady`, () => decodeNumber(message, 'ModelReadyResponse') !== 0)
      } catch (reason) {
        if (InferenceError.from(reason).code === 'not_found') return false
        throw reason
      }
    },
    describe: async (exchange) => {
      const { message } = await upstream.call(`${service}/ModelMetadata`, encodeModelRef(remote), exchange)
      return readable(`${upstream.url} ModelMetadata`, () => decodeModelMetadata(message, remote.name))
    },
    close: () => upstream.close(),
  }
}

/** What the upstream is sent: the caller's own message where it fits as it is. */
function messageOf(request: InferenceRequest, { remote }: Target): Uint8Array {
  const { raw, model, id = '' } = request
  if (raw === undefined) return encodeGrpcInferRequest({ ...request, model: remote })
  const { name, version = '' } = remote
  if (model.name === name && (model.version ?? '') === version) return raw
  return renamed(raw, { model: { name, version }, id })
}

/** The last response of Triton's decoupled models, which only says that it is the last: this server says so itself. */
function isEmptyEnd({ response }: Answer): boolean {
  return response.outputs.length === 0 && response.parameters?.['triton_final_response'] === true
}
