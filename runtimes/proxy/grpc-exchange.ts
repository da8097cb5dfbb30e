/** gRPC to one upstream: plain bytes over one channel; the end of the signal cancels the call. */
import type * as GrpcJs from '@grpc/grpc-js'
import type { CallOptions, ChannelCredentials, Client, ClientDuplexStream, Metadata } from '@grpc/grpc-js'
import type { SecureContext } from 'node:tls'
import { errorOfGrpc } from '../../src/codec/index.ts'
import { InferenceError, messageOf } from '../../src/runtime/index.ts'
import { answered, brokenOff, senseless, unreachable } from './errors.ts'
import type { Exchange, Headers } from './wire.ts'

export interface GrpcOptions {
  /** `grpc://host:port` or `grpcs://…`. */
  readonly url: string
  readonly tls?: SecureContext | undefined
  readonly maxResponseBytes: number
}

export interface GrpcAnswer {
  readonly message: Buffer
  /** Metadata before and after the message. */
  readonly headers: Headers
}

const asIs = (bytes: Buffer): Buffer => bytes

/** A channel tries again so soon after a failed connection, and no later than the second. */
const [firstReconnectMs, lastReconnectMs] = [100, 2_000]

/** Texts of grpc-js for calls that never left. */
const neverSent = /^(No connection established|Name resolution failed|Failed to (start|create)|Channel closed)/

export class GrpcUpstream {
  readonly url: string
  readonly #grpc: typeof GrpcJs
  readonly #client: Client

  constructor(grpc: typeof GrpcJs, { url, tls, maxResponseBytes }: GrpcOptions) {
    this.url = url
    this.#grpc = grpc
    this.#client = new grpc.Client(url.replace(/^grpcs?:\/\//, ''), credentialsOf(grpc, url, tls), {
      'grpc.max_receive_message_length': maxResponseBytes,
      'grpc.max_send_message_length': -1,
      'grpc.use_local_subchannel_pool': 1, // `close` then closes this upstream's connection
      'grpc.initial_reconnect_backoff_ms': firstReconnectMs,
      'grpc.max_reconnect_backoff_ms': lastReconnectMs,
      'grpc.enable_channelz': 0,
    })
  }

  /** @param path `/package.Service/Method` @throws UpstreamError, or the reason of the signal */
  call(path: string, request: Uint8Array, { signal, deadline, headers }: Exchange): Promise<GrpcAnswer> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(InferenceError.from(signal.reason))
      const [metadata, options] = this.#beside(headers, deadline)
      let received: Headers = {}
      const call = this.#client.makeUnaryRequest(
        path,
        asIs,
        asIs,
        asBuffer(request),
        metadata,
        options,
        (error, message) => {
          signal.removeEventListener('abort', cancel)
          if (message !== undefined && error === null) resolve({ message, headers: received })
          else reject(this.#errorOf(error, signal))
        },
      )
      const cancel = (): void => call.cancel()
      signal.addEventListener('abort', cancel, { once: true })
      call.on('metadata', (initial: Metadata) => (received = headersOf(initial)))
    })
  }

  /** Sends one request and ends its side. @throws as {@link call} does */
  async *stream(path: string, request: Uint8Array, exchange: Exchange): AsyncGenerator<GrpcAnswer, void> {
    const { signal, deadline, headers } = exchange
    signal.throwIfAborted()
    const [metadata, options] = this.#beside(headers, deadline)
    const call: ClientDuplexStream<Buffer, Buffer> = this.#client.makeBidiStreamRequest(
      path,
      asIs,
      asIs,
      metadata,
      options,
    )
    let received: Headers = {}
    call.on('metadata', (initial: Metadata) => (received = headersOf(initial)))
    call.on('error', () => undefined) // what comes after the iteration has ended is of no interest
    const cancel = (): void => call.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      call.end(asBuffer(request))
      for await (const message of call) yield { message: message as Buffer, headers: received } // asIs gives Buffers
    } catch (reason) {
      throw this.#errorOf(reason, signal)
    } finally {
      signal.removeEventListener('abort', cancel)
      call.cancel()
    }
  }

  close(): void {
    this.#client.close()
  }

  #beside(headers: Headers, deadline: number): [Metadata, CallOptions] {
    const metadata = new this.#grpc.Metadata()
    for (const [name, value] of Object.entries(headers)) {
      try {
        metadata.set(name, name.endsWith('-bin') ? Buffer.from(value, 'base64') : value)
      } catch (reason) {
        throw new InferenceError('invalid_argument', `header '${name}': ${messageOf(reason)}`, { cause: reason })
      }
    }
    return [metadata, Number.isFinite(deadline) ? { deadline } : {}]
  }

  #errorOf(reason: unknown, signal: AbortSignal): InferenceError {
    if (signal.aborted) return InferenceError.from(signal.reason)
    if (reason instanceof InferenceError) return reason
    const error = errorOfGrpc(reason, this.url)
    const { UNAVAILABLE, INTERNAL, RESOURCE_EXHAUSTED } = this.#grpc.status
    const { code, details = '' } = statusIn(reason)
    if (code === UNAVAILABLE && neverSent.test(details)) return unreachable(this.url, whyOf(error.message), reason)
    if (code === UNAVAILABLE && error.retryAfterMs === undefined && /dropped|ECONN|socket|GOAWAY/i.test(details)) {
      return brokenOff(this.url, details, reason)
    }
    if (code === INTERNAL && /RST_STREAM|HTTP\/2|Received HTTP status|bad response|Protocol error/i.test(details)) {
      return brokenOff(this.url, details, reason)
    }
    if (code === RESOURCE_EXHAUSTED && /larger than max|message length/i.test(details))
      return senseless(this.url, details)
    return answered(error)
  }
}

function statusIn(reason: unknown): { readonly code?: unknown; readonly details?: string } {
  if (!(reason instanceof Error) || !('code' in reason)) return {}
  return { code: reason.code, details: 'details' in reason && typeof reason.details === 'string' ? reason.details : '' }
}

/** The table says where and why; the address is told by who calls. */
function whyOf(message: string): string {
  return message.replace(/^cannot reach \S+: /, '')
}

function headersOf(metadata: Metadata): Headers {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(metadata.getMap())) if (typeof value === 'string') headers[name] = value
  return headers
}

function credentialsOf(grpc: typeof GrpcJs, url: string, tls: SecureContext | undefined): ChannelCredentials {
  if (!url.startsWith('grpcs:')) return grpc.credentials.createInsecure()
  return tls === undefined ? grpc.credentials.createSsl() : grpc.credentials.createFromSecureContext(tls)
}

/** grpc-js wants a Buffer; a view costs nothing. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
