/** Errors as the caller sees them: gRPC's canonical codes, less those this server never raises. */

export type ErrorCode =
  | 'invalid_argument'
  | 'not_found'
  | 'already_exists'
  | 'failed_precondition'
  | 'resource_exhausted'
  | 'unavailable'
  | 'deadline_exceeded'
  | 'cancelled'
  | 'unimplemented'
  | 'unauthenticated'
  | 'permission_denied'
  | 'internal'

export interface InferenceErrorOptions extends ErrorOptions {
  /** When a retry may succeed, in milliseconds from now: becomes `Retry-After`. */
  readonly retryAfterMs?: number
  /** It took its thread or process along: nobody tries by more runs which of several requests it was. */
  readonly isFatal?: boolean
  /** A server behind this one broke off or made no sense: neither the caller's fault nor a model's here. */
  readonly isForeign?: boolean
}

/**
 * The one error class that leaves a room. The message is written for the caller: what was wrong, where, and what would
 * be right. Status codes of protocols are known at the doors only (`rest/status.ts`, `grpc/status.ts`).
 */
export class InferenceError extends Error {
  override readonly name = 'InferenceError'
  readonly code: ErrorCode
  readonly retryAfterMs?: number
  readonly isFatal: boolean
  readonly isForeign: boolean

  constructor(code: ErrorCode, message: string, options: InferenceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.isFatal = options.isFatal === true
    this.isForeign = options.isForeign === true
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs
  }

  /**
   * Any thrown value as an InferenceError; the original is kept as `cause`. An unknown error becomes a bare `internal`
   * whose text tells the caller nothing: its details belong in the log.
   */
  static from(reason: unknown): InferenceError {
    if (reason instanceof InferenceError) return reason
    if (reason instanceof Error && reason.name === 'AbortError') {
      return new InferenceError('cancelled', 'the request was cancelled', { cause: reason })
    }
    if (reason instanceof Error && reason.name === 'TimeoutError') {
      return new InferenceError('deadline_exceeded', 'the deadline of the request passed', { cause: reason })
    }
    return new InferenceError('internal', 'internal error', { cause: reason })
  }
}

/** The text of any thrown value, for logs and for the reason of a failed load. */
export function messageOf(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason)
}
