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

const methods: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
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

/** `POST` on a path, with a body of any type; `first` may refuse before the body is read. */
export function post<Params>(
  app: FastifyInstance,
  path: string,
  handler: Handler<Params>,
  first: (request: FastifyRequest<{ Params: Params }>) => void,
): void {
  app.post<{ Params: Params }>(path, {
    onRequest: (request, _reply, done) => {
      first(request)
      takeAnyContentType(request)
      done()
    },
    handler,
  })
}

/**
 * tritonclient sends no Content-Type and `curl -d` a wrong one; fastify would answer 415 to either. It gets the same
 * one for every request instead.
 */
function takeAnyContentType(request: Pick<FastifyRequest, 'raw' | 'givenContentType'>): void {
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
