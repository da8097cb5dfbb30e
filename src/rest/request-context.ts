/** What travels beside one HTTP request: its id, its headers and its signal, each made when it is asked for. */
import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { InferenceError } from '../core/errors.ts'
import type { RequestContext } from '../core/inference.ts'

/** Unique among servers, so that ids stay apart where logs are gathered. */
const idPrefix = randomBytes(6).toString('hex')
let idCounter = 0

export class HttpContext implements RequestContext {
  readonly requestId: string
  readonly protocol: 'v1' | 'v2'
  /** As the caller sent it; the answer echoes it. */
  readonly givenId: string | undefined
  readonly #headers: IncomingHttpHeaders
  readonly #contentType: string | undefined
  readonly #response: ServerResponse
  readonly #inFlight: Set<HttpContext>
  #record: Record<string, string> | undefined
  #controller: AbortController | undefined
  #isReleased = false

  /**
   * @param contentType as the caller sent it; that in `headers` is not looked at
   * @param inFlight holds this context from the moment that somebody asks for its signal until `release`
   */
  constructor(
    protocol: 'v1' | 'v2',
    headers: IncomingHttpHeaders,
    contentType: string | undefined,
    response: ServerResponse,
    inFlight: Set<HttpContext>,
  ) {
    const given = headers['x-request-id']
    this.givenId = typeof given === 'string' && given !== '' ? given : undefined
    this.requestId = this.givenId ?? nextRequestId()
    this.protocol = protocol
    this.#headers = headers
    this.#contentType = contentType
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
      for (const [name, value] of Object.entries({ ...this.#headers, 'content-type': this.#contentType })) {
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

/** An id unique to this process's run: cheap enough for every request. */
export function nextRequestId(): string {
  idCounter += 1
  return `${idPrefix}-${idCounter.toString(36)}`
}
