/** Writes the answer of a model's `forward` as it comes: no faster than the caller reads, whole events where it is a stream. */
import type { FastifyReply } from 'fastify'
import { encodeEvent, eventData, EventSplitter } from '../codec/event-splitter.ts'
import { InferenceError } from '../core/errors.ts'
import { answerHeaders } from '../dataplane/response-headers.ts'
import { givenIdOf } from './request-context.ts'
import type { TokenWatch } from './token-watch.ts'

const eventStream = 'text/event-stream'

export class ForwardedAnswer {
  readonly #reply: FastifyReply
  #isOpen = false
  #isStream = false
  #isOver = false

  constructor(reply: FastifyReply) {
    this.#reply = reply
  }

  /** The status has gone out. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /**
   * Writes status, headers and body; resolves when the last byte is handed over.
   *
   * @throws InferenceError `cancelled` where the caller is gone; what the body ends with where it is cut
   */
  async write(response: Response, signal: AbortSignal, watch: TokenWatch): Promise<void> {
    if (this.#isOver) return
    this.#open(response)
    const body = response.body
    if (body !== null) await (this.#isStream ? this.#passEvents(body, signal, watch) : this.#pass(body, signal, watch))
    if (this.#isOver) return
    this.#isOver = true
    watch.end()
    this.#reply.raw.end()
  }

  /** Ends an open answer where it was cut: a stream with the error as its last event, anything else by closing the connection. */
  fail(error: string): void {
    const { raw } = this.#reply
    if (this.#isOver || raw.destroyed) return
    this.#isOver = true
    if (this.#isStream) raw.end(encodeEvent(error))
    else raw.destroy()
  }

  #open({ status, headers }: Response): void {
    const { raw, request } = this.#reply
    const contentType = headers.get('content-type') ?? 'application/json'
    this.#isStream = contentType.startsWith(eventStream) && status < 400
    this.#isOpen = true
    this.#reply.hijack()
    if (raw.destroyed) return
    const given = givenIdOf(request.raw.headers)
    raw.writeHead(status, {
      ...passedHeaders(headers),
      'content-type': contentType,
      ...(this.#isStream ? { 'cache-control': 'no-cache', 'x-accel-buffering': 'no' } : bodyHeaders(headers)),
      ...(given === undefined ? {} : { 'x-request-id': given }),
    })
    if (this.#isStream) raw.flushHeaders()
  }

  async #passEvents(body: ReadableStream<Uint8Array>, signal: AbortSignal, watch: TokenWatch): Promise<void> {
    const splitter = new EventSplitter()
    await readAll(body, signal, async (chunk) => {
      const events = splitter.push(chunk)
      const now = performance.now()
      for (const event of events) {
        const data = eventData(event)
        if (data !== undefined) watch.event(data, now)
      }
      if (events.length > 0) await this.#send(Buffer.concat(events))
    })
    await this.#send(splitter.rest())
  }

  async #pass(body: ReadableStream<Uint8Array>, signal: AbortSignal, watch: TokenWatch): Promise<void> {
    await readAll(body, signal, async (chunk) => {
      watch.piece(chunk)
      await this.#send(chunk)
    })
  }

  /** Waits while the caller does not read: nothing more is asked of the model meanwhile. */
  async #send(bytes: Uint8Array): Promise<void> {
    const { raw } = this.#reply
    if (this.#isOver || bytes.length === 0) return
    if (raw.destroyed) throw new InferenceError('cancelled', 'the caller closed the connection')
    if (raw.write(bytes)) return
    await new Promise<void>((resolve) => {
      const go = (): void => {
        raw.off('drain', go).off('close', go)
        resolve()
      }
      raw.on('drain', go).on('close', go)
    })
  }
}

/** Reads to the end; where the signal fires, or `take` throws, the stream is cancelled, and with it what makes it. */
async function readAll(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
  take: (chunk: Uint8Array) => Promise<void>,
): Promise<void> {
  const reader = body.getReader()
  const cancel = (): void => void reader.cancel(signal.reason).catch(() => undefined) // it may have ended in an error
  signal.addEventListener('abort', cancel, { once: true })
  try {
    for (;;) {
      if (signal.aborted) throw InferenceError.from(signal.reason)
      const { done, value } = await reader.read()
      if (signal.aborted) throw InferenceError.from(signal.reason)
      if (done) return
      await take(value)
    }
  } catch (reason) {
    await reader.cancel(reason).catch(() => undefined)
    throw reason
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

/** A header that somebody else's server sends wrongly is left out. */
function passedHeaders(headers: Headers): Readonly<Record<string, string>> {
  const sane = [...headers].filter(([, value]) => /^[\x20-\x7e]*$/.test(value))
  return Object.fromEntries(answerHeaders(Object.fromEntries(sane)))
}

/** So that a caller sees where a body was cut. */
function bodyHeaders(headers: Headers): Readonly<Record<string, string>> {
  const encoding = headers.get('content-encoding')
  const length = headers.get('content-length')
  return {
    ...(encoding === null ? {} : { 'content-encoding': encoding }),
    ...(length === null || !/^\d+$/.test(length) ? {} : { 'content-length': length }),
  }
}
