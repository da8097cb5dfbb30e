/** Requests for a model that another program answers: a transformer, an explainer. Bytes go there and back as they are. */
import type { FastifyReply } from 'fastify'
import { InferenceError } from '../core/errors.ts'
import type { Verb } from '../dataplane/dataplane.ts'
import { sendError } from './answer.ts'
import type { Door } from './options.ts'
import { givenIdOf, type HttpContext } from './request-context.ts'

/** What is asked of which model. */
interface AskedModel {
  readonly model: string
  readonly verb: Verb
}

/** Has the component answer that stands in for the model. */
export async function answerByComponent(
  door: Door,
  reply: FastifyReply,
  context: HttpContext,
  { model, verb }: AskedModel,
): Promise<void> {
  const { components, dataPlane } = door
  try {
    const name = components?.standIn(model, verb)
    if (components === undefined || name === undefined) {
      throw new InferenceError('unavailable', `Model with name ${model} is not ready.`) // gone in between
    }
    const body = reply.request.body as Buffer // what the one content type parser makes
    const answer = await components.answer(dataPlane, name, { path: reply.request.url, body, context })
    context.release()
    const givenId = givenIdOf(reply.request.raw.headers)
    reply.hijack()
    if (reply.raw.destroyed) return
    reply.raw.writeHead(answer.status, {
      ...(givenId === undefined ? {} : { 'x-request-id': givenId }),
      ...answer.headers,
      'content-length': String(answer.body.byteLength),
    })
    reply.raw.end(answer.body)
  } catch (reason) {
    sendError(door, reply, reason, context)
  }
}
