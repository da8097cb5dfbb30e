/** Sends spans to a collector by OTLP over HTTP as JSON: in batches, from a bounded queue, never in the way of a request. */
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
}

/** OpenTelemetry's usual figures. */
const mostQueued = 2048
const mostInBatch = 512
const usualDelayMs = 5000
const answerMs = 10_000
/** What a closing server waits for the last batch. */
const closingMs = 2000

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
  readonly #closing = new AbortController()

  constructor(options: OtlpOptions) {
    this.#options = options
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

  /** Sends what is there, within two seconds; what comes later is dropped. */
  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    const limit = setTimeout(() => this.#closing.abort(new Error('the server closes')), closingMs)
    this.#start()
    while (this.#sending !== undefined) await this.#sending
    clearTimeout(limit)
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
    const { url, headers = {}, resource, version, log } = this.#options
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: encodeSpans(batch, resource, version),
        signal: AbortSignal.any([AbortSignal.timeout(answerMs), this.#closing.signal]),
      })
      await answer.arrayBuffer() // the connection is kept once the answer is read
      if (!answer.ok) throw new Error(`the collector answered ${answer.status}`)
      this.exported += batch.length
      this.#isFailing = false
    } catch (reason) {
      this.failed += batch.length
      if (!this.#isFailing) log.warn({ reason: messageOf(reason), spans: batch.length }, 'spans not exported')
      this.#isFailing = true
    }
  }
}
