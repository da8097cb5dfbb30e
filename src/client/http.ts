/** One HTTP exchange over kept-alive connections. */
import { Agent, request as requestHttp, type ClientRequest, type IncomingMessage } from 'node:http'
import { Agent as TlsAgent, request as requestHttps } from 'node:https'
import { errorOf, type HttpAnswer } from '../codec/http-status.ts'
import { InferenceError, messageOf } from '../core/errors.ts'
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
  exchange(call: HttpCall, context: CallContext): Promise<HttpAnswer>
  /** The answer as it comes; a whole reply where the status is not 200. @throws as `exchange` does */
  stream(call: HttpCall, context: CallContext): Promise<HttpStream | HttpAnswer>
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
  const whole = async (call: HttpCall, { reply, chunks }: Begun): Promise<HttpAnswer> => {
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

/**
 * The JSON of a reply.
 *
 * @throws InferenceError the error that the reply stands for, or `internal` where its body is no JSON
 */
export function jsonOf(reply: HttpAnswer): unknown {
  if (reply.status < 200 || reply.status > 299) throw errorOf(reply)
  try {
    return JSON.parse(reply.body.toString('utf8'))
  } catch (reason) {
    const start = reply.body.subarray(0, 60).toString('utf8')
    throw new InferenceError('internal', `${reply.label} answered no JSON but '${start}': is it a model server?`, {
      cause: reason,
    })
  }
}
