/** HTTP to one upstream over kept connections; the end of the signal closes the connection. Redirects are not followed. */
import { Agent, request as requestHttp, type ClientRequest, type IncomingMessage } from 'node:http'
import { Agent as TlsAgent, request as requestHttps } from 'node:https'
import type { SecureContext } from 'node:tls'
import { errorOfHttp, type HttpAnswer } from '../../src/codec/index.ts'
import { InferenceError, messageOf } from '../../src/runtime/index.ts'
import { answered, brokenOff, senseless, unreachable } from './errors.ts'
import type { HttpExchange } from './wire.ts'

/** Servers close idle connections after 5 s or more (Node, uvicorn): whoever closes first sends no request into the closing. */
const idleMs = 4_000

export interface HttpCall {
  readonly method: 'GET' | 'POST'
  /** Below the base URL, encoded. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Parts that are written one after the other. */
  readonly body?: readonly Uint8Array[]
  /**
   * On a connection of its own: a server may close a kept one just when it is used again, and a request that may have run is not
   * sent again.
   */
  readonly isAlone?: boolean
  /** Most bytes of the answer; those of the options where absent. */
  readonly maxBytes?: number
}

export interface HttpOptions {
  /** Without a slash at the end. */
  readonly url: string
  readonly tls?: SecureContext | undefined
  readonly connectTimeoutMs: number
  readonly maxResponseBytes: number
}

export class HttpUpstream {
  readonly url: string
  readonly #options: HttpOptions
  readonly #agent: Agent
  /** Keeps no connections. */
  readonly #fresh: Agent
  readonly #request: typeof requestHttp

  constructor(options: HttpOptions) {
    this.#options = options
    this.url = options.url
    const isTls = options.url.startsWith('https:')
    const kept = { keepAlive: true, timeout: idleMs }
    const secure = options.tls === undefined ? {} : { secureContext: options.tls }
    this.#agent = isTls ? new TlsAgent({ ...kept, ...secure }) : new Agent(kept)
    this.#fresh = isTls ? new TlsAgent(secure) : new Agent()
    this.#request = isTls ? requestHttps : requestHttp
  }

  /** @throws UpstreamError for a status that is none of success, in the upstream's words; as {@link open} does */
  async exchange(call: HttpCall, exchange: HttpExchange): Promise<HttpAnswer> {
    const reply = await this.reply(call, exchange)
    if (reply.status >= 200 && reply.status < 300) return reply
    if (reply.status < 400) throw senseless(reply.label, errorOfHttp(reply).message)
    throw errorOf(reply)
  }

  /** A whole answer of any status. @throws UpstreamError, or the reason of the signal */
  async reply(call: HttpCall, exchange: HttpExchange): Promise<HttpAnswer> {
    const incoming = await this.open(call, exchange)
    const label = `${call.method} ${this.url}${call.path}`
    const parts: Uint8Array[] = []
    let length = 0
    const most = call.maxBytes ?? this.#options.maxResponseBytes
    try {
      for await (const chunk of incoming) {
        const bytes = chunk as Uint8Array // a stream without an encoding gives bytes
        length += bytes.byteLength
        if (length > most) {
          throw senseless(label, `it has more than the ${most} bytes of max_response_bytes`)
        }
        parts.push(bytes)
      }
    } catch (reason) {
      if (exchange.signal.aborted) throw InferenceError.from(exchange.signal.reason)
      throw reason instanceof InferenceError ? reason : brokenOff(this.url, messageOf(reason), reason)
    }
    const body = parts.length === 1 ? Buffer.from(parts[0] ?? []) : Buffer.concat(parts, length)
    return { status: incoming.statusCode ?? 0, headers: incoming.headers, body, label }
  }

  /**
   * The head of an answer, its body still coming.
   *
   * @throws UpstreamError where nobody answers, or the reason of the signal
   */
  open(
    { method, path, headers, body = [], isAlone = false }: HttpCall,
    exchange: HttpExchange,
  ): Promise<IncomingMessage> {
    const length = body.reduce((sum, part) => sum + part.byteLength, 0)
    const own = method === 'POST' ? { 'content-length': String(length) } : {}
    let outgoing: ClientRequest
    try {
      const all = { ...exchange.headers, ...headers, ...own }
      outgoing = this.#request(`${this.url}${path}`, {
        method,
        agent: isAlone ? this.#fresh : this.#agent,
        headers: all,
      })
    } catch (reason) {
      return Promise.reject(new InferenceError('invalid_argument', messageOf(reason), { cause: reason }))
    }
    return this.#head(outgoing, body, exchange.signal)
  }

  close(): void {
    this.#agent.destroy()
    this.#fresh.destroy()
  }

  #head(outgoing: ClientRequest, body: readonly Uint8Array[], signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      let isConnected = false
      const connecting = this.#limitConnecting(outgoing, () => (isConnected = true))
      const abort = (): void => {
        reject(InferenceError.from(signal.reason))
        outgoing.destroy()
      }
      const settle = (): void => {
        clearTimeout(connecting)
        signal.removeEventListener('abort', abort)
      }
      outgoing.once('close', settle)
      outgoing.on('error', (reason: Error) => {
        clearTimeout(connecting)
        const why = whyOf(reason)
        reject(isConnected ? brokenOff(this.url, why, reason) : unreachable(this.url, why, reason))
      })
      outgoing.once('response', resolve)
      if (signal.aborted) return abort()
      signal.addEventListener('abort', abort, { once: true })
      for (const part of body) outgoing.write(part)
      outgoing.end()
    })
  }

  /** @param connected called before the first byte is sent */
  #limitConnecting(outgoing: ClientRequest, connected: () => void): NodeJS.Timeout {
    const { connectTimeoutMs } = this.#options
    const timer = setTimeout(() => {
      outgoing.destroy(new Error(`no connection within ${connectTimeoutMs} ms`))
    }, connectTimeoutMs)
    outgoing.once('socket', (socket) => {
      const ready = (): void => {
        clearTimeout(timer)
        connected()
      }
      if (outgoing.reusedSocket) ready()
      else socket.once(this.url.startsWith('https:') ? 'secureConnect' : 'connect', ready)
    })
    return timer
  }
}

/** The error that an answer stands for; a gateway's own are told as a gateway's. */
function errorOf(reply: HttpAnswer): InferenceError {
  const error = errorOfHttp(reply)
  const { code, message, retryAfterMs } = error
  const isForeign = reply.status === 502
  return answered(
    isForeign || (reply.status === 503 && retryAfterMs === undefined)
      ? new InferenceError(code, message, { isForeign })
      : error,
  )
}

const texts: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was reset',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the name of the host cannot be looked up now',
  ETIMEDOUT: 'the connection timed out',
}

function whyOf(reason: Error): string {
  const code = 'code' in reason && typeof reason.code === 'string' ? reason.code : ''
  // An error over several addresses (localhost as IPv6 and IPv4) has no text of its own.
  return texts[code] ?? (reason.message || code || 'the connection failed')
}
