/** What the inference routes of V1 and V2 share: context, refusals, errors. */
import type { FastifyReply } from 'fastify'
import { InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import type { Verb } from '../dataplane/dataplane.ts'
import { sendError } from './answer.ts'
import type { Door } from './options.ts'
import type { HttpContext } from './request-context.ts'

/** @throws InferenceError `unavailable` while the server drains */
export function refuseWhileDraining(door: Door): void {
  if (door.isDraining()) throw new InferenceError('unavailable', 'the server is shutting down')
}

/** A call as it was asked for. */
export interface RefusedCall {
  readonly ref: ModelRef
  readonly verb: Verb
  /** Tells an unknown model in the words of the protocol. */
  readonly reword?: (reason: unknown) => unknown
}

/**
 * Answers a request that the data plane never saw, and counts it. That the model is unknown is told before what is
 * wrong with the body.
 */
export function refuse(
  door: Door,
  reply: FastifyReply,
  context: HttpContext,
  call: RefusedCall,
  reason: unknown,
): void {
  let told = reason
  try {
    door.dataPlane.status(call.ref)
  } catch (unknownModel) {
    told = call.reword?.(unknownModel) ?? unknownModel
  }
  door.metrics.countRefusal(call.ref, context.protocol, call.verb, InferenceError.from(told).code)
  sendError(door, reply, told, context)
}

/** The path of a URL, without its query. */
export function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? url
}
