/** gRPC to one upstream: plain bytes over one HTTP/2 connection; the end of the signal cancels the call. */
import type { SecureContext } from 'node:tls'
import { framed } from './grpc-frames.ts'
import { metadataFields } from './grpc-metadata.ts'
import { GrpcSession } from './grpc-session.ts'
import { streamed } from './grpc-streaming.ts'
import { UnaryCall } from './grpc-unary.ts'
import type { CallRequest } from './http2/call.ts'
import type { Http2Connection } from './http2/connection.ts'
import type { Field } from './http2/hpack-static.ts'
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

/** Connections that one call is given where each goes away before the call has begun. */
const mostConnections = 3
/** Shorter calls tell nothing of the connection. */
const silenceMs = 1_000

/**
 * Own code instead of grpc-js and `node:http2`: a small call costs a third of what it costs through `node:http2`, which costs a third of
 * grpc-js. Messages pass unseen.
 */
export class GrpcUpstream {
  readonly url: string
  readonly #session: GrpcSession
  readonly #maxBytes: number
  /** By path: the same array for each call of a method. */
  readonly #fixed = new Map<string, readonly Field[]>()

  constructor({ url, tls, connectTimeoutMs, maxResponseBytes }: GrpcOptions) {
    this.url = url
    this.#maxBytes = maxResponseBytes
    this.#session = new GrpcSession({ url, tls, connectTimeoutMs })
  }

  /** @param path `/package.Service/Method` @throws UpstreamError, or the reason of the signal */
  async call(path: string, request: Uint8Array, exchange: Exchange): Promise<GrpcAnswer> {
    for (let connections = 1; ; connections += 1) {
      refuseOver(exchange)
      const connection = this.#session.current ?? (await this.#session.open())
      refuseOver(exchange)
      const call = new UnaryCall(this.url, path, this.#maxBytes, exchange)
      const startedAt = performance.now()
      try {
        return await call.run(connection, this.#requestOf(path, request, exchange))
      } catch (reason) {
        if (hasEnded(exchange)) this.#giveUp(connection, startedAt)
        if (!call.mayMove || connections === mostConnections) throw reason
      }
    }
  }

  /** Sends one request and ends its side. @param headers instead of the exchange's @throws as {@link call} does */
  async *stream(
    path: string,
    request: Uint8Array,
    exchange: Exchange,
    headers: Headers = exchange.headers,
  ): AsyncGenerator<GrpcAnswer, void> {
    refuseOver(exchange)
    const connection = this.#session.current ?? (await this.#session.open())
    refuseOver(exchange)
    const asked = { request: this.#requestOf(path, request, exchange, headers), exchange }
    yield* streamed(connection, asked, { url: this.url, path, maxBytes: this.#maxBytes })
  }

  close(): void {
    this.#session.close()
  }

  #requestOf(path: string, request: Uint8Array, { deadline, headers: usual }: Exchange, headers = usual): CallRequest {
    let fixed = this.#fixed.get(path)
    if (fixed === undefined) {
      fixed = fieldsOf(this.url, path)
      this.#fixed.set(path, fixed)
    }
    return { fixed, more: metadataFields(deadline, headers), body: framed(request) }
  }

  /** A connection that says nothing during a whole call may be dead: the next call opens another. */
  #giveUp(connection: Http2Connection, startedAt: number): void {
    if (connection.heardAt < startedAt && performance.now() - startedAt > silenceMs) this.#session.retire(connection)
  }
}

function hasEnded({ over }: Exchange): boolean {
  return over !== undefined
}

function refuseOver({ over }: Exchange): void {
  if (over !== undefined) throw over
}

function fieldsOf(url: string, path: string): readonly Field[] {
  return [
    [':method', 'POST'],
    [':scheme', url.startsWith('grpcs:') ? 'https' : 'http'],
    [':authority', url.replace(/^grpcs?:\/\//, '')],
    [':path', path],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ]
}
