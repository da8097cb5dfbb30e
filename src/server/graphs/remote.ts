/** Calls to services elsewhere: HTTP over kept connections, bodies byte for byte, and nothing left open. */
import { Agent, request as requestHttp } from 'node:http'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { Agent as TlsAgent, request as requestHttps } from 'node:https'
import { traceHeaders } from '../../core/trace-context.ts'
import { Payload } from '../../graph/index.ts'
import type { StepCall, StepReply } from '../../graph/index.ts'

/**
 * How long an unused connection is kept: less than the 5 s after which Node's and uvicorn's servers close theirs, so that no
 * request is sent into a connection that ends. What fails is not sent again: a model may have run.
 */
const idleMs = 4000
/** Unused connections that are kept, for each service. */
const keptPerService = 256
const headerLengthName = 'Inference-Header-Content-Length'
/** Of the caller's body, which patterns may let through: bodies arrive inflated, and a step may get another. */
const describesBody: ReadonlySet<string> = new Set([headerLengthName, 'Content-Encoding'])

export class RemoteServices {
  readonly #agent = new Agent({ keepAlive: true, maxFreeSockets: keptPerService, timeout: idleMs, scheduling: 'lifo' })
  readonly #tlsAgent = new TlsAgent({
    keepAlive: true,
    maxFreeSockets: keptPerService,
    timeout: idleMs,
    scheduling: 'lifo',
  })
  readonly #maxBytes: number

  /** @param maxBytes of one answer */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * Posts the payload of a step.
   *
   * @returns whatever is answered; a redirect is an answer too
   * @throws Error in the words of Go's client where there is no answer; the reason of the signal where that fires, which closes
   *   the connection
   */
  call(url: URL, { payload, headers, signal, origin }: StepCall): Promise<StepReply> {
    return new Promise((resolve, reject) => {
      const body = payload.asBytes()
      const isTls = url.protocol === 'https:'
      const request = (isTls ? requestHttps : requestHttp)(url, {
        method: 'POST',
        agent: isTls ? this.#tlsAgent : this.#agent,
      })
      const onAbort = (): void => {
        request.destroy(signal.reason instanceof Error ? signal.reason : new Error('the call was cancelled'))
      }
      const settle = (): void => signal.removeEventListener('abort', onAbort)
      const fail = (reason: Error): void => {
        settle()
        reject(signal.aborted ? reason : failure(url, reason))
      }
      request.on('error', fail)
      request.on('response', (response) => {
        this.#collect(response, (result) => {
          if (result instanceof Error) {
            request.destroy()
            fail(result)
          } else {
            settle()
            resolve(result)
          }
        })
      })
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) onAbort()
      else {
        try {
          for (const [name, value] of headers) if (!describesBody.has(name)) request.appendHeader(name, value)
          if (origin?.trace !== undefined) for (const pair of traceHeaders(origin.trace)) request.setHeader(...pair)
          send(request, body, payload.headerLength)
        } catch (reason) {
          request.destroy()
          fail(reason instanceof Error ? reason : new Error(String(reason)))
        }
      }
    })
  }

  /** Closes the kept connections. */
  close(): void {
    this.#agent.destroy()
    this.#tlsAgent.destroy()
  }

  /** @param done called with the answer, or with why there is none, which may be told more than once */
  #collect(response: IncomingMessage, done: (result: StepReply | Error) => void): void {
    const chunks: Buffer[] = []
    let length = 0
    response.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= this.#maxBytes) chunks.push(chunk)
      else done(new Error(`the answer is larger than the limit of ${this.#maxBytes} bytes (max-request-bytes)`))
    })
    response.on('error', done)
    response.on('end', () => {
      if (length > this.#maxBytes) return
      const [first] = chunks
      const bytes = chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, length)
      const header = Number(response.headers['inference-header-content-length'] ?? NaN)
      const isSplit = Number.isInteger(header) && header > 0 && header <= length
      const payload = isSplit ? Payload.ofBytes(bytes, header) : Payload.ofBytes(bytes)
      done({ status: response.statusCode ?? 0, payload })
    })
  }
}

function send(request: ClientRequest, body: Uint8Array, headerLength: number | undefined): void {
  if (headerLength !== undefined) {
    request.setHeader('Content-Type', 'application/octet-stream')
    request.setHeader(headerLengthName, String(headerLength))
  }
  request.setHeader('Content-Length', String(body.byteLength))
  request.end(body)
}

function failure(url: URL, reason: Error & { readonly code?: unknown }): Error {
  return new Error(`Post ${JSON.stringify(shownUrl(url))}: ${inGoWords(url, reason)}`, { cause: reason })
}

/** A URL without its password. */
export function shownUrl(url: URL): string {
  if (url.password === '') return url.href
  const shown = new URL(url)
  shown.password = '***'
  return shown.href
}

function inGoWords({ hostname, port, protocol }: URL, { code, message }: Error & { readonly code?: unknown }): string {
  const address = `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`
  switch (code) {
    case 'ECONNREFUSED':
      return `dial tcp ${address}: connect: connection refused`
    case 'ENOTFOUND':
      return `dial tcp: lookup ${hostname}: no such host`
    case 'ETIMEDOUT':
      return `dial tcp ${address}: i/o timeout`
    case 'ECONNRESET':
      return message === 'aborted' ? 'unexpected EOF' : 'EOF'
    default:
      return message
  }
}
