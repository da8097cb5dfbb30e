/** Calls of plain bytes over one gRPC channel; grpc-js is loaded with the first of them. */
import type * as GrpcJs from '@grpc/grpc-js'
import type { CallOptions, Client, ClientDuplexStream, Metadata } from '@grpc/grpc-js'
import { errorOfStatus } from '../codec/grpc-status.ts'
import { InferenceError, messageOf } from '../core/errors.ts'
import { securityOf } from './grpc-credentials.ts'
import type { ClientTls } from './tls.ts'
import type { CallContext } from './transport.ts'

/** A server at one address. Every method throws InferenceError, see {@link errorOfStatus}. */
export interface GrpcConnection {
  /** `grpc://host:port`, as errors name it. */
  readonly url: string
  /** @param path `/package.Service/Method` */
  call(path: string, request: Uint8Array, context: CallContext): Promise<Uint8Array>
  /** Sends one request and ends its side; yields what comes back. Ending the iteration cancels the call. */
  stream(path: string, request: Uint8Array, context: CallContext): AsyncGenerator<Uint8Array, void>
  close(): void
}

export interface GrpcAddress {
  readonly host: string
  readonly isTls: boolean
}

const tlsPort = 443

/**
 * @param text `grpc://host:port`, `grpcs://host`, or `host:port`
 * @throws InferenceError `invalid_argument`
 */
export function grpcAddress(text: string): GrpcAddress {
  const [, scheme = 'grpc', rest = ''] = /^(?:([a-z][a-z+.-]*):\/\/)?(.*?)\/?$/is.exec(text) ?? []
  const isTls = scheme.toLowerCase() === 'grpcs'
  // Parsed as HTTP, because URL reads no ports of schemes that it does not know.
  const parsed = URL.canParse(`https://${rest}`) ? new URL(`https://${rest}`) : undefined
  const hasPort = /:\d+$/.test(rest)
  const isPlain = parsed?.pathname === '/' && parsed.search === '' && parsed.hash === '' && parsed.username === ''
  if (parsed === undefined || !isPlain || !/^grpcs?$/i.test(scheme) || !(hasPort || isTls)) {
    throw new InferenceError(
      'invalid_argument',
      `'${text}' is no address of a gRPC server, expected grpc://host:port or grpcs://host:port`,
    )
  }
  const port = hasPort ? rest.slice(rest.lastIndexOf(':') + 1) : String(tlsPort)
  return { host: `${parsed.hostname}:${port}`, isTls }
}

const asIs = (bytes: Buffer): Buffer => bytes

/** First wait of the channel itself after a failed connection, as the first of the client's retries. */
const reconnectMs = 100

/** @param tls what grpcs uses beside the system's own authorities */
export function openGrpc(address: GrpcAddress, tls: ClientTls = {}): GrpcConnection {
  return new Connection(address, tls)
}

interface Opened {
  readonly grpc: typeof GrpcJs
  readonly client: Client
}

class Connection implements GrpcConnection {
  readonly url: string
  readonly #host: string
  readonly #isTls: boolean
  readonly #tls: ClientTls
  readonly #running = new Set<() => void>()
  #opened: Promise<Opened> | undefined
  #isClosed = false

  constructor({ host, isTls }: GrpcAddress, tls: ClientTls) {
    this.#host = host
    this.#isTls = isTls
    this.#tls = tls
    this.url = `${isTls ? 'grpcs' : 'grpc'}://${host}`
  }

