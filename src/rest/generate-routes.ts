/** `generate` and `generate_stream`: flat JSON in and out, one response or many. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import {
  decodeGenerateRequest,
  decodeV2Request,
  encodeGenerateResponse,
  encodeV2Response,
  isInferenceBody,
} from '../codec/index.ts'
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse } from '../core/inference.ts'
import { markRevision, sendError, sendInference } from './answer.ts'
import { EventStream } from './event-stream.ts'
import { refuse, refuseWhileDraining } from './inference.ts'
import type { Door } from './options.ts'
import { HttpContext } from './request-context.ts'
import { post, refuseOthers } from './routing.ts'
import { refOf, type ModelParams } from './v2-routes.ts'

type Request = FastifyRequest<{ Params: ModelParams }>

/** A decoded call, and how its responses are written. */
interface Generation {
  readonly request: InferenceRequest
  readonly encode: (response: InferenceResponse) => Uint8Array
}

type Answer = (door: Door, generation: Generation, context: HttpContext, reply: FastifyReply) => Promise<void>

export function addGenerateRoutes(app: FastifyInstance, door: Door): void {
  for (const model of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    addRoute(app, door, `${model}/generate`, generate)
    addRoute(app, door, `${model}/generate_stream`, generateStream)
    addRoute(app, door, `${model}/infer_stream`, generateStream) // MLServer's name
  }
}

function addRoute(app: FastifyInstance, door: Door, path: string, answer: Answer): void {
  const refuseCall = (request: Request, reply: FastifyReply, reason: unknown): void => {
    const context = new HttpContext('v2', request, door.inFlight)
    refuse(door, reply, context, { ref: refOf(request.params), verb: 'infer' }, reason)
  }
  post<ModelParams>(app, path, {
    check: () => refuseWhileDraining(door),
    answer: async (request, reply) => {
      let generation: Generation
      try {
        await door.dataPlane.wake(refOf(request.params))
        generation = decode(door, request)
      } catch (reason) {
        refuseCall(request, reply, reason)
        return undefined
      }
      return answer(door, generation, new HttpContext('v2', request, door.inFlight), reply)
    },
    refuse: refuseCall,
  })
  refuseOthers(app, path, ['POST'])
}

/** Triton's flat body, or MLServer's, which is that of an inference and answered like one. */
function decode({ dataPlane }: Door, request: Request): Generation {
  const model = refOf(request.params)
  const body = request.body as Buffer // what the one content type parser makes
  const { inputs } = dataPlane.metadata(model)
  if (!isInferenceBody(body, inputs)) {
    return { request: decodeGenerateRequest(body, model, inputs), encode: encodeGenerateResponse }
  }
  return {
    request: decodeV2Request(body, undefined, model).request,
    encode: (response) => {
      const { body: json } = encodeV2Response(response, { isBinary: false })
      return json instanceof Uint8Array ? json : Buffer.concat(json)
    },
  }
}

const generate: Answer = async (door, { request, encode }, context, reply) => {
  try {
    const response = await onlyResponse(door, request, context)
    await sendInference(reply, context, encode(response), { given: response.headers })
  } catch (reason) {
    sendError(door, reply, reason, context)
  }
}

/** @throws InferenceError `failed_precondition` where a decoupled model does not give exactly one response */
async function onlyResponse(
  { dataPlane }: Door,
  request: InferenceRequest,
  context: HttpContext,
): Promise<InferenceResponse> {
  if (dataPlane.metadata(request.model).isDecoupled !== true) return dataPlane.infer(request, context)
  let only: InferenceResponse | undefined
  await dataPlane.stream(request, context, async (response) => {
    if (only !== undefined) throw notOne()
    only = response
  })
  if (only === undefined) throw notOne()
  return only
}

/** In Triton's words. */
function notOne(): InferenceError {
  return new InferenceError(
    'failed_precondition',
    'generate expects model to produce exactly 1 response, use generate stream for model that generates various number of responses',
  )
}

const generateStream: Answer = async (door, { request, encode }, context, reply) => {
  const events = new EventStream(reply)
  try {
    await door.dataPlane.stream(request, context, (response) => {
      markRevision(reply, context)
      return events.send(encode(response), response.headers)
    })
    events.end()
  } catch (reason) {
    if (!events.isOpen) sendError(door, reply, reason, context)
    else {
      if (door.log.isDebugEnabled) door.log.debug({ requestId: context.requestId, error: reason }, 'stream failed')
      await events.fail(reason)
    }
  } finally {
    context.release()
  }
}
