/** REST over raw sockets: a request is one write of bytes that were made before, an answer is a status and a length. */
import { connect, type Socket } from 'node:net'
import type { HttpRequest } from '../requests.ts'
import type { Outcome } from './account.ts'
import type { Lane, Transport } from './lane.ts'

const noLength = 'no length'
/** Answers larger than this come in several reads, all into this buffer of the connection. */
const readBytes = 64 * 1024

/** @param url `http://host:port` */
export function restTransport(url: string, request: HttpRequest): Transport {
  const { hostname, port, host } = new URL(url)
  const bytes = requestBytes(host, request)
  const lanes = new Set<RestLane>()
  return {
    good: '200',
    async open() {
      const lane = new RestLane(hostname, Number(port), bytes)
      lanes.add(lane)
      await lane.opened()
      return lane
    },
    close() {
      for (const lane of lanes) lane.close()
    },
  }
}

/** A request as it goes over the wire, on a connection that stays open. */
export function requestBytes(host: string, { method, path, headers, body }: HttpRequest): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, `Host: ${host}`]
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
  if (body !== undefined) lines.push(`Content-Length: ${body.length}`)
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body ?? Buffer.alloc(0)])
}

class RestLane implements Lane {
  readonly #host: string
  readonly #port: number
  readonly #request: Buffer
  readonly #answer = new AnswerReader()
  #socket: Socket
  #ended: ((outcome: Outcome) => void) | undefined
  #isClosed = false

  constructor(host: string, port: number, request: Buffer) {
    this.#host = host
    this.#port = port
    this.#request = request
    this.#socket = this.#connect()
  }

  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.once('connect', () => resolve())
      this.#socket.once('error', reject)
    })
  }

  send(ended: (outcome: Outcome) => void): void {
    this.#ended = ended
    if (this.#socket.destroyed) this.#socket = this.#connect()
    this.#socket.write(this.#request)
  }

  close(): void {
    this.#isClosed = true
    this.#socket.destroy()
  }

  #connect(): Socket {
    this.#answer.reset()
    const read = (count: number, buffer: Uint8Array): boolean => {
      const outcome = this.#answer.read(Buffer.from(buffer.buffer, buffer.byteOffset, count))
      if (outcome === undefined) return true
      if (outcome === noLength) socket.destroy() // nobody knows where its next answer begins
      this.#end(outcome)
      return true
    }
    const onread = { buffer: Buffer.allocUnsafeSlow(readBytes), callback: read }
    const socket = connect({ host: this.#host, port: this.#port, noDelay: true, onread })
    socket.on('error', () => undefined) // a close follows
    socket.on('close', () => {
      if (socket === this.#socket) this.#end('broken')
    })
    return socket
  }

  #end(outcome: Outcome): void {
    const ended = this.#ended
    this.#ended = undefined
    if (!this.#isClosed) ended?.(outcome)
  }
}

const endOfHead = Buffer.from('\r\n\r\n')

/** Reads the answers of one connection. It must tell lengths: a chunked one has no end here. */
export class AnswerReader {
  #head: Buffer | undefined
  #status = ''
  /** Bytes of the body that are still to come; -1 within the head. */
  #left = -1

  reset(): void {
    this.#head = undefined
    this.#left = -1
  }

  /** @returns the status of the answer that these bytes end */
  read(bytes: Buffer): Outcome | undefined {
    if (this.#left >= 0) return this.#body(bytes.length)
    const head = this.#head === undefined ? bytes : Buffer.concat([this.#head, bytes])
    const end = head.indexOf(endOfHead)
    if (end < 0) {
      this.#head = Buffer.from(head) // the buffer of the connection is written anew
      return undefined
    }
    this.#head = undefined
    const text = head.toString('latin1', 0, end)
    const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1]
    if (length === undefined) return noLength
    this.#status = text.slice(9, 12)
    this.#left = Number(length)
    return this.#body(head.length - end - endOfHead.length)
  }

  #body(count: number): Outcome | undefined {
    this.#left -= count
    if (this.#left > 0) return undefined
    this.#left = -1
    return this.#status
  }
}