  async call(path: string, request: Uint8Array, context: CallContext): Promise<Uint8Array> {
    const { grpc, client } = await this.#open()
    const [metadata, options] = beside(grpc, context)
    return this.#guarded(context, async (cancelled) => {
      let cancel = (): void => undefined
      const answer = new Promise<Uint8Array>((resolve, reject) => {
        const settle = (error: Error | null, response?: Buffer): void => {
          if (response === undefined) reject(error ?? new Error('neither answer nor status'))
          else resolve(response)
        }
        const call = client.makeUnaryRequest(path, asIs, asIs, asBuffer(request), metadata, options, settle)
        cancel = () => call.cancel()
      })
      cancelled(cancel)
      return answer
    })
  }

  async *stream(path: string, request: Uint8Array, context: CallContext): AsyncGenerator<Uint8Array, void> {
    const { grpc, client } = await this.#open()
    const [metadata, options] = beside(grpc, context)
    const call: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(path, asIs, asIs, metadata, options)
    call.on('error', () => undefined) // what comes after the iteration has ended is of no interest
    const messages: AsyncIterator<Buffer, void> = call[Symbol.asyncIterator]()
    try {
      call.end(asBuffer(request))
      for (;;) {
        const next = await this.#guarded(context, async (cancelled) => {
          cancelled(() => call.cancel())
          return messages.next()
        })
        if (next.done === true) return
        yield next.value
      }
    } finally {
      call.cancel()
    }
  }

  close(): void {
    this.#isClosed = true
    for (const cancel of this.#running) cancel()
    this.#opened?.then(
      ({ client }) => client.close(),
      () => undefined, // nothing was opened
    )
  }

  async #open(): Promise<Opened> {
    if (this.#isClosed) throw this.#closed()
    const opened = await (this.#opened ??= this.#connect())
    if (this.#isClosed) throw this.#closed()
    return opened
  }

  async #connect(): Promise<Opened> {
    const grpc = await import('@grpc/grpc-js').catch((reason: unknown) => {
      const text = `gRPC needs the package @grpc/grpc-js: ${messageOf(reason)}`
      throw new InferenceError('failed_precondition', text, { cause: reason })
    })
    const { credentials, options } = securityOf(grpc, this.#host, this.#isTls, this.#tls)
    const client = new grpc.Client(this.#host, credentials, {
      ...options,
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.use_local_subchannel_pool': 1, // `close` then closes this client's connection
      'grpc.initial_reconnect_backoff_ms': reconnectMs,
      'grpc.enable_channelz': 0,
    })
    return { grpc, client }
  }

  /**
   * Runs a part of a call that ends with the signal and with `close`.
   *
   * @param work hands over how the call is cancelled
   */
  async #guarded<T>(
    { signal, deadline }: CallContext,
    work: (cancelled: (cancel: () => void) => void) => Promise<T>,
  ): Promise<T> {
    let cancel = (): void => undefined
    const abort = (): void => cancel()
    this.#running.add(abort)
    signal.addEventListener('abort', abort, { once: true })
    try {
      signal.throwIfAborted()
      return await work((given) => (cancel = given))
    } catch (reason) {
      if (signal.aborted) throw InferenceError.from(signal.reason)
      if (this.#isClosed) throw this.#closed()
      const error = errorOfStatus(reason, this.url)
      if (error.code !== 'deadline_exceeded' || Date.now() < deadline) throw error
      throw new InferenceError('deadline_exceeded', `no answer from ${this.url} in time`, { cause: reason })
    } finally {
      signal.removeEventListener('abort', abort)
      this.#running.delete(abort)
    }
  }

  #closed(): InferenceError {
    return new InferenceError('unavailable', `the client of ${this.url} is closed`)
  }
}

/** @throws InferenceError `invalid_argument` for headers that metadata cannot carry */
function beside(grpc: typeof GrpcJs, { headers, deadline }: CallContext): [Metadata, CallOptions] {
  const metadata = new grpc.Metadata()
  for (const [name, value] of Object.entries(headers)) {
    try {
      metadata.set(name, name.endsWith('-bin') ? Buffer.from(value, 'base64') : value)
    } catch (reason) {
      throw new InferenceError('invalid_argument', `header '${name}': ${messageOf(reason)}`, { cause: reason })
    }
  }
  return [metadata, Number.isFinite(deadline) ? { deadline } : {}]
}

/** grpc-js wants a Buffer; a view costs nothing. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
