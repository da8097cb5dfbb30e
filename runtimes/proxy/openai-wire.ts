/** An OpenAI-compatible server as an upstream: its own routes passed on, texts in and out as completions. */
import {
  decodeCompletion,
  decodeCompletionEvent,
  encodeCompletionRequest,
  errorMessageOf,
  eventData,
  EventSplitter,
  samplingParameters,
  textInput,
  textOutput,
  type ModelDescription,
  type TokenUsage,
} from '../../src/codec/index.ts'
import { InferenceError, tensor, type InferenceRequest, type Parameters } from '../../src/runtime/index.ts'
import { answered, readable, senseless } from './errors.ts'
import type { HttpUpstream } from './http-exchange.ts'
import { ForwardedRefusal, forwardTo } from './openai-forward.ts'
import { maxMetricsBytes, metricsPath, requestsAt } from './vllm-load.ts'
import type { Answer, Exchange, ForwardedCall, ForwardedPiece, Headers, HttpExchange, Target, Wire } from './wire.ts'

export interface OpenAiOptions {
  /** Answers 200 where the server takes requests. */
  readonly readyPath: string
  /** It has vLLM's metrics. */
  readonly hasMetrics?: boolean
}

const completions = '/v1/completions'
/** vLLM then tells how many requests wait there, beside every answer. */
const loadFormat: Headers = { 'endpoint-load-metrics-format': 'TEXT' }

export function openOpenAi(
  upstream: HttpUpstream,
  target: Target,
  { readyPath, hasMetrics = false }: OpenAiOptions,
): Wire {
  const { name } = target.remote
  const asking = ({ signal, headers }: HttpExchange): HttpExchange => ({
    signal,
    headers: { ...loadFormat, ...headers },
  })
  /** A base URL may end with the prefix, as those that clients of OpenAI are given. */
  const pathAt = (path: string): string => (upstream.url.endsWith('/v1') ? path.replace(/^\/v1(?=\/|$)/, '') : path)
  const forward = (call: ForwardedCall, exchange: Exchange): AsyncGenerator<ForwardedPiece, void> =>
    forwardTo(upstream, { ...call, path: pathAt(call.path) }, name, asking(exchange))
  const complete = (request: InferenceRequest, isStream: boolean, exchange: Exchange) =>
    forward({ ...jsonCall, body: encodeCompletionRequest(request, name, isStream) }, exchange)
  return {
    url: upstream.url,
    infer: async (request, exchange) => {
      const reply = await upstream.reply(
        {
          method: 'POST',
          path: pathAt(completions),
          headers: json,
          body: [encodeCompletionRequest(request, name, false)],
        },
        asking(exchange),
      )
      if (reply.status !== 200) throw errorOf(reply.status, Buffer.from(reply.body), reply.label)
      const { texts, finishReason, usage } = readable(reply.label, () => decodeCompletion(reply.body))
      return { response: responseOf(target, request, texts, { finishReason, usage }), headers: singles(reply.headers) }
    },
    stream: (request, exchange) => streamOf(target, request, complete(request, true, exchange)),
    forward,
    isReady: async (exchange) => {
      const { status } = await upstream.reply({ method: 'GET', path: pathAt(readyPath) }, exchange)
      return status >= 200 && status < 300
    },
    ...(hasMetrics ? { requests: (exchange: Exchange) => requestsOf(upstream, exchange) } : {}),
    describe: async () => description(name),
    close: () => upstream.close(),
  }
}

const json = { 'content-type': 'application/json' }
const jsonCall = { path: completions, contentType: 'application/json', accept: undefined }

/** Metrics are at the root of the server: the path climbs out of a base URL's prefix. */
async function requestsOf(upstream: HttpUpstream, exchange: Exchange): Promise<number | undefined> {
  const path = upstream.url.endsWith('/v1') ? `/..${metricsPath}` : metricsPath
  const { status, body } = await upstream.reply({ method: 'GET', path, maxBytes: maxMetricsBytes }, exchange)
  return status === 200 ? requestsAt(Buffer.from(body).toString('latin1')) : undefined
}

