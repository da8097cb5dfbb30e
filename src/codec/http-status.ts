/** The one table from HTTP statuses back to error codes, and what a failed call is told as. */
import { InferenceError, type ErrorCode } from '../core/errors.ts'

/** A whole answer over HTTP. */
export interface HttpAnswer {
  readonly status: number
  /** By their names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: Buffer
  /** How errors name the call: `POST http://localhost:8080/v2/models/iris/infer`. */
  readonly label: string
}

/** As TF Serving, Triton, KServe, MLServer (422 for a wrong body) and proxies before them use the statuses. */
const codes: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  405: 'unimplemented',
  408: 'deadline_exceeded',
  409: 'failed_precondition',
  412: 'failed_precondition',
  413: 'resource_exhausted',
  422: 'invalid_argument',
  429: 'resource_exhausted',
  499: 'cancelled',
  500: 'internal',
  501: 'unimplemented',
  502: 'unavailable',
  503: 'unavailable',
  504: 'deadline_exceeded',
}

/** The error that a reply stands for, in the server's own words. */
export function errorOf(reply: HttpAnswer): InferenceError {
  const code = codes[reply.status] ?? (reply.status >= 400 && reply.status < 500 ? 'invalid_argument' : 'internal')
  const retryAfterMs = parseRetryAfter(textOf(reply.headers['retry-after']))
  const text = errorText(reply)
  return new InferenceError(code, text, retryAfterMs === undefined ? {} : { retryAfterMs })
}

function errorText(reply: HttpAnswer): string {
  const plain = reply.body.subarray(0, 2_000).toString('utf8').trim()
  const location = textOf(reply.headers['location'])
  const fallback = `${reply.label} answered ${reply.status}${plain === '' ? '' : `: ${plain.slice(0, 200)}`}`
  if (reply.status >= 300 && reply.status < 400 && location !== undefined) {
    return `${reply.label} answered ${reply.status}, a redirect to ${location}: use that address`
  }
  try {
    return textIn(JSON.parse(reply.body.toString('utf8'))) ?? fallback
  } catch {
    return fallback // a proxy's page, or nothing
  }
}

/** `{"error": "…"}` of every server here; `{"detail": "…" | [{loc, msg}]}` of FastAPI under KServe and MLServer. */
function textIn(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined
  if ('error' in answer && typeof answer.error === 'string' && answer.error !== '') return answer.error
  if (!('detail' in answer)) return undefined
  if (typeof answer.detail === 'string') return answer.detail
  if (!Array.isArray(answer.detail)) return undefined
  const items: readonly unknown[] = answer.detail
  const texts = items.map((item) => {
    if (typeof item !== 'object' || item === null || !('msg' in item)) return ''
    const where = 'loc' in item && Array.isArray(item.loc) ? `${item.loc.join('.')}: ` : ''
    return `${where}${String(item.msg)}`
  })
  return texts.filter((text) => text !== '').join('; ') || undefined
}

/** Seconds or a date (RFC 9110, 10.2.3), as milliseconds from now. */
function parseRetryAfter(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d+(\.\d+)?$/.test(text.trim())) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}

/** The first where a header came several times. */
function textOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'object' ? value[0] : value
}
