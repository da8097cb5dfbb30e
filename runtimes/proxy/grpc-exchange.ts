/** gRPC to one upstream: plain bytes over one HTTP/2 connection; the end of the signal cancels the call. */
import { constants, type ClientHttp2Session, type ClientHttp2Stream, type IncomingHttpHeaders } from 'node:http2'
import type { SecureContext } from 'node:tls'
import { InferenceError, messageOf } from '../../src/runtime/index.ts'
import { answered, brokenOff, senseless, UpstreamError } from './errors.ts'
import { errorIn, FrameReader, prefixOf, textOf } from './grpc-frames.ts'
import { GrpcSession } from './grpc-session.ts'
import type { Exchange, Headers } from './wire.ts'

export interface GrpcOptions {
  /** `grpc://host:port` or `grpcs://…`. */
  readonly url: string
  readonly tls?: SecureContext | undefined
  readonly connectTimeoutMs: number
  readonly maxResponseBytes: number
}

export interface GrpcAnswer {
  readonly message: Buffer
  /** Headers before and after the message. */
  readonly headers: Headers
}

/** Longest time that `grpc-timeout` can tell in milliseconds: eight digits. */
const longestTimeoutMs = 99_999_999

/** Own code instead of grpc-js: its client costs about three times as much per call as HTTP/2 does, and passes no bytes unseen. */
export class GrpcUpstream {
  readonly url: string
  readonly #session: GrpcSession
  readonly #maxBytes: number
  /** When something was heard from the upstream. */
  #heardAt = -Infinity

  constructor({ url, tls, connectTimeoutMs, maxResponseBytes }: GrpcOptions) {
    this.url = url
    this.#maxBytes = maxResponseBytes
    this.#session = new GrpcSession({ url, tls, connectTimeoutMs })
  }

