/** What the answer of a graph is to those who know tensors and errors, not statuses and bodies. */
import { InferenceError, type ErrorCode } from '../../core/errors.ts'
import type { GraphReply } from '../../graph/index.ts'

/** The way back of `rest/status.ts`. */
const codes: Readonly<Record<number, ErrorCode>> = {
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  408: 'deadline_exceeded',
  429: 'resource_exhausted',
  499: 'cancelled',
  501: 'unimplemented',
  502: 'unavailable',
  503: 'unavailable',
  504: 'deadline_exceeded',
}

export function isError({ status }: Pick<GraphReply, 'status'>): boolean {
  return status < 200 || status > 299
}

/** The error that a status says. */
export function codeOf(status: number): ErrorCode {
  return codes[status] ?? (status >= 400 && status < 500 ? 'invalid_argument' : 'internal')
}

/** An answer outside of 200–299 as an error, with the text of its body. */
export function errorOf({ status, payload }: Pick<GraphReply, 'status' | 'payload'>): InferenceError {
  return new InferenceError(codeOf(status), textOf(payload.asText()) ?? `the graph answered with HTTP status ${status}`)
}

/** `error` of a body, and `cause` where KServe's router tells one. */
function textOf(body: string): string | undefined {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || !('error' in value) || typeof value.error !== 'string') {
    return undefined
  }
  return 'cause' in value && typeof value.cause === 'string' ? `${value.error}: ${value.cause}` : value.error
}
