/** What travels beside one HTTP request: its id, its headers and its signal, each made when it is asked for. */
import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { FastifyRequest } from 'fastify'
import { InferenceError } from '../core/errors.ts'
import type { RequestContext } from '../core/inference.ts'

/** Unique among servers, so that ids stay apart where logs are gathered. */
const idPrefix = randomBytes(6).toString('hex')
let idCounter = 0

/** The parts of a fastify request that a context reads. */
export type ContextRequest = Pick<FastifyRequest, 'id' | 'raw' | 'givenContentType'>

export class HttpContext implements RequestContext {
  readonly requestId: string
  readonly protocol: 'v1' | 'v2'
  readonly #request: ContextRequest
  readonly #response: ServerResponse
  readonly #inFlight: Set<HttpContext>
  #record: Record<string, string> | undefined
  #controller: AbortController | undefined
  #isReleased = false

  /** @param inFlight holds this context from the moment that somebody asks for its signal until `release` */
  constructor(protocol: 'v1' | 'v2', request: ContextRequest, response: ServerResponse, inFlight: Set<HttpContext>) {
    this.protocol = protocol
    this.requestId = request.id
    this.#request = request
    this.#response = response
    this.#inFlight = inFlight
  }

  /** Fires when the caller is gone before the answer, or the deadline of a drain has passed. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (!this.#isReleased) this.#watch()
    }
    return this.#controller.signal
  }

  get headers(): Readonly<Record<string, string>> {
    if (this.#record === undefined) {
      this.#record = {}
      for (const [name, value] of Object.entries({
        ...this.#request.raw.headers,
        'content-type': this.#request.givenContentType,
      })) {
        if (value !== undefined) this.#record[name] = Array.isArray(value) ? value.join(', ') : value
      }
    }
    return this.#record
  }

  /** Fires the signal, where somebody holds it. */
  abort(reason: InferenceError): void {
    this.#controller?.abort(reason)
  }

  /** The answer is written, or there is none to write: nothing fires from here on. */
  release(): void {
    this.#isReleased = true
    if (this.#controller === undefined) return
    this.#inFlight.delete(this)
    this.#response.removeListener('close', this.#onClose)
  }

  #watch(): void {
    if (this.#response.destroyed) {
      this.#onClose()
      return
    }
    this.#inFlight.add(this)
    this.#response.on('close', this.#onClose)
  }

  readonly #onClose = (): void => {
    this.abort(new InferenceError('cancelled', 'the caller closed the connection'))
    this.release()
  }
}

/** The id that the caller sent, else one unique to this process's run: cheap enough for every request. */
export function requestIdOf(headers: IncomingHttpHeaders): string {
  const given = givenIdOf(headers)
  if (given !== undefined) return given
  idCounter += 1
  return `${idPrefix}-${idCounter.toString(36)}`
}

/** The id as the caller sent it; the answer then carries it. */
export function givenIdOf(headers: IncomingHttpHeaders): string | undefined {
  const given = headers['x-request-id']
  return typeof given === 'string' && given !== '' ? given : undefined
}
