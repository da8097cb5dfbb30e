/** One HTTP exchange over kept-alive connections, and the one table from HTTP statuses back to error codes. */
import {
  Agent,
  request as requestHttp,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
} from 'node:http'
import { Agent as TlsAgent, request as requestHttps } from 'node:https'
import { InferenceError, messageOf, type ErrorCode } from '../core/errors.ts'
import { secureOptions, type ClientTls } from './tls.ts'
import type { CallContext } from './transport.ts'

export interface HttpCall {
  readonly method: 'GET' | 'POST'
  /** Below the base URL, encoded: `/v2/models/iris/infer`. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  /** Parts that are written one after the other. */
  readonly body?: readonly Uint8Array[]
}

export interface HttpReply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  /** How errors name the call: `POST http://localhost:8080/v2/models/iris/infer`. */
  readonly label: string
}

/** A reply whose body is still coming. */
export interface HttpStream {
  readonly contentType: string
  /** Ends with `unavailable` where the connection is cut, or with the reason of the signal. Ending it closes the connection. */
  readonly chunks: AsyncIterable<Uint8Array>
}

/** A server at one base URL. */
export interface HttpServer {
  /** Without a slash at the end. */
  readonly url: string
  /** @throws InferenceError `unavailable` where nobody answers, or the reason of the signal */
  exchange(call: HttpCall, context: CallContext): Promise<HttpReply>
  /** The answer as it comes; a whole reply where the status is not 200. @throws as `exchange` does */
  stream(call: HttpCall, context: CallContext): Promise<HttpStream | HttpReply>
  close(): void
}

/**
 * @param text `localhost:8080`, `http://host/prefix`, `https://…`
 * @throws InferenceError `invalid_argument`
 */
