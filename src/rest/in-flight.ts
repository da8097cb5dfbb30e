/** The requests whose signal somebody holds: fires them when their caller leaves or the server stops waiting. */
import type { Socket } from 'node:net'
import { Bag } from '../core/bag.ts'
import { InferenceError } from '../core/errors.ts'
import type { HttpContext } from './request-context.ts'

export class InFlight {
  readonly #contexts = new Bag<HttpContext>()
  /** Each listens once, however many requests it brings. */
  readonly #watched = new WeakSet<Socket>()

  /** @returns what `leave` wants */
  add(context: HttpContext): number {
    const { socket } = context
    if (socket.destroyed) context.abort(callerLeft())
    else if (!this.#watched.has(socket)) {
      this.#watched.add(socket)
      socket.once('close', () => {
        for (const open of this.#contexts) if (open.socket === socket) open.abort(callerLeft())
      })
    }
    return this.#contexts.add(context)
  }

  leave(place: number): void {
    this.#contexts.take(place)
  }

  abortAll(reason: InferenceError): void {
    for (const context of this.#contexts) context.abort(reason)
  }
}

function callerLeft(): InferenceError {
  return new InferenceError('cancelled', 'the caller closed the connection')
}
