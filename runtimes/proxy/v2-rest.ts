/** The V2 protocol over REST, with tensors as JSON or as bytes behind it. */
import {
  decodeV2Response,
  encodeV2Request,
  parseModelMetadata,
  parseServerMetadata,
  type HttpAnswer,
} from '../../src/codec/index.ts'
import { InferenceError, type InferenceRequest } from '../../src/runtime/index.ts'
import { readable } from './errors.ts'
import { headersIn, jsonOf } from './http-body.ts'
import type { HttpCall, HttpUpstream } from './http-exchange.ts'
import type { Answer, Exchange, Target, Wire } from './wire.ts'

/** The extension of the V2 protocol by which tensors travel as bytes. */
const binaryExtension = 'binary_tensor_data'
const headerLengthName = 'inference-header-content-length'

export interface V2RestOptions {
  /** Tensors as bytes; where absent the server is asked once. */
  readonly isBinary?: boolean | undefined
  /** Answers 200 where the model is ready. */
  readonly readyPath?: string | undefined
}

export function openV2Rest(upstream: HttpUpstream, target: Target, options: V2RestOptions): Wire {
  const path = pathOf(target)
  let takesBinary = options.isBinary
  const asked = async (exchange: Exchange): Promise<boolean> => {
    try {
      const answer = jsonOf(await upstream.exchange({ method: 'GET', path: '/v2' }, exchange))
      return parseServerMetadata(answer).extensions.includes(binaryExtension)
    } catch (reason) {
      const { code } = InferenceError.from(reason)
      if (code === 'not_found' || code === 'unimplemented') return false // a server without this route
      throw reason
    }
  }
  return {
    url: upstream.url,
    infer: async (request, exchange) => {
      const isBinary = needsBinary(request) || (takesBinary ??= await asked(exchange))
      return answerOf(await upstream.exchange(callOf(`${path}/infer`, request, isBinary), exchange), request, target)
    },
    isReady: async (exchange) => {
      const { status } = await upstream.reply({ method: 'GET', path: options.readyPath ?? `${path}/ready` }, exchange)
      return status === 200
    },
    describe: async (exchange) =>
      parseModelMetadata(jsonOf(await upstream.exchange({ method: 'GET', path }, exchange)), target.remote.name),
    close: () => upstream.close(),
  }
}

function pathOf({ remote: { name, version } }: Target): string {
  const model = `/v2/models/${encodeURIComponent(name)}`
  return version === undefined ? model : `${model}/versions/${encodeURIComponent(version)}`
}

/** Half-precision numbers have no form in JSON. */
function needsBinary(request: InferenceRequest): boolean {
  return request.inputs.some(({ datatype }) => datatype === 'FP16' || datatype === 'BF16')
}

function callOf(path: string, request: InferenceRequest, isBinary: boolean): HttpCall {
  const { body, headerLength } = encodeV2Request(request, { binary: isBinary })
  const headers =
    headerLength === undefined
      ? { 'content-type': 'application/json' }
      : { 'content-type': 'application/octet-stream', [headerLengthName]: String(headerLength) }
  return { method: 'POST', path, headers, body: body instanceof Uint8Array ? [body] : body }
}

function answerOf(reply: HttpAnswer, { id }: InferenceRequest, { local }: Target): Answer {
  const headers = headersIn(reply)
  const length = headers[headerLengthName]
  const { outputs, parameters } = readable(reply.label, () =>
    decodeV2Response(reply.body, length === undefined ? undefined : Number(length)),
  )
  const response = {
    ...(id === undefined ? {} : { id }),
    model: local,
    outputs,
    ...(parameters === undefined ? {} : { parameters }),
  }
  return { response, headers }
}
