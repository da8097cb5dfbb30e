/** How a gRPC call over HTTP/2 ended: what came beside its message, and which error that is. */
import { InferenceError, type ErrorCode } from '../../src/runtime/index.ts'
import { answered, brokenOff, senseless, UpstreamError } from './errors.ts'
import { errorIn } from './grpc-frames.ts'
import type { Failure } from './http2/call.ts'
import type { Field } from './http2/hpack-static.ts'

/** What gateways on the way say in place of the server (gRPC: "HTTP to gRPC Status Code Mapping"). */
const codes: Readonly<Record<string, ErrorCode>> = {
  401: 'unauthenticated',
  403: 'permission_denied',
  429: 'unavailable',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
}

/** Collects the headers before and behind a message. */
export class Outcome {
  readonly #url: string
  /** For callers; what comes behind the message goes before what came before it. */
  readonly headers: Record<string, string> = {}
  #status = ''
  #contentType: string | undefined
  #grpcStatus: string | undefined
  #grpcMessage: string | undefined

  constructor(url: string) {
    this.#url = url
  }

  add(fields: readonly Field[]): void {
    for (const [name, value] of fields) {
      if (name === ':status') this.#status = value
      else if (name === 'content-type') this.#contentType = value
      else if (name === 'grpc-status') this.#grpcStatus = value
      else if (name === 'grpc-message') this.#grpcMessage = value
      else if (name[0] !== ':' && !name.startsWith('grpc-')) this.headers[name] = value
    }
  }

  /**
   * @param failure of the connection, if any
   * @param reason what was wrong with the message, or the caller's own end; it goes before all others
   * @returns undefined where the call worked
   */
  error(failure: Failure | undefined, reason: unknown): InferenceError | undefined {
    if (reason instanceof InferenceError) return reason
    if (this.#grpcStatus !== undefined) return this.#told(this.#grpcStatus)
    if (failure?.neverRan === true) {
      const why = failure.isGone ? 'closed the connection' : 'refused the call'
      const options = { mayHaveRun: false, isFault: true, cause: reason }
      return new UpstreamError('unavailable', `${this.#url} ${why}: ${failure.message}`, options)
    }
    if (this.#status !== '' && this.#status !== '200') return this.#atGateway()
    if (this.#contentType?.startsWith('application/grpc') === false)
      return senseless(this.#url, `content-type ${this.#contentType}, it may speak no gRPC`)
    if (failure?.isBusy === true) {
      const options = { mayHaveRun: true, isFault: false, retryAfterMs: 1_000, cause: reason }
      return new UpstreamError('resource_exhausted', `${this.#url} has enough for now: ${failure.message}`, options)
    }
    return brokenOff(this.#url, failure?.message ?? 'the call ended without a gRPC status', reason)
  }

  #told(status: string): InferenceError | undefined {
    if (status === '0') return undefined
    const message = this.#grpcMessage === undefined ? {} : { 'grpc-message': this.#grpcMessage }
    const error = errorIn({ ...this.headers, 'grpc-status': status, ...message }, this.#url)
    return error === undefined ? undefined : answered(error)
  }

  #atGateway(): InferenceError {
    const why = `HTTP status ${this.#status}, it may speak no gRPC`
    const code = codes[this.#status]
    if (code === undefined) return senseless(this.#url, why)
    const options = { mayHaveRun: true, isFault: code === 'unavailable', isForeign: true }
    return new UpstreamError(code, `${this.#url}: ${why}`, options)
  }
}
