/** An HTTP server of files in memory, with ranges and tags as RFC 9110 has them, and the faults of real ones on demand. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ServedFile {
  readonly body: Buffer
  readonly etag?: string
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly hasRanges?: boolean
}

export interface Seen {
  readonly url: string
  readonly range: string | undefined
  readonly headers: IncomingMessage['headers']
}

/** Enough for a client in the same process to take what has come. */
const readMs = 50

type Answer = (request: IncomingMessage, response: ServerResponse) => void

export class FileServer {
  readonly files = new Map<string, ServedFile>()
  readonly answers = new Map<string, Answer>()
  readonly seen: Seen[] = []
  /** Bytes of bodies that were written. */
  sentBytes = 0
  /** The connection is cut after so many bytes of each body longer than one byte; taken from the front. */
  readonly cuts: number[] = []
  readonly #server = createServer((request, response) => this.#answer(request, response))

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  put(path: string, body: Buffer, options: Omit<ServedFile, 'body'> = {}): void {
    this.files.set(path, { body, etag: `"${createHash('md5').update(body).digest('hex')}"`, ...options })
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? ''
    const { range, 'if-range': condition } = request.headers
    this.seen.push({ url, range, headers: request.headers })
    const own = this.answers.get(url)
    if (own !== undefined) return own(request, response)
    const file = this.files.get(url)
    if (file === undefined) return void response.writeHead(404).end()
    const { body, etag, type = 'application/octet-stream', headers = {}, hasRanges = true } = file
    const common = { 'content-type': type, ...(etag === undefined ? {} : { etag }), ...headers }
    const [, from] = /^bytes=(\d+)-/.exec(range ?? '') ?? []
    const isPart = hasRanges && from !== undefined && (condition === undefined || condition === etag)
    if (!isPart) return this.#send(response, 200, common, body)
    const [, , to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
    if (Number(from) >= body.length) return void response.writeHead(416).end()
    const end = Math.min(to === undefined ? body.length - 1 : Number(to), body.length - 1)
    const place = { 'content-range': `bytes ${from}-${end}/${body.length}` }
    this.#send(response, 206, { ...common, ...place }, body.subarray(Number(from), end + 1))
  }

  #send(response: ServerResponse, status: number, headers: Record<string, string>, body: Buffer): void {
    response.writeHead(status, { 'content-length': String(body.length), ...headers })
    const cut = body.length > 1 ? this.cuts.shift() : undefined
    const sent = cut === undefined ? body : body.subarray(0, cut)
    this.sentBytes += sent.length
    if (cut === undefined || cut >= body.length) return void response.end(sent)
    // Not at once: what a client has not taken yet when the connection breaks is lost to it, on Node 26 all of it.
    response.write(sent, () => setTimeout(() => response.destroy(), readMs))
  }
}
