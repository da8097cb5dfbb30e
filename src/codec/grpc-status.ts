/** The one table from gRPC statuses back to error codes, and what a failed call is told as. */
import { InferenceError, messageOf, type ErrorCode } from '../core/errors.ts'

/** By number. UNKNOWN, OUT_OF_RANGE and the like have no code of their own. */
const codes: Readonly<Record<number, ErrorCode>> = {
  1: 'cancelled',
  2: 'internal',
  3: 'invalid_argument',
  4: 'deadline_exceeded',
  5: 'not_found',
  6: 'failed_precondition',
  7: 'permission_denied',
  8: 'resource_exhausted',
  9: 'failed_precondition',
  10: 'failed_precondition',
  11: 'invalid_argument',
  12: 'unimplemented',
  13: 'internal',
  14: 'unavailable',
  15: 'internal',
  16: 'unauthenticated',
}

/** The part of grpc-js's ServiceError that is read here. */
interface FailedCall extends Error {
  readonly code: number
  readonly details: string
  readonly metadata?: { get(name: string): readonly unknown[] }
}

/** Texts of grpc-js where the status is its own and no server's. */
const neverSent = /^(No connection established|Name resolution failed|Failed to (start|create)|Channel closed|.*GOAWAY)/

/**
 * The error that a failed call stands for, in the server's own words.
 *
 * @param url how the text names a server that cannot be reached
 */
export function errorOfStatus(reason: unknown, url: string): InferenceError {
  if (reason instanceof InferenceError) return reason
  if (!isFailedCall(reason)) return new InferenceError('internal', messageOf(reason), { cause: reason })
  const { details } = reason
  const code = codes[reason.code] ?? 'internal'
  if (code === 'unavailable' && neverSent.test(details)) {
    return new InferenceError('unavailable', `cannot reach ${url}: ${plain(details)}`, { cause: reason })
  }
  const text = details === '' ? `${url} answered gRPC status ${reason.code} without a text` : details
  const seconds = Number(reason.metadata?.get('retry-after')[0] ?? NaN)
  return new InferenceError(code, text, {
    cause: reason,
    ...(seconds >= 0 ? { retryAfterMs: seconds * 1000 } : {}),
  })
}

function isFailedCall(reason: unknown): reason is FailedCall {
  return reason instanceof Error && 'code' in reason && 'details' in reason && typeof reason.details === 'string'
}

/** What the system says, without the states of the channel around it. */
function plain(details: string): string {
  if (details.includes('ECONNREFUSED')) return 'connection refused'
  if (details.includes('ENOTFOUND') || details.startsWith('Name resolution failed')) return 'no such host'
  return /Last error: (?:Error: )?(.+?)\.? Resolution note/s.exec(details)?.[1] ?? details
}
