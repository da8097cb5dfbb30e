/** One kept HTTP/2 connection to an upstream, opened when it is needed and again when it was lost. */
import { connect, constants, type ClientHttp2Session } from 'node:http2'
import type { SecureContext } from 'node:tls'
import { messageOf } from '../../src/runtime/index.ts'
import { unreachable } from './errors.ts'

/** Room for messages on the way: with the 64 KiB of the standard, a tensor of 600 KB waits ten times. */
const windowBytes = 8 * 1024 * 1024

export interface SessionOptions {
  /** `grpc://host:port` or `grpcs://…`. */
  readonly url: string
  readonly tls?: SecureContext | undefined
  readonly connectTimeoutMs: number
}

export class GrpcSession {
  readonly #options: SessionOptions
  #opened: Promise<ClientHttp2Session> | undefined
  /** The same once it is there: most calls need not wait a turn for it. */
  #session: ClientHttp2Session | undefined

  constructor(options: SessionOptions) {
    this.#options = options
  }

  /** The connection that takes calls now, where there is one. */
  get current(): ClientHttp2Session | undefined {
    return this.#session
  }

  /** @throws UpstreamError where nobody answers; nothing was sent then */
  open(): Promise<ClientHttp2Session> {
    if (this.#opened !== undefined) return this.#opened
    const opened = this.#connect()
    this.#opened = opened
    opened.catch(() => {
      if (this.#opened === opened) this.#opened = undefined // the next call tries again
    })
    return opened
  }

  /** Gives a connection up that nothing is heard from any more. */
  drop(session: ClientHttp2Session): void {
    this.#forget(session)
    session.destroy()
  }

  close(): void {
    const opened = this.#opened
    this.#opened = undefined
    this.#session = undefined
    opened?.then(
      (session) => session.destroy(),
      () => undefined, // nothing was opened
    )
  }

  #connect(): Promise<ClientHttp2Session> {
    const { url, tls, connectTimeoutMs } = this.#options
    const isTls = url.startsWith('grpcs:')
    const address = url.replace(/^grpcs?:/, isTls ? 'https:' : 'http:')
    return new Promise((resolve, reject) => {
      const session = connect(address, {
        settings: { initialWindowSize: windowBytes, enablePush: false },
        // Node ends calls where more than 10 MB are under way on a connection; the number of calls is bounded elsewhere.
        maxSessionMemory: Number.MAX_SAFE_INTEGER,
        ...(tls === undefined ? {} : { secureContext: tls }),
      })
      const fail = (reason: Error): void => {
        clearTimeout(timer)
        session.destroy()
        reject(unreachable(url, whyOf(reason), reason))
      }
      const timer = setTimeout(() => fail(new Error(`no connection within ${connectTimeoutMs} ms`)), connectTimeoutMs)
      session.once('connect', () => {
        clearTimeout(timer)
        session.setLocalWindowSize(windowBytes)
        this.#session = session
        resolve(session)
      })
      session.on('error', fail)
      session.once('close', () => {
        this.#forget(session)
        fail(new Error('the connection was closed'))
      })
      session.once('goaway', (code: number) => {
        // Calls under way may end; the next one gets a new connection.
        this.#forget(session)
        if (code === constants.NGHTTP2_NO_ERROR) session.close()
      })
    })
  }

  #forget(session: ClientHttp2Session): void {
    if (this.#session !== session) return
    this.#session = undefined
    this.#opened = undefined
  }
}

const texts: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was reset',
  ENOTFOUND: 'no such host',
}

function whyOf(reason: Error): string {
  const code = 'code' in reason && typeof reason.code === 'string' ? reason.code : ''
  // An error over several addresses (localhost as IPv6 and IPv4) has no text of its own.
  return texts[code] ?? (messageOf(reason) || code || 'the connection failed')
}
