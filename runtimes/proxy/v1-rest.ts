/** The V1 protocol over REST, as TF Serving, KServe and TorchServe speak it. */
import {
  decodeV1Response,
  encodeV1Request,
  isReadyDocument,
  parseSignatureDef,
  type HttpAnswer,
} from '../../src/codec/index.ts'
import { InferenceError, type InferenceRequest, type TensorMetadata } from '../../src/runtime/index.ts'
import { readable } from './errors.ts'
import { headersIn, jsonOf } from './http-body.ts'
import type { HttpUpstream } from './http-exchange.ts'
import type { Answer, Target, Wire } from './wire.ts'

export interface V1RestOptions {
  /** In place of `/v1/models/M:predict`; `{model}` is the name there. */
  readonly predictPath?: string | undefined
  /** In place of `/v1/models/M`: answers 200 where the model is ready. */
  readonly readyPath?: string | undefined
  /** False where the server has no `/metadata`. */
  readonly hasMetadata?: boolean | undefined
  /** The outputs of a request's signature as they are known by now: V1 has no datatypes on the wire. */
  readonly outputs: (request: InferenceRequest) => readonly TensorMetadata[]
}

export function openV1Rest(upstream: HttpUpstream, target: Target, options: V1RestOptions): Wire {
  const path = pathOf(target)
  const named = (given: string): string => given.replaceAll('{model}', encodeURIComponent(target.remote.name))
  const predictPath = options.predictPath === undefined ? `${path}:predict` : named(options.predictPath)
  return {
    url: upstream.url,
    infer: async (request, exchange) => {
      const form = isRowwise(request) ? 'row' : 'columnar'
      const body = [encodeV1Request(request, form)]
      const headers = { 'content-type': 'application/json' }
      const reply = await upstream.exchange({ method: 'POST', path: predictPath, headers, body }, exchange)
      return answerOf(reply, request, target, options.outputs(request))
    },
    isReady: async (exchange) => {
      const { readyPath } = options
      const reply = await upstream.reply(
        { method: 'GET', path: readyPath === undefined ? path : named(readyPath) },
        exchange,
      )
      return reply.status === 200 && (readyPath !== undefined || isReadyDocument(jsonOf(reply)))
    },
    describe: async (exchange) => {
      if (options.hasMetadata === false) return undefined
      try {
        const answer = jsonOf(await upstream.exchange({ method: 'GET', path: `${path}/metadata` }, exchange))
        return parseSignatureDef(answer, target.remote.name)
      } catch (reason) {
        const { code } = InferenceError.from(reason)
        if (code === 'not_found' || code === 'unimplemented') return undefined // KServe's servers tell nothing
        throw reason
      }
    },
    close: () => upstream.close(),
  }
}

function pathOf({ remote: { name, version } }: Target): string {
  const model = `/v1/models/${encodeURIComponent(name)}`
  return version === undefined ? model : `${model}/versions/${encodeURIComponent(version)}`
}

/** True where every input has the same number of rows, so that it can be said row by row. */
function isRowwise({ inputs }: InferenceRequest): boolean {
  const rows = inputs[0]?.shape[0]
  return rows !== undefined && rows > 0 && inputs.every((input) => input.shape[0] === rows)
}

function answerOf(
  reply: HttpAnswer,
  { id, outputs: wanted }: InferenceRequest,
  { local }: Target,
  expected: readonly TensorMetadata[],
): Answer {
  const { outputs } = readable(reply.label, () => decodeV1Response(reply.body, local, expected))
  const asked = wanted === undefined ? outputs : outputs.filter(({ name }) => wanted.includes(name))
  const response = {
    ...(id === undefined ? {} : { id }),
    model: local,
    outputs: asked.length > 0 ? asked : outputs,
  }
  return { response, headers: headersIn(reply) }
}