/** One response for each event that brings text; the last one tells why it ended. */
async function* streamOf(
  target: Target,
  request: InferenceRequest,
  pieces: AsyncGenerator<ForwardedPiece, void>,
): AsyncGenerator<Answer, void> {
  const splitter = new EventSplitter()
  let end = { finishReason: '', usage: {} as TokenUsage }
  let headers: Headers = {}
  try {
    for await (const { status, headers: given, bytes } of pieces) {
      headers = given
      if (status !== 200) throw errorOf(status, await rest(bytes, pieces), completions)
      for (const event of splitter.push(bytes)) {
        const data = eventData(event)
        const read = data === undefined ? undefined : readable(completions, () => decodeCompletionEvent(data))
        if (read?.kind !== 'text') continue
        end = { finishReason: read.finishReason || end.finishReason, usage: { ...end.usage, ...read.usage } }
        if (read.text !== '') yield { response: responseOf(target, request, [read.text]), headers }
      }
    }
  } catch (reason) {
    throw reason instanceof ForwardedRefusal ? errorOf(reason.answer.status, reason.answer.bytes, completions) : reason
  }
  yield { response: responseOf(target, request, [''], end), headers }
}

async function rest(first: Uint8Array, pieces: AsyncGenerator<ForwardedPiece, void>): Promise<Uint8Array> {
  const parts = [first]
  for await (const { bytes } of pieces) parts.push(bytes)
  return Buffer.concat(parts)
}

interface End {
  readonly finishReason: string
  readonly usage: TokenUsage
}

function responseOf(
  { local }: Target,
  { id }: InferenceRequest,
  texts: readonly string[],
  end?: End,
): Answer['response'] {
  const outputs = [
    tensor(
      textOutput,
      'BYTES',
      [texts.length],
      texts.map((text) => Buffer.from(text)),
    ),
  ]
  const parameters = end === undefined ? {} : parametersOf(end)
  return {
    ...(id === undefined ? {} : { id }),
    model: local,
    outputs,
    ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
  }
}

function parametersOf({ finishReason, usage: { promptTokens, completionTokens } }: End): Parameters {
  return {
    ...(finishReason === '' ? {} : { finish_reason: finishReason }),
    ...(promptTokens === undefined ? {} : { prompt_tokens: promptTokens }),
    ...(completionTokens === undefined ? {} : { completion_tokens: completionTokens }),
  }
}

function errorOf(status: number, body: Uint8Array, label: string): InferenceError {
  const message = errorMessageOf(Buffer.from(body).toString())
  const text = message === '' ? `${label}: status ${status}` : message
  if (status === 429) return answered(new InferenceError('resource_exhausted', text, { retryAfterMs: 1000 }))
  if (status === 502 || status === 503) return answered(new InferenceError('unavailable', text))
  if (status === 504) return answered(new InferenceError('deadline_exceeded', text))
  if (status === 401 || status === 403) {
    // Who is refused is this server, not its caller.
    return senseless(label, `it does not take the credentials of this server (status ${status}): ${text}`)
  }
  if (status === 404) return answered(new InferenceError('not_found', text))
  if (status >= 400 && status < 500) return answered(new InferenceError('invalid_argument', text))
  return answered(new InferenceError('internal', text))
}

function singles(headers: Readonly<Record<string, string | readonly string[] | undefined>>): Headers {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])),
  )
}

function description(name: string): ModelDescription {
  const text = { datatype: 'BYTES', shape: [-1] } as const
  return {
    name,
    versions: [],
    platform: 'openai',
    inputs: [
      { name: textInput, ...text },
      { name: samplingParameters, datatype: 'BYTES', shape: [1], isOptional: true },
    ],
    outputs: [{ name: textOutput, ...text }],
    parameters: {},
  }
}
