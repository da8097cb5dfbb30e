/** Server-sent events: one JSON value each, as `generate_stream` answers. */
import type { FastifyReply } from 'fastify'
import { InferenceError } from '../core/errors.ts'
import { answerHeaders } from '../dataplane/response-headers.ts'
import { errorBody } from './answer.ts'
import { givenIdOf } from './request-context.ts'
import { answerOf } from './status.ts'

export class EventStream {
  readonly #reply: FastifyReply
  #isOpen = false

  constructor(reply: FastifyReply) {
    this.#reply = reply
  }

  /** The status has gone out: errors can only be events from here on. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /**
   * Sends one event, the first one with the headers that its model set; waits while the caller does not read.
   *
   * @throws InferenceError `cancelled` where the caller is gone
   */
  async send(json: Uint8Array | string, headers: Readonly<Record<string, string>> = {}): Promise<void> {
    const { raw } = this.#reply
    if (!this.#isOpen) this.#open(headers)
    if (raw.destroyed) throw new InferenceError('cancelled', 'the caller closed the connection')
    const text = typeof json === 'string' ? json : Buffer.from(json.buffer, json.byteOffset, json.length).toString()
    if (raw.write(`data: ${text}\n\n`)) return
    await new Promise<void>((resolve) => {
      const go = (): void => {
        raw.off('drain', go).off('close', go)
        resolve()
      }
      raw.on('drain', go).on('close', go)
    })
  }

  /** Ends with the error as the last event. */
  async fail(reason: unknown): Promise<void> {
    if (!this.#reply.raw.destroyed) await this.send(errorBody(answerOf(reason).message))
    this.end()
  }

  end(): void {
    if (!this.#isOpen) this.#open({})
    this.#reply.raw.end()
  }

  #open(headers: Readonly<Record<string, string>>): void {
    const given = answerHeaders(headers)
    this.#isOpen = true
    const { raw } = this.#reply
    this.#reply.hijack()
    if (raw.destroyed) return
    const givenId = givenIdOf(this.#reply.request.raw.headers)
    raw.writeHead(200, {
      ...Object.fromEntries(given),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no', // nginx would hold events back
      ...(givenId === undefined ? {} : { 'x-request-id': givenId }),
    })
  }
}
