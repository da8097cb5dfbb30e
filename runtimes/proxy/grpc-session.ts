/** One kept HTTP/2 connection to an upstream, opened when it is needed and again when it was lost. */
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls'
import { messageOf } from '../../src/runtime/index.ts'
import { unreachable } from './errors.ts'
import { Http2Connection } from './http2/connection.ts'

export interface SessionOptions {
  /** `grpc://host:port` or `grpcs://…`. */
  readonly url: string
  readonly tls?: SecureContext | undefined
  readonly connectTimeoutMs: number
}

export class GrpcSession {
  readonly #options: SessionOptions
  #opened: Promise<Http2Connection> | undefined
  /** The same once it is there: most calls need not wait a turn for it. */
  #connection: Http2Connection | undefined
  #isClosed = false

  constructor(options: SessionOptions) {
    this.#options = options
  }

  /** The connection that takes calls now, where there is one. */
  get current(): Http2Connection | undefined {
    return this.#connection
  }

  /** @throws UpstreamError where nobody answers; nothing was sent then */
  open(): Promise<Http2Connection> {
    if (this.#opened !== undefined) return this.#opened
    const opened = this.#connect()
    this.#opened = opened
    opened.catch(() => {
      if (this.#opened === opened) this.#opened = undefined // the next call tries again
    })
    return opened
  }

  /** Gives a connection up that nothing is heard from any more: new calls get another. */
  retire(connection: Http2Connection): void {
    connection.retire('nothing was heard any more')
  }

  close(): void {
    this.#isClosed = true
    const opened = this.#opened
    this.#opened = undefined
    this.#connection = undefined
    opened?.then(
      (connection) => connection.close(),
      () => undefined, // nothing was opened
    )
  }

  /** Ready once the peer has said what it takes: a port that accepts and says nothing is no upstream. */
  #connect(): Promise<Http2Connection> {
    const { url, tls, connectTimeoutMs } = this.#options
    return new Promise((resolve, reject) => {
      let isReady = false
      const socket = socketTo(url, tls)
      const fail = (reason: Error): void => {
        clearTimeout(timer)
        socket.destroy()
        reject(unreachable(url, whyOf(reason), reason))
      }
      const closed = (): void => fail(new Error('the connection was closed'))
      const timer = setTimeout(() => fail(new Error(`no connection within ${connectTimeoutMs} ms`)), connectTimeoutMs)
      socket.on('error', fail)
      socket.once('close', closed)
      socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
        if (isOther(socket)) return fail(new Error('it speaks TLS, but no HTTP/2 (ALPN h2)'))
        socket.off('error', fail)
        socket.off('close', closed)
        const opening = new Http2Connection(socket, {
          ready: () => {
            clearTimeout(timer)
            isReady = true
            if (this.#isClosed) return opening.close()
            this.#connection = opening
            resolve(opening)
          },
          lost: (why) => {
            this.#forget(opening)
            if (!isReady) fail(new Error(why))
          },
        })
      })
    })
  }

  #forget(connection: Http2Connection): void {
    if (this.#connection !== connection) return
    this.#connection = undefined
    this.#opened = undefined
  }
}

function socketTo(url: string, tls: SecureContext | undefined): Socket | TLSSocket {
  const isTls = url.startsWith('grpcs:')
  const { hostname, port } = new URL(url.replace(/^grpcs?:/, isTls ? 'https:' : 'http:'))
  const host = hostname.replace(/^\[|\]$/g, '')
  const address = { host, port: Number(port || (isTls ? 443 : 80)), noDelay: true }
  if (!isTls) return connect(address)
  const servername = isIP(host) === 0 ? { servername: host } : {}
  return connectTls({
    ...{ ...address, ...servername, ALPNProtocols: ['h2'] },
    ...(tls === undefined ? {} : { secureContext: tls }),
  })
}

function isOther(socket: Socket | TLSSocket): boolean {
  return 'alpnProtocol' in socket && socket.alpnProtocol !== 'h2'
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
