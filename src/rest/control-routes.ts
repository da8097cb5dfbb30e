/** A part of Kubernetes' API: KServe's objects of this server, for callers on this machine alone. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { InferenceError } from '../core/errors.ts'
import { sendJson } from './answer.ts'
import { methods, takeAnyContentType } from './routing.ts'
import { answerOf, HttpRefusal } from './status.ts'

/** What is asked for, as the path names it. */
export interface ControlPath {
  /** `serving.kserve.io/v1beta1`, `v1`. */
  readonly apiVersion: string
  readonly plural: string
  /** Absent for all namespaces, and for objects of the whole cluster. */
  readonly namespace?: string
  /** Absent for a list. */
  readonly name?: string
  /** `status`, `promote`, `undo`. */
  readonly part?: string
}

export interface ControlRequest {
  readonly method: string
  readonly path: ControlPath
  /** YAML or JSON; empty where there is none. */
  readonly body: string
  /** Where the body comes from, for messages and relative paths. */
  readonly file?: string
}

export interface ControlReply {
  readonly status: number
  readonly body: object
  /** What the caller should know, one line each. */
  readonly warnings?: readonly string[]
  /** `created`, `configured`, `unchanged`. */
  readonly outcome?: string
}

/** The objects as this door sees them. */
export interface RestControl {
  /** @throws InferenceError with what is wrong, a line each, with file, line and field */
  handle(request: ControlRequest): Promise<ControlReply>
}

/** Far above any manifest. */
const maxBytes = 4_000_000

/** Adds the paths below `/apis/` and `/api/`. */
export function addControlRoutes(app: FastifyInstance, control: RestControl): void {
  for (const url of ['/apis/*', '/api/v1/*']) {
    app.route({
      method: [...methods],
      url,
      exposeHeadRoute: false,
      onRequest: (request, _reply, done) => {
        takeAnyContentType(request)
        checkCaller(request)
        checkLength(request.raw.headers['content-length'])
        done()
      },
      handler: async (request, reply) => {
        const { status, body, warnings = [], outcome } = await control.handle(readRequest(request))
        for (const warning of warnings) {
          const text = warning.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, "'")
          reply.header('warning', `299 - "${text}"`)
        }
        if (outcome !== undefined) reply.header('servable-outcome', outcome)
        sendJson(reply, body, status)
        return reply
      },
      errorHandler: (reason, request, reply) => sendFailure(request, reply, reason),
    })
  }
}

/**
 * Only programs of this machine, and no web page that a browser on it shows: a page elsewhere brings its `Origin`, and one whose
 * name was made to lead here its `Host`.
 */
function checkCaller({ raw: { headers, socket } }: Pick<FastifyRequest, 'raw'>): void {
  if (!isLoopbackAddress(socket.remoteAddress ?? '127.0.0.1')) {
    throw new HttpRefusal(403, 'the control API answers callers on this machine only')
  }
  const host = headers.host ?? ''
  if (!isLoopbackHost(host)) {
    throw new HttpRefusal(403, 'the control API is reached as localhost or 127.0.0.1, not under another name')
  }
  const { origin } = headers
  const site = headers['sec-fetch-site']
  const isForeign = origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`
  if (isForeign || (site !== undefined && site !== 'same-origin' && site !== 'none')) {
    throw new HttpRefusal(403, 'the control API takes no requests from pages of other origins')
  }
}

/** An IP address as a socket tells it. */
export function isLoopbackAddress(address: string): boolean {
  return /^(::ffff:)?127\.\d+\.\d+\.\d+$/i.test(address) || address === '::1'
}

function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/:\d+$/, '')
  return name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || isLoopbackAddress(name)
}

function checkLength(length: string | undefined): void {
  if (length !== undefined && Number(length) > maxBytes) {
    throw new HttpRefusal(413, `a manifest may have ${maxBytes} bytes`)
  }
}

function readRequest({ method, url, body, query }: FastifyRequest): ControlRequest {
  const bytes = body instanceof Uint8Array ? body : new Uint8Array()
  checkLength(String(bytes.byteLength))
  const { file } = query as { readonly file?: unknown } // what fastify makes of a query
  return {
    method: method === 'HEAD' ? 'GET' : method,
    path: readPath(url.split('?', 1)[0] ?? ''),
    body: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'),
    ...(typeof file === 'string' ? { file } : {}),
  }
}

function readPath(path: string): ControlPath {
  const parts = path.split('/').filter((part) => part !== '')
  const segments = parts.map((part) => {
    try {
      return decodeURIComponent(part)
    } catch {
      throw new HttpRefusal(400, 'the path is malformed')
    }
  })
  const isCore = segments[0] === 'api'
  const apiVersion = isCore ? (segments[1] ?? '') : segments.slice(1, 3).join('/')
  const rest = segments.slice(isCore ? 2 : 3)
  const isNamespaced = rest[0] === 'namespaces' && rest.length > 2
  const [plural = '', name, part, ...more] = isNamespaced ? rest.slice(2) : rest
  if (more.length > 0) throw new HttpRefusal(404, 'the server could not find the requested resource')
  return {
    apiVersion,
    plural,
    ...(isNamespaced && rest[1] !== undefined ? { namespace: rest[1] } : {}),
    ...(name === undefined ? {} : { name }),
    ...(part === undefined ? {} : { part }),
  }
}

const reasons: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  413: 'RequestEntityTooLarge',
  422: 'Invalid',
  503: 'ServiceUnavailable',
}

/** As Kubernetes answers: what is wrong with a field is a cause with its place. */
function sendFailure(request: FastifyRequest, reply: FastifyReply, reason: unknown): void {
  const answer = answerOf(reason)
  const { error, message, headers } = answer
  const isRefusal = error instanceof HttpRefusal
  const code = isRefusal ? answer.status : (codes[error.code] ?? answer.status)
  const causes = message.split('\n').flatMap(causeOf)
  reply.headers(headers)
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message,
    reason: reasons[code] ?? 'InternalError',
    ...(causes.length === 0 ? {} : { details: { causes } }),
    code,
  }
  if (request.raw.method !== 'HEAD' || !reply.sent) sendJson(reply, status, code)
}

const codes: Partial<Record<InferenceError['code'], number>> = {
  invalid_argument: 422,
  failed_precondition: 409,
  unimplemented: 405,
}

/** `isvc.yaml:12: spec.predictor: …` */
function causeOf(line: string): object[] {
  const [, place, field, message] = /^(.+?:\d+): (?:([\w.[\]/-]+): )?(.*)$/.exec(line) ?? []
  if (place === undefined || message === undefined) return []
  return [{ reason: 'FieldValueInvalid', message: `${place}: ${message}`, ...(field === undefined ? {} : { field }) }]
}
