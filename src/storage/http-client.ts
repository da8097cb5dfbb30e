/** GET over http and https: redirects, authorities, errors in words. Bodies come as they are, without a word about their packing. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { InferenceError, messageOf } from '../core/errors.ts'
import { codeOf } from './file-error.ts'

export interface HttpClientOptions {
  /** For messages: `HTTP`, `Hugging Face`. */
  readonly name: string
  /** Authorities to trust instead of the system's own, PEM. */
  readonly ca?: string
  /** Sent to the first host, and where its redirects stay with it. */
  readonly headers?: Readonly<Record<string, string>>
}

/** As browsers do, roughly. */
const mostRedirects = 10
/** Codes of TLS errors that another try does not mend. */
const untrusted = /^(CERT_|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO_|ERR_TLS_CERT)/

export class HttpClient {
  readonly #options: HttpClientOptions
  readonly #http = new HttpAgent({ keepAlive: true })
  readonly #https: HttpsAgent

  constructor(options: HttpClientOptions) {
    this.#options = options
    this.#https = new HttpsAgent({ keepAlive: true, ...(options.ca === undefined ? {} : { ca: options.ca }) })
  }

  /**
   * @returns the answer, whatever its status but a redirect; its body has to be read or destroyed
   * @throws InferenceError `unavailable` where the host cannot be reached, `failed_precondition` where it is not to be trusted
   */
  async get(url: URL, headers: Readonly<Record<string, string>>, signal: AbortSignal): Promise<IncomingMessage> {
    let at = url
    for (let redirect = 0; redirect <= mostRedirects; redirect += 1) {
      const own = at.origin === url.origin ? { ...this.#options.headers, ...credentialsOf(url) } : {}
      const answer = await this.#send(at, { 'accept-encoding': 'identity', ...own, ...headers }, signal)
      const { statusCode = 0, headers: given } = answer
      if (![301, 302, 303, 307, 308].includes(statusCode) || given.location === undefined) return answer
      answer.resume() // so that the connection can be used again
      at = this.#next(given.location, at)
    }
    throw this.#failure('failed_precondition', `redirects more than ${mostRedirects} times`, url)
  }

  /** The whole answer as JSON. @throws as `get` does, and for an answer that is none or longer than `maxBytes` */
  async json(answer: IncomingMessage, url: URL, maxBytes: number): Promise<unknown> {
    const chunks: Buffer[] = []
    let bytes = 0
    // Without an encoding, the chunks of an answer are buffers.
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > maxBytes) throw this.#failure('resource_exhausted', `answers with more than ${maxBytes} bytes`, url)
      chunks.push(chunk)
    }
    try {
      return JSON.parse(Buffer.concat(chunks).toString('utf8'))
    } catch (reason) {
      throw this.#failure('unavailable', 'answers with what is no JSON', url, reason)
    }
  }

  close(): void {
    this.#http.destroy()
    this.#https.destroy()
  }

  #send(url: URL, headers: OutgoingHttpHeaders, signal: AbortSignal): Promise<IncomingMessage> {
    const { protocol, hostname, port, pathname, search } = url
    const isTls = protocol === 'https:'
    const options = {
      agent: isTls ? this.#https : this.#http,
      host: hostname.replace(/^\[|\]$/g, ''),
      ...(port === '' ? {} : { port }),
      path: pathname + search,
      headers: { 'user-agent': 'servable', ...headers },
      signal,
    }
    return new Promise((resolve, reject) => {
      const request = isTls ? httpsRequest(options, resolve) : httpRequest(options, resolve)
      request.on('error', (reason) => reject(this.#unreachable(url, reason)))
      request.end()
    })
  }

  #next(location: string, from: URL): URL {
    const next = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined
    if (next?.protocol !== 'https:' && next?.protocol !== 'http:') {
      throw this.#failure('failed_precondition', 'redirects to what is no http or https address', from)
    }
    if (from.protocol === 'https:' && next.protocol === 'http:') {
      throw this.#failure('failed_precondition', 'redirects from https to http, which anybody can read', from)
    }
    return next
  }

  #unreachable(url: URL, reason: Error): Error {
    if (reason.name === 'AbortError') return reason
    const code = codeOf(reason) ?? ''
    const what = `Failed to connect to ${this.#options.name} endpoint '${url.origin}'`
    if (untrusted.test(code)) {
      const advice = 'give the authority in a file by NODE_EXTRA_CA_CERTS, or KServe’s CA_BUNDLE_VOLUME_MOUNT_POINT'
      return new InferenceError('failed_precondition', `${what}: ${messageOf(reason)}; ${advice}`, { cause: reason })
    }
    // Of several addresses that were tried in vain, the error has a code and no message.
    const why = reason.message === '' ? code : reason.message
    return new InferenceError('unavailable', `${what}: ${why}`, { cause: reason })
  }

  #failure(
    code: 'failed_precondition' | 'resource_exhausted' | 'unavailable',
    what: string,
    url: URL,
    cause?: unknown,
  ): InferenceError {
    return new InferenceError(code, `${url.origin}${url.pathname} ${what}`, { cause })
  }
}

/** Of an address such as `https://user:password@host/`. */
function credentialsOf({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '' && password === '') return {}
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}
