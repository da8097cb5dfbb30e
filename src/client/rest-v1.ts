/** The V1 protocol over REST, as TF Serving and KServe speak it. */
import { isReadyDocument, parseModels, parseSignatureDef } from '../codec/description.ts'
import type { ModelDescription, TensorDescription } from '../codec/description.ts'
import { errorOf, type HttpAnswer } from '../codec/http-status.ts'
import { decodeV1Response, encodeV1Request } from '../codec/index.ts'
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse, ModelRef } from '../core/inference.ts'
import { signatureParameter } from '../core/named-signature.ts'
import { jsonOf, type HttpServer } from './http.ts'
import type { CallContext, Transport } from './transport.ts'

/** V1 has no datatypes and no choice of outputs on the wire; outputs that nobody wants are left out here. */
export function openRestV1(server: HttpServer): Transport {
  const get = (path: string, context: CallContext) => server.exchange({ method: 'GET', path }, context)
  // TF Serving has no liveness route: any answer that is no failure of the server is life.
  const descriptions = new Map<string, ModelDescription>()
  const isLive = async (context: CallContext) => (await get('/', context)).status < 500
  return {
    isUntyped: true,
    infer: async (request, context) => {
      const body = encodeV1Request(request, isRowwise(request) ? 'row' : 'columnar')
      const call = {
        method: 'POST' as const,
        path: `${pathOf(request.model)}:predict`,
        headers: { 'content-type': 'application/json' },
        body: [body],
      }
      const described = descriptions.get(pathOf(request.model))
      return decode(await server.exchange(call, context), request, outputsOf(described, request))
    },
    isLive,
    isReady: async (context) => {
      const listed = await get('/v1/models', context)
      if (listed.status !== 200) return isLive(context)
      const models = parseModels(jsonOf(listed))
      const ready = await Promise.all(models.map((model) => isModelReady(get, model, context)))
      return ready.every((isReady) => isReady)
    },
    isModelReady: (model, context) => isModelReady(get, model, context),
    serverMetadata: async () => {
      throw new InferenceError('unimplemented', 'the V1 protocol tells nothing of the server; ask by protocol v2')
    },
    modelMetadata: async (model, context) => {
      const path = pathOf(model)
      const description = parseSignatureDef(jsonOf(await get(`${path}/metadata`, context)), model.name)
      descriptions.set(path, description)
      return description
    },
    models: async (context) => parseModels(jsonOf(await get('/v1/models', context))),
    close: () => server.close(),
  }
}

type Get = (path: string, context: CallContext) => Promise<HttpAnswer>

async function isModelReady(get: Get, model: ModelRef, context: CallContext): Promise<boolean> {
  const status = await get(pathOf(model), context)
  return status.status === 200 && isReadyDocument(jsonOf(status))
}

function pathOf({ name, version }: ModelRef): string {
  const model = `/v1/models/${encodeURIComponent(name)}`
  return version === undefined ? model : `${model}/versions/${encodeURIComponent(version)}`
}

/** True where every input has the same number of rows, so that it can be said row by row. */
function isRowwise({ inputs }: InferenceRequest): boolean {
  const rows = inputs[0]?.shape[0]
  return rows !== undefined && rows > 0 && inputs.every((input) => input.shape[0] === rows)
}

/** What the signature that a request chooses gives; nothing where that is not known. */
function outputsOf(
  described: ModelDescription | undefined,
  { parameters }: InferenceRequest,
): readonly TensorDescription[] {
  const name = parameters?.[signatureParameter]
  if (name === undefined || described === undefined) return described?.outputs ?? []
  if (described.signatures === undefined) return described.outputs
  return described.signatures.find((signature) => signature.name === name)?.outputs ?? []
}

/** @param described outputs by the model's metadata, which alone tells their datatypes and the name of a single one */
function decode(
  reply: HttpAnswer,
  request: InferenceRequest,
  described: readonly TensorDescription[],
): InferenceResponse {
  if (reply.status !== 200) throw errorOf(reply)
  const { name, version = '' } = request.model
  const expected = described.flatMap(({ name: output, datatype, shape = [-1] }) =>
    datatype === undefined ? [] : [{ name: output, datatype, shape }],
  )
  try {
    const response = decodeV1Response(reply.body, { name, version }, expected)
    const wanted = response.outputs.filter((output) => request.outputs?.includes(output.name) !== false)
    return { ...response, outputs: wanted.length > 0 ? wanted : response.outputs }
  } catch (reason) {
    const { message } = InferenceError.from(reason)
    throw new InferenceError('internal', `${reply.label}: the answer cannot be read: ${message}`, { cause: reason })
  }
}