export function baseUrl(text: string): string {
  const url = /^[a-z][a-z+.-]*:\/\//i.test(text) ? text : `http://${text}`
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || parsed.hostname === '') {
    throw new InferenceError(
      'invalid_argument',
      `'${text}' is no address of a server, expected host:port or http://host:port`,
    )
  }
  return `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, '')
}

/** @param tls what https uses beside the system's own authorities */
export function openHttp(url: string, tls: ClientTls = {}): HttpServer {
  const isTls = url.startsWith('https:')
  const agent = isTls ? new TlsAgent({ keepAlive: true, ...secureOptions(tls) }) : new Agent({ keepAlive: true })
  const request = isTls ? requestHttps : requestHttp
  const start = ({ method, path, headers, body = [] }: HttpCall, context: CallContext): ClientRequest => {
    const length = body.reduce((sum, part) => sum + part.byteLength, 0)
    const own = method === 'POST' ? { 'content-length': String(length) } : {}
    return startRequest(() =>
      request(`${url}${path}`, { method, agent, headers: { ...context.headers, ...headers, ...own } }),
    )
  }
  const begin = async (call: HttpCall, context: CallContext): Promise<Begun> => {
    const attempt = () => replyTo(start(call, context), call.body ?? [], context.signal, url)
    const begun = (await attempt()) ?? (await attempt())
    if (begun === undefined) throw unreachable(url, new Error('the server closes every connection'))
    return begun
  }
  const whole = async (call: HttpCall, { reply, chunks }: Begun): Promise<HttpReply> => {
    const parts: Uint8Array[] = []
    for await (const chunk of chunks) parts.push(chunk)
    const { statusCode: status = 0, headers } = reply
    return { status, headers, body: Buffer.concat(parts), label: `${call.method} ${url}${call.path}` }
  }
  return {
    url,
    close: () => agent.destroy(),
    exchange: async (call, context) => whole(call, await begin(call, context)),
    stream: async (call, context) => {
      const begun = await begin(call, context)
      const { statusCode, headers } = begun.reply
      if (statusCode !== 200) return whole(call, begun)
      return { contentType: headers['content-type'] ?? '', chunks: begun.chunks }
    },
  }
}

/** A reply whose headers are there. */
interface Begun {
  readonly reply: IncomingMessage
  readonly chunks: AsyncIterable<Uint8Array>
}

/** @throws InferenceError `invalid_argument` for headers that HTTP cannot carry */
function startRequest(start: () => ClientRequest): ClientRequest {
  try {
    return start()
  } catch (reason) {
    throw new InferenceError('invalid_argument', messageOf(reason), { cause: reason })
  }
}

/**
 * Writes the body and awaits the head of the answer.
 *
 * @returns undefined where the server closed a kept connection at the very moment it was used: it has not seen the call
 */
function replyTo(
  outgoing: ClientRequest,
  body: readonly Uint8Array[],
  signal: AbortSignal,
  url: string,
): Promise<Begun | undefined> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      reject(InferenceError.from(signal.reason))
      outgoing.destroy()
    }
    outgoing.on('error', (reason: Error) => {
      signal.removeEventListener('abort', abort)
      if (outgoing.reusedSocket && codeOf(reason) === 'ECONNRESET') resolve(undefined)
      else reject(unreachable(url, reason))
    })
    outgoing.once('response', (reply) => {
      const settle = () => signal.removeEventListener('abort', abort)
      reply.once('close', settle).once('error', settle)
      resolve({ reply, chunks: chunksOf(reply, signal, url) })
    })
    if (signal.aborted) return abort()
    signal.addEventListener('abort', abort, { once: true })
    for (const part of body) outgoing.write(part)
    outgoing.end()
  })
}

async function* chunksOf(reply: IncomingMessage, signal: AbortSignal, url: string): AsyncGenerator<Uint8Array, void> {
  try {
    for await (const chunk of reply) yield chunk as Uint8Array // a stream without an encoding gives bytes
  } catch (reason) {
    if (signal.aborted) throw InferenceError.from(signal.reason)
    throw unreachable(url, reason instanceof Error ? reason : new Error(messageOf(reason)))
  }
}

function codeOf(reason: Error): string | undefined {
  return 'code' in reason && typeof reason.code === 'string' ? reason.code : undefined
}

function unreachable(url: string, reason: Error): InferenceError {
  const texts: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'connection refused',
    ECONNRESET: 'the connection was closed before the answer was complete',
    ENOTFOUND: 'no such host',
    EAI_AGAIN: 'the name of the host cannot be looked up now',
    ETIMEDOUT: 'the connection timed out',
  }
  // An error over several addresses (localhost as IPv6 and IPv4) has no text of its own.
  const text = texts[codeOf(reason) ?? ''] ?? (messageOf(reason) || (codeOf(reason) ?? 'connection failed'))
  return new InferenceError('unavailable', `cannot reach ${url}: ${text}`, { cause: reason })
}

/** As TF Serving, Triton, KServe, MLServer (422 for a wrong body) and proxies before them use the statuses. */
const codes: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  405: 'unimplemented',
  408: 'deadline_exceeded',
  409: 'failed_precondition',
  412: 'failed_precondition',
  413: 'resource_exhausted',
  422: 'invalid_argument',
  429: 'resource_exhausted',
  499: 'cancelled',
  500: 'internal',
  501: 'unimplemented',
  502: 'unavailable',
  503: 'unavailable',
  504: 'deadline_exceeded',
}

/** The error that a reply stands for, in the server's own words. */
export function errorOf(reply: HttpReply): InferenceError {
  const code = codes[reply.status] ?? (reply.status >= 400 && reply.status < 500 ? 'invalid_argument' : 'internal')
  const retryAfterMs = parseRetryAfter(reply.headers['retry-after'])
  const text = errorText(reply)
  return new InferenceError(code, text, retryAfterMs === undefined ? {} : { retryAfterMs })
}

function errorText(reply: HttpReply): string {
  const plain = reply.body.subarray(0, 2_000).toString('utf8').trim()
  const fallback = `${reply.label} answered ${reply.status}${plain === '' ? '' : `: ${plain.slice(0, 200)}`}`
  if (reply.status >= 300 && reply.status < 400 && reply.headers.location !== undefined) {
    return `${reply.label} answered ${reply.status}, a redirect to ${reply.headers.location}: use that address`
  }
  try {
    return textIn(JSON.parse(reply.body.toString('utf8'))) ?? fallback
  } catch {
    return fallback // a proxy's page, or nothing
  }
}

/** `{"error": "…"}` of every server here; `{"detail": "…" | [{loc, msg}]}` of FastAPI under KServe and MLServer. */
function textIn(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined
  if ('error' in answer && typeof answer.error === 'string' && answer.error !== '') return answer.error
  if (!('detail' in answer)) return undefined
  if (typeof answer.detail === 'string') return answer.detail
  if (!Array.isArray(answer.detail)) return undefined
  const items: readonly unknown[] = answer.detail
  const texts = items.map((item) => {
    if (typeof item !== 'object' || item === null || !('msg' in item)) return ''
    const where = 'loc' in item && Array.isArray(item.loc) ? `${item.loc.join('.')}: ` : ''
    return `${where}${String(item.msg)}`
  })
  return texts.filter((text) => text !== '').join('; ') || undefined
}

/** Seconds or a date (RFC 9110, 10.2.3), as milliseconds from now. */
function parseRetryAfter(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d+(\.\d+)?$/.test(text.trim())) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}