  /** @param path `/package.Service/Method` @throws UpstreamError, or the reason of the signal */
  async call(path: string, request: Uint8Array, exchange: Exchange): Promise<GrpcAnswer> {
    const { signal } = exchange
    if (signal.aborted) throw InferenceError.from(signal.reason)
    const session = this.#session.current ?? (await this.#session.open())
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(InferenceError.from(signal.reason))
      const startedAt = performance.now()
      const stream = this.#start(session, path, request, exchange)
      const reader = new FrameReader(`${this.url}${path}`, this.#maxBytes)
      const heads: IncomingHttpHeaders[] = []
      let message: Buffer | undefined
      let failure: unknown
      const cancel = (): void => stream.close(constants.NGHTTP2_CANCEL)
      signal.addEventListener('abort', cancel, { once: true })
      stream.on('response', (headers: IncomingHttpHeaders) => void heads.push(headers))
      stream.on('trailers', (headers: IncomingHttpHeaders) => void heads.push(headers))
      stream.on('data', (chunk: Buffer) => {
        this.#heardAt = performance.now()
        try {
          for (const each of reader.push(chunk)) message ??= each
        } catch (reason) {
          failure = reason
          cancel()
        }
      })
      stream.on('error', (reason: Error) => (failure ??= reason))
      stream.once('close', () => {
        signal.removeEventListener('abort', cancel)
        if (signal.aborted) this.#giveUp(session, startedAt)
        const error = this.#errorOf(stream, heads, failure, signal)
        if (error !== undefined) reject(error)
        else if (message === undefined || !reader.isAtEnd)
          reject(senseless(`${this.url}${path}`, 'it is no whole message'))
        else resolve({ message, headers: headersOf(heads) })
      })
    })
  }

  /** Sends one request and ends its side. @throws as {@link call} does */
  async *stream(path: string, request: Uint8Array, exchange: Exchange): AsyncGenerator<GrpcAnswer, void> {
    const { signal } = exchange
    if (signal.aborted) throw InferenceError.from(signal.reason)
    const session = this.#session.current ?? (await this.#session.open())
    const stream = this.#start(session, path, request, exchange)
    const heads: IncomingHttpHeaders[] = []
    const cancel = (): void => stream.close(constants.NGHTTP2_CANCEL)
    signal.addEventListener('abort', cancel, { once: true })
    stream.on('response', (headers: IncomingHttpHeaders) => void heads.push(headers))
    stream.on('trailers', (headers: IncomingHttpHeaders) => void heads.push(headers))
    stream.on('error', () => undefined) // what comes after the iteration has ended is of no interest
    const reader = new FrameReader(`${this.url}${path}`, this.#maxBytes)
    let failure: unknown
    try {
      for await (const chunk of stream) {
        // A stream without an encoding gives Buffers.
        for (const message of reader.push(chunk as Buffer)) yield { message, headers: headersOf(heads) }
      }
    } catch (reason) {
      failure = reason
    } finally {
      signal.removeEventListener('abort', cancel)
      if (!stream.readableEnded) cancel()
    }
    const error = this.#errorOf(stream, heads, failure, signal)
    if (error !== undefined) throw error
  }

  close(): void {
    this.#session.close()
  }

  #start(session: ClientHttp2Session, path: string, request: Uint8Array, exchange: Exchange): ClientHttp2Stream {
    const leftMs = Math.min(longestTimeoutMs, Math.max(1, Math.ceil(exchange.deadline - Date.now())))
    let stream: ClientHttp2Stream
    try {
      stream = session.request({
        ...exchange.headers,
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        'grpc-timeout': `${leftMs}m`,
      })
    } catch (reason) {
      const isGone = session.destroyed || session.closed
      if (isGone) throw new UpstreamError('unavailable', `${this.url} closed the connection`, neverRan(reason))
      throw new InferenceError('invalid_argument', messageOf(reason), { cause: reason })
    }
    if (request.byteLength <= joinedBytes) stream.end(Buffer.concat([prefixOf(request), request]))
    else {
      stream.cork()
      stream.write(prefixOf(request))
      stream.end(request)
      stream.uncork()
    }
    return stream
  }

  /** A connection that says nothing during a whole call may be dead: the next call opens another. */
  #giveUp(session: ClientHttp2Session, startedAt: number): void {
    if (this.#heardAt < startedAt && performance.now() - startedAt > silenceMs) this.#session.drop(session)
  }

  /** Undefined where the call worked. */
  #errorOf(
    { rstCode }: ClientHttp2Stream,
    heads: readonly IncomingHttpHeaders[],
    failure: unknown,
    signal: AbortSignal,
  ): InferenceError | undefined {
    if (signal.aborted) return InferenceError.from(signal.reason)
    if (failure instanceof InferenceError) return failure
    const [head] = heads
    const last = heads.at(-1)
    if (last?.['grpc-status'] !== undefined) {
      const error = errorIn(last, this.url)
      return error === undefined ? undefined : answered(error)
    }
    if (rstCode === constants.NGHTTP2_REFUSED_STREAM) {
      return new UpstreamError('unavailable', `${this.url} refused the call`, neverRan(failure))
    }
    const status = String(head?.[':status'] ?? '')
    if (status !== '' && status !== '200') return senseless(this.url, `HTTP status ${status}, it may speak no gRPC`)
    const why = failure instanceof Error ? failure.message : 'the call ended without a gRPC status'
    return brokenOff(this.url, why, failure)
  }
}

/** Up to here a copy costs less than a second write. */
const joinedBytes = 16_384

/** Shorter calls tell nothing of the connection. */
const silenceMs = 1_000

function neverRan(cause: unknown) {
  return { mayHaveRun: false, isFault: true, cause }
}

function headersOf(heads: readonly IncomingHttpHeaders[]): Headers {
  const headers: Record<string, string> = {}
  for (const head of heads) {
    for (const name in head) {
      const value = name.startsWith(':') || name.startsWith('grpc-') ? undefined : textOf(head[name])
      if (value !== undefined) headers[name] = value
    }
  }
  return headers
}
