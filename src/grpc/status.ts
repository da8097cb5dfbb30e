/** The one table from error codes to gRPC statuses, and how any thrown value is answered. */
import { Metadata, status, type StatusObject } from '@grpc/grpc-js'
import type { InferenceError } from '../core/errors.ts'
import { type ErrorCode } from '../core/errors.ts'

const statuses: Readonly<Record<ErrorCode, status>> = {
  invalid_argument: status.INVALID_ARGUMENT,
  not_found: status.NOT_FOUND,
  already_exists: status.ALREADY_EXISTS,
  failed_precondition: status.FAILED_PRECONDITION,
  resource_exhausted: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
  deadline_exceeded: status.DEADLINE_EXCEEDED,
  cancelled: status.CANCELLED,
  unimplemented: status.UNIMPLEMENTED,
  unauthenticated: status.UNAUTHENTICATED,
  permission_denied: status.PERMISSION_DENIED,
  internal: status.INTERNAL,
}

/** A status travels in a header, for which many clients have no more than 8 KiB. */
const maxDetailsLength = 2048

/** What a server answers that could do it later, but not now. */
export type GrpcRefuseStatus = 'resource_exhausted' | 'unavailable'

/**
 * How an error is answered. When to retry goes into the trailing metadata: `retry-after` in seconds, and
 * `grpc-retry-pushback-ms`, which clients with a retry policy obey (gRFC A6).
 *
 * @param refuseStatus of `resource_exhausted`
 */
export function statusOf(
  error: InferenceError,
  refuseStatus: GrpcRefuseStatus = 'resource_exhausted',
): Pick<StatusObject, 'code' | 'details' | 'metadata'> {
  const metadata = new Metadata()
  if (error.retryAfterMs !== undefined) {
    metadata.set('retry-after', String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))))
    metadata.set('grpc-retry-pushback-ms', String(Math.ceil(error.retryAfterMs)))
  }
  const code = error.code === 'resource_exhausted' ? refuseStatus : error.code
  return { code: statuses[code], details: detailsOf(error), metadata }
}

/** The text of an error as a header can carry it: of bounded length, and without half a character. */
export function detailsOf({ message }: InferenceError): string {
  const short = message.length > maxDetailsLength ? `${message.slice(0, maxDetailsLength)}…` : message
  return Buffer.from(short).toString() // replaces lone surrogates, on which percent-encoding fails
}
