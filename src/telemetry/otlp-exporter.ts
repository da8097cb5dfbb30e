/** Sends spans to a collector by OTLP over HTTP as JSON: in batches, from a bounded queue, never in the way of a request. */
import { Agent, request as requestHttp } from 'node:http'
import { Agent as TlsAgent, request as requestHttps } from 'node:https'
import { messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Span } from './span.ts'
import { encodeSpans, type Attributes } from './otlp-json.ts'

export interface OtlpOptions {
  /** Where spans are posted: `http://collector:4318/v1/traces`. */
  readonly url: string
  /** Sent along: what a collector asks for. */
  readonly headers?: Readonly<Record<string, string>>
  /** What the spans tell of their process: `service.name` and others. */
  readonly resource: Attributes
  readonly version: string
  readonly log: Log
  /** Time from the first span of a batch to its sending, in milliseconds. */
  readonly delayMs?: number
  /** What a closing server waits for the last batches, in milliseconds; two seconds where absent. */
  readonly closingMs?: number
}

/** OpenTelemetry's usual figures. */
const mostQueued = 2048
const mostInBatch = 512
const usualDelayMs = 5000
const answerMs = 10_000
const usualClosingMs = 2000

export class OtlpExporter {
  /** Spans that a collector took. */
  exported = 0
  /** Spans that found the queue full. */
  dropped = 0
  /** Spans of batches that no collector took. */
  failed = 0
  readonly #options: OtlpOptions
  #queue: Span[] = []
  #timer: NodeJS.Timeout | undefined
  #sending: Promise<void> | undefined
  #isFailing = false
  #isClosed = false
  readonly #url: URL
  /** One connection, which is kept: batches go one after the other. */
  readonly #agent: Agent

  constructor(options: OtlpOptions) {
    this.#options = options
    this.#url = new URL(options.url)
    const kept = { keepAlive: true, maxSockets: 1, maxFreeSockets: 1 }
    this.#agent = this.#url.protocol === 'https:' ? new TlsAgent(kept) : new Agent(kept)
  }

  /** Never waits and never throws. */
  add(span: Span): void {
    if (this.#isClosed || this.#queue.length >= mostQueued) {
      this.dropped += 1
      return
    }
    this.#queue.push(span)
    if (this.#sending !== undefined) return
    if (this.#queue.length >= mostInBatch) this.#start()
    else this.#timer ??= setTimeout(() => this.#start(), this.#options.delayMs ?? usualDelayMs).unref()
  }

  /** Sends what is there, within `closingMs`; what comes later is dropped. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const limit = setTimeout(() => this.#giveUp(), this.#options.closingMs ?? usualClosingMs)
    this.#start()
    while (this.#sending !== undefined) await this.#sending
    clearTimeout(limit)
    this.#agent.destroy()
  }

  /** What waits is dropped, and what is being sent fails. */
  #giveUp(): void {
    this.dropped += this.#queue.length
    this.#queue = []
    this.#agent.destroy()
  }

  #start(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#sending !== undefined || this.#queue.length === 0) return
    const batch = this.#queue.slice(0, mostInBatch)
    this.#queue = this.#queue.slice(mostInBatch)
    this.#sending = this.#send(batch).finally(() => this.#sent())
  }

  /** A batch that waits already is sent at once; a few spans wait for more. */
  #sent(): void {
    this.#sending = undefined
    if (this.#queue.length >= mostInBatch || this.#isClosed) this.#start()
    else if (this.#queue.length > 0) {
      this.#timer ??= setTimeout(() => this.#start(), this.#options.delayMs ?? usualDelayMs).unref()
    }
  }

  async #send(batch: readonly Span[]): Promise<void> {
    const { resource, version, log } = this.#options
    try {
      const status = await this.#post(encodeSpans(batch, resource, version))
      if (status < 200 || status > 299) throw new Error(`the collector answered ${status}`)
      this.exported += batch.length
      this.#isFailing = false
    } catch (reason) {
      this.failed += batch.length
      if (!this.#isFailing) log.warn({ reason: messageOf(reason), spans: batch.length }, 'spans not exported')
      this.#isFailing = true
    }
  }

  /** @returns the status of the answer */
  #post(body: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const send = this.#url.protocol === 'https:' ? requestHttps : requestHttp
      const headers = {
        ...this.#options.headers,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      }
      const request = send(this.#url, { method: 'POST', agent: this.#agent, headers })
      request.setTimeout(answerMs, () => request.destroy(new Error(`no answer in ${answerMs / 1000} s`)))
      request.on('error', reject)
      request.on('response', (response) => {
        response.on('error', reject)
        response.on('end', () => resolve(response.statusCode ?? 0))
        response.resume()
      })
      request.end(body)
    })
  }
}
