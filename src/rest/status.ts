/** The one table from error codes to HTTP statuses, and how any thrown value is answered. */
import { InferenceError } from '../core/errors.ts'
import type { ErrorCode } from '../core/errors.ts'

/** As TF Serving and Triton map gRPC's codes (TF Serving's http_server.cc). */
const statuses: Readonly<Record<ErrorCode, number>> = {
  invalid_argument: 400,
  not_found: 404,
  already_exists: 409,
  failed_precondition: 400,
  resource_exhausted: 503, // or what the operator says
  unavailable: 503,
  deadline_exceeded: 504,
  cancelled: 499,
  unimplemented: 501,
  unauthenticated: 401,
  permission_denied: 403,
  internal: 500,
}

export type Headers = Readonly<Record<string, string>>

/** A refusal that only HTTP knows: its status is not in the table. */
export class HttpRefusal extends InferenceError {
  readonly status: number
  readonly headers: Headers

  constructor(status: number, message: string, headers: Headers = {}) {
    super('invalid_argument', message)
    this.status = status
    this.headers = headers
  }
}

export interface ErrorAnswer {
  readonly status: number
  readonly message: string
  readonly headers: Headers
  readonly error: InferenceError
}

/** Of every error that a server behind this one made. */
const badGateway = 502

const noHeaders: Headers = {}

/** What a server answers that could do it later, but not now. */
export type RefuseStatus = 503 | 429

/**
 * How a thrown value is answered. The framework's own refusals keep their status and text, unknown errors tell nothing.
 *
 * @param refuseStatus of `resource_exhausted`: a full queue, a time limit that cannot be met
 */
export function answerOf(reason: unknown, refuseStatus: RefuseStatus = 503): ErrorAnswer {
  const error = refusalOfFramework(reason) ?? InferenceError.from(reason)
  if (error instanceof HttpRefusal) {
    return { status: error.status, message: error.message, headers: error.headers, error }
  }
  const status = error.isForeign
    ? badGateway
    : error.code === 'resource_exhausted'
      ? refuseStatus
      : statuses[error.code]
  return { status, message: error.message, headers: retryHeaders(status, error.retryAfterMs), error }
}

/** Whole seconds for every client, and the milliseconds that they are made of for those that can wait so short. */
function retryHeaders(status: number, retryAfterMs: number | undefined): Headers {
  if (status !== 503 && status !== 429) return noHeaders
  const seconds = { 'retry-after': String(Math.max(1, Math.ceil((retryAfterMs ?? 1000) / 1000))) }
  return retryAfterMs === undefined ? seconds : { ...seconds, 'retry-after-ms': String(Math.ceil(retryAfterMs)) }
}

function refusalOfFramework(reason: unknown): HttpRefusal | undefined {
  if (!(reason instanceof Error) || !('code' in reason) || !('statusCode' in reason)) return undefined
  const { code, statusCode } = reason
  if (typeof code !== 'string' || !code.startsWith('FST_') || typeof statusCode !== 'number') return undefined
  return statusCode >= 400 && statusCode < 500 ? new HttpRefusal(statusCode, reason.message) : undefined
}

/** What the HTTP parser refuses before there is a request: its error code, as status and text. */
export function parserRefusal(code = ''): { readonly status: number; readonly message: string } {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return { status: 431, message: 'the request headers are larger than 16 KiB' }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: 408, message: 'the request did not arrive in time' }
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return { status: 413, message: 'the chunk extensions are too large' }
    default:
      return { status: 400, message: 'malformed HTTP request' }
  }
}
