/** What can go wrong with a server behind this one, and whether the request may have run there. */
import { InferenceError, type ErrorCode, type InferenceErrorOptions } from '../../src/runtime/index.ts'

export interface UpstreamErrorOptions extends InferenceErrorOptions {
  /** The request may have run: it is not sent again unasked. */
  readonly mayHaveRun: boolean
  /** The server is to blame, not the request: the circuit breaker counts it. */
  readonly isFault: boolean
}

/** An error of one attempt at one upstream. */
export class UpstreamError extends InferenceError {
  readonly mayHaveRun: boolean
  readonly isFault: boolean

  constructor(code: ErrorCode, message: string, options: UpstreamErrorOptions) {
    super(code, message, options)
    this.mayHaveRun = options.mayHaveRun
    this.isFault = options.isFault
  }
}

/** Nobody answers there; nothing was sent. */
export function unreachable(url: string, why: string, cause?: unknown): UpstreamError {
  return new UpstreamError('unavailable', `cannot reach ${url}: ${why}`, { mayHaveRun: false, isFault: true, cause })
}

/** The connection ended between request and answer. */
export function brokenOff(url: string, why: string, cause?: unknown): UpstreamError {
  const message = `${url} broke off before its answer was complete: ${why}`
  return new UpstreamError('unavailable', message, { mayHaveRun: true, isFault: true, isForeign: true, cause })
}

/** It answered what is no answer. */
export function senseless(label: string, why: string, cause?: unknown): UpstreamError {
  const message = `${label}: the answer cannot be used: ${why}`
  return new UpstreamError('internal', message, { mayHaveRun: true, isFault: true, isForeign: true, cause })
}

/**
 * What the upstream itself answered as an error, in its words. Where it says when to come again it has refused the request, and
 * another may take it.
 */
export function answered(error: InferenceError): UpstreamError {
  const { code, message, retryAfterMs } = error
  const isRefused = (code === 'unavailable' || code === 'resource_exhausted') && retryAfterMs !== undefined
  return new UpstreamError(code, message, {
    mayHaveRun: !isRefused,
    isFault: code === 'unavailable' || code === 'deadline_exceeded',
    cause: error.cause,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(error.isForeign ? { isForeign: true } : {}),
  })
}

/** @throws UpstreamError where what was answered cannot be read: the caller has done nothing wrong */
export function readable<T>(label: string, read: () => T): T {
  try {
    return read()
  } catch (reason) {
    throw senseless(label, InferenceError.from(reason).message, reason)
  }
}
