/** Adds routes so that a known path with the wrong verb answers 405, and so that a body is read whatever its type. */
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import { readBody } from './body.ts'
import type { Door } from './options.ts'
import { HttpRefusal } from './status.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Content-Type as the caller sent it: fastify sees another, see {@link takeAnyContentType}. */
    givenContentType: string | undefined
  }
}

export type Handler<Params> = (request: FastifyRequest<{ Params: Params }>, reply: FastifyReply) => unknown

export const methods: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const bodyType = 'application/octet-stream'

/** Makes `request.body` the raw bytes, for every Content-Type and for none. */
export function acceptAnyBody(app: FastifyInstance, door: Door): void {
  app.decorateRequest('givenContentType', undefined)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(bodyType, (request, payload, done) => {
    readBody(request.raw.headers, payload, door.maxRequestBytes, done)
  })
}

/** `GET` and `HEAD` on a path. */
export function get<Params>(app: FastifyInstance, path: string, handler: Handler<Params>): void {
  app.get<{ Params: Params }>(path, handler)
  refuseOthers(app, path, ['GET', 'HEAD'])
}

/** What a `POST` route does. */
export interface Post<Params> {
  /** Refuses before the body is read, by throwing. */
  readonly check: (request: FastifyRequest<{ Params: Params }>) => void
  /** Answers; `request.body` is a Buffer. */
  readonly answer: Handler<Params>
  /** Answers what `check` threw, or why the body could not be read. */
  readonly refuse: (request: FastifyRequest<{ Params: Params }>, reply: FastifyReply, reason: unknown) => void
}

/** `POST` on a path, with a body of any type. */
export function post<Params>(app: FastifyInstance, path: string, { check, answer, refuse }: Post<Params>): void {
  app.post<{ Params: Params }>(path, {
    onRequest: (request, _reply, done) => {
      takeAnyContentType(request)
      check(request)
      done()
    },
    handler: answer,
    errorHandler: (reason, request, reply) => {
      refuse(request, reply, reason)
    },
  })
}

/**
 * tritonclient sends no Content-Type and `curl -d` a wrong one; fastify would answer 415 to either. It gets the same
 * one for every request instead.
 */
export function takeAnyContentType(request: Pick<FastifyRequest, 'raw' | 'givenContentType'>): void {
  const { headers } = request.raw
  request.givenContentType = headers['content-type']
  headers['content-type'] = bodyType
}

/** Answers 405 to every method but those allowed, without reading a body. */
export function refuseOthers(app: FastifyInstance, path: string, allowed: readonly HTTPMethods[]): void {
  const allow = allowed.join(', ')
  app.route({
    method: methods.filter((method) => !allowed.includes(method)),
    url: path,
    onRequest: () => {
      throw new HttpRefusal(405, 'Method Not Allowed', { allow })
    },
    handler: () => undefined,
  })
}
