/** The REST door: a fastify instance over the data plane. */
import fastify from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Socket } from 'node:net'
import { STATUS_CODES, type IncomingMessage } from 'node:http'
import type { ServerOptions } from 'node:https'
import { InferenceError } from '../core/errors.ts'
import type { TlsKeys } from '../core/tls.ts'
import { errorBody, sendError } from './answer.ts'
import { pathOf } from './inference.ts'
import { addAliasRoutes } from './alias-routes.ts'
import { addGenerateRoutes } from './generate-routes.ts'
import { addGraphRoutes, graphUrl } from './graph-routes.ts'
import { addManagementRoutes } from './management-routes.ts'
import { shapeAt } from './openai-error.ts'
import { addOpenAiRoutes } from './openai-routes.ts'
import { openDoor } from './options.ts'
import type { Door, RestOptions } from './options.ts'
import { requestIdOf } from './request-context.ts'
import { acceptAnyBody } from './routing.ts'
import { otherModelAt, servingUrl } from './serving-routes.ts'
import { addServiceRoutes } from './service-routes.ts'
import { HttpRefusal, parserRefusal } from './status.ts'
import { addV1Routes } from './v1-routes.ts'
import { addV2Routes } from './v2-routes.ts'

/** Longer than the 60 s for which load balancers keep idle connections, so that they close first. */
const keepAliveMs = 75_000
/** For a large body over a slow line; a client that trickles longer is cut off. */
const requestMs = 300_000
/** A model name fills at most the request line, which the HTTP parser bounds to 16 KiB. */
const maxNameLength = 16 * 1024

/** Makes the app with all its routes; the caller listens, or injects, and closes. */
export function createRestApp(options: RestOptions): FastifyInstance {
  const door = openDoor(options)
  const common = {
    logger: false as const,
    bodyLimit: door.maxRequestBytes,
    keepAliveTimeout: keepAliveMs,
    requestTimeout: requestMs,
    forceCloseConnections: 'idle' as const,
    return503OnClosing: false,
    routerOptions: { maxParamLength: maxNameLength, ignoreTrailingSlash: true },
    genReqId: ({ headers }: IncomingMessage) => requestIdOf(headers),
    ...rewriteOf(options),
    clientErrorHandler: refuseUnparsed,
    frameworkErrors: (error: Error, _request: FastifyRequest, reply: FastifyReply) => {
      sendError(door, reply, error)
    },
  }
  const app: FastifyInstance =
    options.tls === undefined ? fastify(common) : fastify({ ...common, https: httpsOf(options.tls) })
  acceptAnyBody(app, door)
  logAccess(app, door)
  answerErrors(app, door)
  addServiceRoutes(app, door)
  addV2Routes(app, door)
  addGenerateRoutes(app, door)
  addOpenAiRoutes(app, door)
  addManagementRoutes(app, door)
  if (door.aliases !== undefined) addAliasRoutes(app, door, door.aliases)
  addV1Routes(app, door)
  if (door.graphs !== undefined) addGraphRoutes(app, door, door.graphs)
  abortOn(options.signal, door)
  return app
}

/** Hosts and paths of services and graphs. */
function rewriteOf({ services, graphs }: RestOptions): { rewriteUrl?: (request: IncomingMessage) => string } {
  if (services !== undefined) return { rewriteUrl: servingUrl(services, graphs) }
  return graphs === undefined ? {} : { rewriteUrl: graphUrl(graphs) }
}

function httpsOf({ certificate, key, ca }: TlsKeys): ServerOptions {
  return { cert: certificate, key, ...(ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true }) }
}

function answerErrors(app: FastifyInstance, door: Door): void {
  app.setErrorHandler((error, request, reply) => {
    sendError(door, reply, error, undefined, shapeAt(request.url))
  })
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.is404) done(unknownPath(request.method, request.url))
    else done()
  })
  app.setNotFoundHandler((request, reply) => {
    sendError(door, reply, unknownPath(request.method, request.url), undefined, shapeAt(request.url))
  })
  app.server.on('checkExpectation', (_request, response) => {
    const body = errorBody('Expectation Failed')
    response.writeHead(417, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
    response.end(body)
  })
}

/** As TF Serving under /v1/, as Triton elsewhere. */
function unknownPath(method: string, url: string): HttpRefusal {
  const path = pathOf(url)
  const other = otherModelAt(path)
  if (other !== undefined) return new HttpRefusal(404, `Model with name ${other} does not exist.`)
  if (path.startsWith('/v1/')) return new HttpRefusal(400, `Malformed request: ${method} ${path}`)
  return new HttpRefusal(404, 'Not Found')
}

/** One line per request while debug is on; next to nothing while it is off. */
function logAccess(app: FastifyInstance, door: Door): void {
  app.addHook('onRequest', (request, reply, done) => {
    if (door.log.isDebugEnabled) {
      const started = performance.now()
      reply.raw.once('close', () => {
        const fields = {
          requestId: request.id,
          method: request.method,
          path: request.url,
          status: reply.raw.statusCode,
          ms: Math.round((performance.now() - started) * 1000) / 1000,
        }
        door.log.debug(fields, 'request')
      })
    }
    done()
  })
}

/** Bytes that are no HTTP request: answered as every other error, then closed. */
function refuseUnparsed(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  if (socket.writable) {
    const { status, message } = parserRefusal(error.code)
    const body = errorBody(message)
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    )
  }
  socket.destroySoon()
}

function abortOn(signal: AbortSignal | undefined, door: Door): void {
  signal?.addEventListener('abort', () => {
    door.inFlight.abortAll(new InferenceError('unavailable', 'the server is shutting down'))
  })
}
