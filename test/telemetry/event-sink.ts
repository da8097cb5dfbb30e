/** An HTTP server that takes events and remembers them. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface TakenEvent {
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export class EventSink {
  readonly events: TakenEvent[] = []
  readonly #server: Server
  /** Statuses of the next answers; 200 where there are none left. */
  readonly statuses: number[] = []
  /** What each answer waits for. */
  gate: Promise<void> = Promise.resolve()
  #waiting: { readonly count: number; readonly resolve: () => void } | undefined

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        this.events.push({ headers: request.headers, body: Buffer.concat(chunks) })
        if (this.#waiting !== undefined && this.events.length >= this.#waiting.count) this.#waiting.resolve()
        void this.gate.then(() => {
          response.statusCode = this.statuses.shift() ?? 200
          response.end()
        })
      })
    })
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/events`
  }

  /** Resolves when so many have come. */
  async until(count: number): Promise<void> {
    if (this.events.length >= count) return
    await new Promise<void>((resolve) => (this.#waiting = { count, resolve }))
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
