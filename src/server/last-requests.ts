/** The end of an HTTP server as its clients should see it: each connection closes after an answer, none while it asks. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Server as SocketServer } from 'node:net'
import type { Socket } from 'node:net'

/** Between two looks at what is still open. */
const lookMs = 20

/** From its making on, every answer is the last of its connection. */
export class LastRequests {
  readonly #server: Server
  readonly #onRequest: (request: IncomingMessage, response: ServerResponse) => void
  readonly #onConnection: (socket: Socket) => void
  #last = performance.now()

  constructor(server: Server) {
    this.#server = server
    this.#onRequest = (_request, response) => {
      this.#last = performance.now()
      response.shouldKeepAlive = false
    }
    this.#onConnection = () => (this.#last = performance.now())
    server.prependListener('request', this.#onRequest)
    server.prependListener('connection', this.#onConnection)
  }

  /** Takes no connection any more; those that are open stay, idle ones too. */
  stopListening(): void {
    // The HTTP server's own `close` also cuts idle connections: a request that is on its way would be lost.
    if (this.#server.listening) SocketServer.prototype.close.call(this.#server)
  }

  /** Resolves when nothing is open, when nobody has asked for `quietMs`, or after `patienceMs`. */
  async quiet(quietMs: number, patienceMs: number): Promise<void> {
    const end = performance.now() + patienceMs
    while (performance.now() < Math.min(end, this.#last + quietMs)) {
      if ((await this.#connections()) === 0) return
      await new Promise((resolve) => setTimeout(resolve, lookMs))
    }
  }

  #connections(): Promise<number> {
    return new Promise((resolve) => this.#server.getConnections((_error, count) => resolve(count)))
  }
}
