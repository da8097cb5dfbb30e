/** Sends events to one HTTP sink: a bounded queue, a few connections that are kept, few retries, and counts of what was lost. */
import { Agent, request as requestHttp } from 'node:http'
import { Agent as TlsAgent, request as requestHttps } from 'node:https'
import { messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { Fifo } from '../scheduling/fifo.ts'
import { eventHeaders, type PayloadEvent } from './payload-event.ts'

/** Requests to the sink at a time, as KServe's `--workers`. */
const senders = 5
const maxQueued = 4096
const maxQueuedBytes = 128 * 2 ** 20
const attempts = 3
const firstPauseMs = 100
const sendTimeoutMs = 10_000
/** A sink that is gone fills no log. */
const quietMs = 10_000

/** What became of events. */
export type PayloadOutcome = 'sent' | 'failed' | 'dropped'
export type PayloadCounts = Record<PayloadOutcome, number>

export interface SinkOptions {
  readonly url: URL
  readonly log: Log
  /** Shared by the sinks of a server. */
  readonly counts: PayloadCounts
  /** Events that may wait. */
  readonly maxQueued?: number
  /** Waits between attempts; tests need not. */
  readonly pause?: (ms: number) => Promise<void>
}

export class PayloadSink {
  readonly #url: URL
  readonly #log: Log
  readonly #counts: PayloadCounts
  readonly #maxQueued: number
  readonly #pause: (ms: number) => Promise<void>
  readonly #agent: Agent
  readonly #queue = new Fifo<PayloadEvent>()
  readonly #idle = new Set<() => void>()
  #queuedBytes = 0
  #sending = 0
  #isClosed = false
  #toldAt = -Infinity

  constructor({ url, log, counts, maxQueued: limit = maxQueued, pause = wait }: SinkOptions) {
    this.#url = url
    this.#log = log
    this.#counts = counts
    this.#maxQueued = limit
    this.#pause = pause
    const options = { keepAlive: true, maxSockets: senders, maxFreeSockets: senders }
    this.#agent = url.protocol === 'https:' ? new TlsAgent(options) : new Agent(options)
  }

  /** Events that wait. */
  get queued(): number {
    return this.#queue.size
  }

  /** Takes an event, or drops it where too much waits. Never blocks, never throws. */
  add(event: PayloadEvent): void {
    const bytes = event.body.byteLength
    if (this.#isClosed || this.#queue.size >= this.#maxQueued || this.#queuedBytes + bytes > maxQueuedBytes) {
      this.#counts.dropped += 1
      this.#tell('dropped', 'the queue is full')
      return
    }
    this.#queue.push(event)
    this.#queuedBytes += bytes
    if (this.#sending < senders) void this.#work()
  }

  /** Resolves when nothing waits and nothing is sent. */
  async flushed(): Promise<void> {
    if (this.#sending > 0) await new Promise<void>((resolve) => this.#idle.add(resolve))
  }

  /** Drops what waits and ends what is sent. */
  close(): void {
    this.#isClosed = true
    while (this.#queue.shift() !== undefined) this.#counts.dropped += 1
    this.#agent.destroy()
  }

  async #work(): Promise<void> {
    this.#sending += 1
    for (let event = this.#queue.shift(); event !== undefined; event = this.#queue.shift()) {
      this.#queuedBytes -= event.body.byteLength
      await this.#deliver(event)
    }
    this.#sending -= 1
    if (this.#sending > 0) return
    for (const resolve of this.#idle) resolve()
    this.#idle.clear()
  }

  async #deliver(event: PayloadEvent): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const { isDone, isFinal, reason } = await this.#send(event)
      if (isDone) {
        this.#counts.sent += 1
        return
      }
      if (isFinal || attempt === attempts || this.#isClosed) {
        this.#counts.failed += 1
        this.#tell('not sent', reason)
        return
      }
      await this.#pause(firstPauseMs * 4 ** (attempt - 1))
    }
  }

  #send(event: PayloadEvent): Promise<Attempt> {
    return new Promise((resolve) => {
      const fail = (reason: unknown): void => resolve({ isDone: false, isFinal: false, reason: messageOf(reason) })
      const send = this.#url.protocol === 'https:' ? requestHttps : requestHttp
      try {
        const request = send(this.#url, { method: 'POST', agent: this.#agent, headers: eventHeaders(event) })
        request.setTimeout(sendTimeoutMs, () => request.destroy(new Error(`no answer in ${sendTimeoutMs / 1000} s`)))
        request.on('error', fail)
        request.on('response', (response) => {
          const { statusCode = 0 } = response
          response.on('error', fail)
          response.on('end', () => resolve(attemptOf(statusCode)))
          response.resume()
        })
        request.end(event.body)
      } catch (reason) {
        resolve({ isDone: false, isFinal: true, reason: messageOf(reason) })
      }
    })
  }

  /** The address without what may be secret in it. */
  #tell(what: string, reason: string): void {
    const now = performance.now()
    if (now - this.#toldAt < quietMs) return
    this.#toldAt = now
    this.#log.warn({ sink: this.#url.host, what, reason, ...this.#counts }, 'payload log')
  }
}

interface Attempt {
  readonly isDone: boolean
  /** Another attempt would end the same. */
  readonly isFinal: boolean
  readonly reason: string
}

function attemptOf(status: number): Attempt {
  const isDone = status >= 200 && status < 300
  return { isDone, isFinal: status < 500 && status !== 429 && status !== 408, reason: `the sink answers ${status}` }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
