/** HTTP requests that are handed on as they came, over kept connections. */
import { Agent, request as requestHttp, type IncomingMessage } from 'node:http'
import { Agent as TlsAgent, request as requestHttps } from 'node:https'
import { InferenceError, messageOf } from '../../core/errors.ts'

/** Less than the 5 s after which Node's and uvicorn's servers close theirs. */
const idleMs = 4000
const keptPerService = 256
const retryAfterMs = 1000

/** Of the connection, not of the request; the body came inflated, and its length is told anew. */
const notHandedOn: ReadonlySet<string> = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

export interface Forwarded {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  readonly signal: AbortSignal
}

export interface ForwardReply {
  readonly status: number
  /** Names in lower case, without those of the connection. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export class Forwarder {
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: keptPerService, timeout: idleMs, scheduling: 'lifo' })
  readonly #tlsAgent = new TlsAgent({ keepAlive: true, maxFreeSockets: keptPerService, timeout: idleMs })
  readonly #maxBytes: number

  /** @param maxBytes of one answer */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * Posts a body.
   *
   * @param what names the service in messages
   * @returns whatever is answered
   * @throws InferenceError `unavailable` where there is no answer; the reason of the signal where that fires
   */
  post(url: URL, { headers, body, signal }: Forwarded, what: string): Promise<ForwardReply> {
    return new Promise((resolve, reject) => {
      const isTls = url.protocol === 'https:'
      const request = (isTls ? requestHttps : requestHttp)(url, {
        method: 'POST',
        agent: isTls ? this.#tlsAgent : this.#agent,
        headers: { ...handedOn(headers), 'content-length': String(body.byteLength) },
      })
      const onAbort = (): void => void request.destroy(new Error('the call was cancelled'))
      const settle = (): void => signal.removeEventListener('abort', onAbort)
      const fail = (reason: unknown): void => {
        settle()
        request.destroy()
        reject(signal.aborted ? InferenceError.from(signal.reason) : failure(what, reason))
      }
      request.on('error', fail)
      request.on('response', (response) => {
        this.#collect(response).then((reply) => {
          settle()
          resolve(reply)
        }, fail)
      })
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) onAbort()
      else request.end(body)
    })
  }

  /** Closes the kept connections. */
  close(): void {
    this.#agent.destroy()
    this.#tlsAgent.destroy()
  }

  async #collect(response: IncomingMessage): Promise<ForwardReply> {
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of response) {
      const bytes = chunk as Uint8Array // no encoding is set
      length += bytes.byteLength
      if (length > this.#maxBytes)
        throw new Error(`its answer is larger than ${this.#maxBytes} bytes (max-request-bytes)`)
      chunks.push(bytes)
    }
    const given = Object.entries(response.headers).map(([name, value = '']): [string, string] => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ])
    return {
      status: response.statusCode ?? 502,
      headers: handedOn(Object.fromEntries(given)),
      body: Buffer.concat(chunks, length),
    }
  }
}

function handedOn(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !notHandedOn.has(name)))
}

function failure(what: string, reason: unknown): InferenceError {
  return new InferenceError('unavailable', `${what} gives no answer: ${messageOf(reason)}`, {
    cause: reason,
    retryAfterMs,
  })
}
