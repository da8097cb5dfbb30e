/** The V2 (Open Inference) protocol over REST, with and without binary tensors. */
import { parseModelMetadata, parseModels, parseServerMetadata } from '../codec/description.ts'
import type { ModelDescription, ServerMetadata } from '../codec/description.ts'
import { errorOf, type HttpAnswer } from '../codec/http-status.ts'
import { decodeV2Response, encodeV2Request } from '../codec/index.ts'
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse, ModelRef } from '../core/inference.ts'
import { jsonOf, type HttpServer } from './http.ts'
import { RestStreams } from './rest-stream.ts'
import type { CallContext, Transport } from './transport.ts'

/** The extension of the V2 protocol by which tensors travel as raw bytes. */
const binaryExtension = 'binary_tensor_data'

/**
 * @param isBinary tensors as raw bytes; where absent the server is asked once whether it takes them (MLServer does not)
 */
export function openRestV2(server: HttpServer, isBinary?: boolean): Transport {
  let takesBinary = isBinary
  const get = (path: string, context: CallContext) => server.exchange({ method: 'GET', path }, context)
  const serverMetadata = async (context: CallContext): Promise<ServerMetadata> =>
    parseServerMetadata(jsonOf(await get('/v2', context)))

  const asked = async (context: CallContext): Promise<boolean> => {
    try {
      const { extensions } = await serverMetadata(context)
      return extensions.includes(binaryExtension)
    } catch (reason) {
      const { code } = InferenceError.from(reason)
      if (code === 'not_found' || code === 'unimplemented') return false // a server without this route
      throw reason
    }
  }

  const descriptions = new Map<string, ModelDescription>()
  const modelMetadata = async (model: ModelRef, context: CallContext): Promise<ModelDescription> => {
    const path = pathOf(model)
    const description = parseModelMetadata(jsonOf(await get(path, context)), model.name)
    descriptions.set(path, description)
    return description
  }
  const streams = new RestStreams(
    server,
    async ({ model }, context) => descriptions.get(pathOf(model)) ?? (await modelMetadata(model, context)),
  )

  return {
    isUntyped: false,
    serverMetadata,
    stream: (request, context) => streams.responses(pathOf(request.model), request, context),
    infer: async (request, context) => {
      const binary = needsBinary(request) || (takesBinary ??= await asked(context))
      return decode(await server.exchange(callOf(request, binary), context), request)
    },
    isLive: async (context) => (await get('/v2/health/live', context)).status === 200,
    isReady: async (context) => (await get('/v2/health/ready', context)).status === 200,
    isModelReady: async (model, context) => (await get(`${pathOf(model)}/ready`, context)).status === 200,
    modelMetadata,
    models: async (context) => {
      const listed = await get('/v2/models', context)
      if (listed.status === 200) return parseModels(jsonOf(listed))
      // Triton and MLServer list by their repository extension instead.
      const headers = { 'content-type': 'application/json' }
      const body = [Buffer.from('{}')]
      return parseModels(
        jsonOf(await server.exchange({ method: 'POST', path: '/v2/repository/index', headers, body }, context)),
      )
    },
    close: () => server.close(),
  }
}

function pathOf({ name, version }: ModelRef): string {
  const model = `/v2/models/${encodeURIComponent(name)}`
  return version === undefined ? model : `${model}/versions/${encodeURIComponent(version)}`
}

/** Half-precision numbers have no form in JSON: Triton, KServe and this server refuse them there. */
function needsBinary(request: InferenceRequest): boolean {
  return request.inputs.some(({ datatype }) => datatype === 'FP16' || datatype === 'BF16')
}

function callOf(request: InferenceRequest, binary: boolean) {
  const { body, headerLength } = encodeV2Request(request, { binary })
  return {
    method: 'POST' as const,
    path: `${pathOf(request.model)}/infer`,
    headers:
      headerLength === undefined
        ? { 'content-type': 'application/json' }
        : { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(headerLength) },
    body: body instanceof Uint8Array ? [body] : body,
  }
}

function decode(reply: HttpAnswer, request: InferenceRequest): InferenceResponse {
  if (reply.status !== 200) throw errorOf(reply)
  const header = reply.headers['inference-header-content-length']
  try {
    const response = decodeV2Response(reply.body, header === undefined ? undefined : Number(header))
    const { name, version } = response.model
    return {
      ...response,
      model: { name: name || request.model.name, version: version || (request.model.version ?? '') },
    }
  } catch (reason) {
    const { message } = InferenceError.from(reason)
    throw new InferenceError('internal', `${reply.label}: the answer cannot be read: ${message}`, { cause: reason })
  }
}
