/** The socket that a gRPC server listens on: ours, so that a drain can end every connection and errors keep their cause. */
import { ServerCredentials, type ConnectionInjector, type Server } from '@grpc/grpc-js'
import { createServer, type Server as SocketServer, type Socket } from 'node:net'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { TlsKeys } from '../core/tls.ts'
import { listenAt } from './unix-socket.ts'

export class Listener {
  readonly #server: Server
  readonly #connections: ConnectionInjector
  readonly #listeners: SocketServer[] = []
  readonly #sockets = new Set<Socket>()
  #onLastClosed: (() => void) | undefined

  constructor(server: Server, tls?: TlsKeys) {
    this.#server = server
    this.#connections = server.createConnectionInjector(credentialsOf(tls))
  }

  /**
   * @param port 0: any free one
   * @returns the port
   * @throws InferenceError `failed_precondition` where the address cannot be had
   */
  async listen(host: string, port: number): Promise<number> {
    const listener = createServer({ noDelay: true }, (socket) => this.#accept(socket))
    try {
      await new Promise<void>((resolve, reject) => {
        listener.once('error', reject)
        listener.listen(port, host, resolve)
      })
    } catch (reason) {
      const message = `gRPC cannot listen on ${host}, port ${port}: ${messageOf(reason)}`
      throw new InferenceError('failed_precondition', message, { cause: reason })
    }
    this.#listeners.push(listener)
    const address = listener.address()
    return typeof address === 'object' && address !== null ? address.port : port
  }

  /** Listens on a Unix socket. @throws InferenceError as {@link listenAt} */
  async listenAt(path: string): Promise<void> {
    const listener = createServer((socket) => this.#accept(socket))
    await listenAt(listener, path)
    this.#listeners.push(listener)
  }

  /** Takes no connection from here on, lets running calls finish, and cuts off what still runs after `deadlineMs`. */
  async close(deadlineMs: number, onDeadline: () => void): Promise<void> {
    const closed = this.#listeners.map((listener) => new Promise((resolve) => listener.close(resolve)))
    const timer = setTimeout(() => {
      onDeadline()
      for (const socket of this.#sockets) socket.destroy()
    }, deadlineMs)
    // It tells every client to go; that they have gone is seen by their sockets: from Node.js 24 on it calls back at once.
    this.#server.tryShutdown(() => undefined)
    await this.#lastSocketClosed()
    clearTimeout(timer)
    await Promise.all(closed)
  }

  #lastSocketClosed(): Promise<void> {
    if (this.#sockets.size === 0) return Promise.resolve()
    return new Promise((resolve) => (this.#onLastClosed = resolve))
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => {
      this.#sockets.delete(socket)
      if (this.#sockets.size === 0) this.#onLastClosed?.()
    })
    this.#connections.injectConnection(socket)
  }
}

function credentialsOf(tls: TlsKeys | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure()
  const { certificate, key, ca } = tls
  return ServerCredentials.createSsl(ca ?? null, [{ cert_chain: certificate, private_key: key }], ca !== undefined)
}
