/** The end of an HTTP server as its clients should see it: each connection closes after an answer, none while it asks. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Server as SocketServer } from 'node:net'
import type { Socket } from 'node:net'

/** Without a new connection for so long, all callers wait for answers. */
const holdMs = 100
/** Callers that do not wait for answers come without end. */
const longestHoldMs = 500

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

  /**
   * Takes no connection any more. That resets whoever has connected and was not accepted: so all who ask wait for their
   * answers meanwhile, and open no connection.
   *
   * @param closed told when this process has closed the port; resolves when all that share it have
   */
  async closePort(closed: () => Promise<void>): Promise<void> {
    const release = this.#hold()
    this.#last = performance.now()
    const end = this.#last + longestHoldMs
    while (performance.now() < Math.min(end, this.#last + holdMs)) await pause(lookMs)
    this.stopListening()
    await closed()
    release()
  }

  /** @returns answers all that have waited */
  #hold(): () => void {
    const handlers = this.#server.listeners('request')
    const held: (() => void)[] = []
    let isHolding = true
    this.#server.removeAllListeners('request')
    this.#server.on('request', (...exchange: unknown[]) => {
      this.#last = performance.now()
      const answer = (): void => {
        for (const handler of handlers) Reflect.apply(handler, this.#server, exchange)
      }
      if (isHolding) held.push(answer)
      else answer()
    })
    return () => {
      isHolding = false
      for (const answer of held.splice(0)) answer()
    }
  }

  /** Resolves when nothing is open, when nobody has asked for `quietMs`, or after `patienceMs`. */
  async quiet(quietMs: number, patienceMs: number): Promise<void> {
    const end = performance.now() + patienceMs
    while (performance.now() < Math.min(end, this.#last + quietMs)) {
      if ((await this.#connections()) === 0) return
      await pause(lookMs)
    }
  }

  #connections(): Promise<number> {
    return new Promise((resolve) => this.#server.getConnections((_error, count) => resolve(count)))
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
