/** What travels beside one HTTP request: its id, its headers and its signal, each made when it is asked for. */
import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import type { InferenceError } from '../core/errors.ts'
import type { RequestContext, Wire } from '../core/inference.ts'
import { atDeadline, deadlinePassed } from '../dataplane/deadline.ts'
import { giveBackController, takeController } from '../scheduling/spare-controllers.ts'
import type { SpareController } from '../scheduling/spare-controllers.ts'
import { timeoutOf } from './deadline.ts'
import type { InFlight } from './in-flight.ts'

/** Unique among servers, so that ids stay apart where logs are gathered. */
const idPrefix = randomBytes(6).toString('hex')
let idCounter = 0

/** The parts of a fastify request that a context reads. */
export type ContextRequest = Pick<FastifyRequest, 'id' | 'raw'> & {
  readonly givenContentType: string | undefined
  readonly body?: unknown
}

export class HttpContext implements RequestContext {
  readonly requestId: string
  readonly protocol: 'v1' | 'v2' | 'openai'
  readonly #request: ContextRequest
  readonly #inFlight: InFlight
  #record: Record<string, string> | undefined
  #spare: SpareController | undefined
  /** Where it lies among those in flight, from the moment that somebody asks for its signal. */
  #place: number | undefined
  #isReleased = false
  #deadline: number | undefined
  #timer: NodeJS.Timeout | undefined
  #wire: Wire | undefined
  #revision: string | undefined

  /** @param inFlight holds this context from the moment that somebody asks for its signal until `release` */
  constructor(protocol: HttpContext['protocol'], request: ContextRequest, inFlight: InFlight) {
    this.protocol = protocol
    this.requestId = request.id
    this.#request = request
    this.#inFlight = inFlight
  }

  get socket(): Socket {
    return this.#request.raw.socket
  }

  /** Fires when the caller is gone before the answer, when its deadline passes, and when a drain's does. */
  get signal(): AbortSignal {
    if (this.#spare === undefined) {
      this.#spare = takeController()
      if (!this.#isReleased) {
        this.#place = this.#inFlight.add(this)
        if (this.#deadline !== undefined) this.#timer = atDeadline(this.#deadline, this.#onDeadline)
      }
    }
    return this.#spare.controller.signal
  }

  /** Made when somebody asks for it: nobody does while no payload is logged. */
  get wire(): Wire | undefined {
    const { body, givenContentType } = this.#request
    if (!(body instanceof Uint8Array)) return undefined
    this.#wire ??= { body, contentType: givenContentType }
    return this.#wire
  }

  /** Which revision of the model answers, where it has revisions. */
  get revision(): string | undefined {
    return this.#revision
  }

  answersAs(revision: string): void {
    this.#revision = revision
  }

  /** Tells who logs of an answer of 200. */
  answered(body: Uint8Array | readonly Uint8Array[]): void {
    this.#wire?.onAnswer?.(body)
  }

  get isAborted(): boolean {
    return this.#spare === undefined ? this.socket.destroyed : this.#spare.controller.signal.aborted
  }

  /**
   * The end of the time that the headers give, from the first asking on: known before anybody holds the signal.
   *
   * @throws InferenceError `invalid_argument` where a header is malformed
   */
  get deadline(): number | undefined {
    if (this.#deadline === undefined) {
      const timeout = timeoutOf(this.#request.raw.headers)
      if (timeout !== undefined) this.#deadline = performance.now() + timeout
    }
    return this.#deadline
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
    this.#spare?.controller.abort(reason)
  }

  /** The answer is written, or there is none to write: nothing fires from here on. */
  release(): void {
    this.#isReleased = true
    if (this.#spare === undefined) return
    if (this.#place !== undefined) this.#inFlight.leave(this.#place)
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    giveBackController(this.#spare)
    this.#spare = undefined
  }

  readonly #onDeadline = (): void => this.abort(deadlinePassed())
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
