/** OpenAI's routes: the body names the model, and goes to it as it came. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { scanOpenAiBody } from '../codec/openai-body.ts'
import { InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import { markRevision, sendError, sendJson } from './answer.ts'
import { ForwardedAnswer } from './forwarded-answer.ts'
import { pathOf, refuseWhileDraining } from './inference.ts'
import { openAiShape, errorOfStatus } from './openai-error.ts'
import { openAiList, openAiModel, openAiNames } from './openai-models.ts'
import { openAiCalls } from './openapi-openai.ts'
import type { Door } from './options.ts'
import { HttpContext } from './request-context.ts'
import { get, post, refuseOthers } from './routing.ts'
import { answerOf } from './status.ts'
import { TokenWatch } from './token-watch.ts'

/** KServe's prefix, and the one that clients of OpenAI know. */
const prefixes = ['/openai/v1', '/v1']

export function addOpenAiRoutes(app: FastifyInstance, door: Door): void {
  for (const prefix of prefixes) {
    for (const path of openAiCalls) addCall(app, door, `${prefix}${path}`, `/v1${path}`)
  }
  // Below /v1/ these are V1's as well.
  get(app, '/openai/v1/models', (_request, reply) => sendJson(reply, openAiList(door)))
  get<{ model: string }>(app, '/openai/v1/models/:model', ({ params: { model } }, reply) => {
    if (openAiNames(door).includes(model)) sendJson(reply, openAiModel(model))
    else sendError(door, reply, unknownModel(model), undefined, openAiShape)
  })
}

function addCall(app: FastifyInstance, door: Door, path: string, upstreamPath: string): void {
  const refuse = (request: FastifyRequest, reply: FastifyReply, reason: unknown, name = ''): void => {
    const context = new HttpContext('openai', request, door.inFlight)
    door.metrics.countRefusal({ name }, 'openai', 'infer', InferenceError.from(reason).code)
    sendError(door, reply, reason, context, openAiShape)
  }
  post(app, path, {
    check: () => refuseWhileDraining(door),
    answer: (request, reply) => {
      const body = request.body as Buffer // what the one content type parser makes
      let model: ModelRef
      try {
        model = modelOf(door, body)
      } catch (reason) {
        refuse(request, reply, reason)
        return undefined
      }
      return forward(door, { model, body, path: upstreamPath + queryOf(request.url) }, request, reply)
    },
    refuse,
  })
  refuseOthers(app, path, ['POST'])
}

/** @throws InferenceError `not_found` for an unknown model; `invalid_argument` where none is named and several could be meant */
function modelOf(door: Door, body: Buffer): ModelRef {
  const { model } = scanOpenAiBody(body)
  if (model !== undefined) {
    if (!isKnown(door, model)) throw unknownModel(model)
    return { name: model }
  }
  const [only, ...others] = openAiNames(door)
  if (only !== undefined && others.length === 0) return { name: only }
  throw new InferenceError('invalid_argument', `'model' must name one of the models of GET /openai/v1/models`)
}

function isKnown({ dataPlane }: Door, name: string): boolean {
  try {
    return dataPlane.status({ name }).ref.name === name
  } catch {
    return false
  }
}

function unknownModel(name: string): InferenceError {
  return new InferenceError('not_found', `The model \`${name}\` does not exist.`)
}

function queryOf(url: string): string {
  return url.slice(pathOf(url).length)
}

interface Exchange {
  readonly model: ModelRef
  /** As the model's own server knows it, with the query. */
  readonly path: string
  readonly body: Buffer
}

async function forward(door: Door, exchange: Exchange, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const context = new HttpContext('openai', request, door.inFlight)
  const answer = new ForwardedAnswer(reply)
  try {
    await door.dataPlane.passThrough(exchange.model, context, async ({ ref, model }, limited, tell) => {
      if (model.forward === undefined) throw speaksNoOpenAi(ref.name)
      const watch = new TokenWatch(tell, performance.now())
      const response = await model.forward(requestOf(exchange, request), limited)
      markRevision(reply, context)
      await answer.write(response, limited.signal, watch)
      const error = errorOfStatus(response.status)
      if (error !== undefined) throw error
    })
  } catch (reason) {
    if (!answer.isOpen) return sendError(door, reply, reason, context, openAiShape)
    if (door.log.isDebugEnabled)
      door.log.debug({ requestId: context.requestId, error: reason }, 'forwarding ended early')
    answer.fail(openAiShape(answerOf(reason, door.refuseStatus)))
  } finally {
    context.release()
  }
}

function speaksNoOpenAi(name: string): InferenceError {
  return new InferenceError(
    'invalid_argument',
    `model '${name}' takes no OpenAI requests; ask it at /v2/models/${encodeURIComponent(name)}/infer`,
  )
}

/** What the model sees: the signal, and further headers of the caller, which are its to pass on or not, are in the context. */
function requestOf({ path, body }: Exchange, request: FastifyRequest): Request {
  const { accept } = request.raw.headers
  const contentType = request.givenContentType ?? 'application/json'
  const headers = { 'content-type': contentType, ...(accept === undefined ? {} : { accept }) }
  return new Request(`http://localhost${path}`, { method: 'POST', headers, body })
}
