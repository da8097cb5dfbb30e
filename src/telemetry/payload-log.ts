/** Sends requests and answers to a sink: an observer of the data plane, absent where nobody asked for it. */
import { randomUUID } from 'node:crypto'
import type { InferenceRequest, InferenceResponse, RequestContext } from '../core/inference.ts'
import { messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Call, InferenceObserver } from '../dataplane/dataplane.ts'
import { Payload } from '../graph/index.ts'
import { PayloadSink, type PayloadCounts } from './payload-sink.ts'
import type { PayloadKind, PayloadOrigin } from './payload-event.ts'

export type PayloadMode = 'all' | PayloadKind

/** What is logged of one model, and where it goes. */
export interface PayloadTarget {
  readonly url: string
  readonly mode: PayloadMode
  readonly origin: PayloadOrigin
  /** Headers that go along, by their names in lower case. */
  readonly headers: readonly string[]
}

export interface PayloadLogOptions {
  readonly log: Log
  /** Where events come from. */
  readonly source: string
  /** Of models that have no target of their own; they are not logged where absent. */
  readonly others?: (model: string) => PayloadTarget
}

/** One call that is logged. */
interface Logged {
  readonly id: string
  readonly target: PayloadTarget
  readonly sink: PayloadSink
  readonly metadata: Readonly<Record<string, string>>
}

const json = 'application/json'
const binary = 'application/octet-stream'

export class PayloadLog implements InferenceObserver {
  readonly counts: PayloadCounts = { sent: 0, failed: 0, dropped: 0 }
  readonly #log: Log
  readonly #source: string
  readonly #others: PayloadLogOptions['others']
  readonly #targets = new Map<string, PayloadTarget>()
  readonly #sinks = new Map<string, PayloadSink>()
  /** Calls that did not come as bytes, until their answer. */
  readonly #open = new WeakMap<Call, Logged>()
  #openCount = 0

  constructor({ log, source, others }: PayloadLogOptions) {
    this.#log = log
    this.#source = source
    this.#others = others
  }

  /** Events that wait for their sinks. */
  get queued(): number {
    let sum = 0
    for (const sink of this.#sinks.values()) sum += sink.queued
    return sum
  }

  /** @throws InferenceError never; TypeError where the URL is none */
  set(model: string, target: PayloadTarget): void {
    this.#targets.set(model, target)
    this.#sinkOf(target)
  }

  delete(model: string): void {
    this.#targets.delete(model)
  }

  onRequest(call: Call): void {
    if (this.#targets.size === 0 && this.#others === undefined) return
    const { name } = call.request.model
    const target = this.#targets.get(name) ?? this.#others?.(name)
    if (target === undefined) return
    try {
      this.#begin(call, target)
    } catch (reason) {
      this.#lost(name, reason)
    }
  }

  onResponse(call: Call, response: InferenceResponse): void {
    const logged = this.#taken(call)
    if (logged === undefined) return
    try {
      const { body, contentType } = encoded(Payload.ofResponse(response, 'v2'))
      this.#add(logged, 'response', body, contentType)
    } catch (reason) {
      this.#lost(response.model.name, reason)
    }
  }

  /** Only answers of 200 are logged, as by KServe's agent. */
  onError(call: Call): void {
    this.#taken(call)
  }

  /** Resolves when every event has been sent or given up. */
  async flushed(): Promise<void> {
    await Promise.all([...this.#sinks.values()].map((sink) => sink.flushed()))
  }

  /** Drops what waits. */
  close(): void {
    for (const sink of this.#sinks.values()) sink.close()
  }

  #begin(call: Call, target: PayloadTarget): void {
    const { context, request } = call
    const { headers, wire } = context
    const logged: Logged = {
      id: headers['ce-id'] ?? randomUUID(),
      target,
      sink: this.#sinkOf(target),
      metadata: metadataOf(target, headers),
    }
    if (target.mode !== 'response') {
      const { body, contentType } = wire ?? encodedRequest(request)
      this.#add(logged, 'request', body, contentType ?? json)
    }
    if (target.mode === 'request') return
    if (wire === undefined) {
      this.#open.set(call, logged)
      this.#openCount += 1
    } else wire.onAnswer = (body) => this.#add(logged, 'response', copied(body), wire.contentType ?? json)
  }

  /** What is known of a call that waits for its answer, for the last time. */
  #taken(call: Call): Logged | undefined {
    if (this.#openCount === 0) return undefined
    const logged = this.#open.get(call)
    if (this.#open.delete(call)) this.#openCount -= 1
    return logged
  }

  #add({ sink, id, target, metadata }: Logged, kind: PayloadKind, body: Uint8Array, contentType: string): void {
    const { origin } = target
    sink.add({ kind, id, origin, source: this.#source, time: new Date(), metadata, contentType, body })
  }

  #sinkOf({ url }: PayloadTarget): PayloadSink {
    let sink = this.#sinks.get(url)
    if (sink === undefined) {
      sink = new PayloadSink({ url: new URL(url), log: this.#log, counts: this.counts })
      this.#sinks.set(url, sink)
    }
    return sink
  }

  #lost(model: string, reason: unknown): void {
    this.counts.dropped += 1
    this.#log.debug({ model, reason: messageOf(reason) }, 'payload cannot be logged')
  }
}

function metadataOf({ headers: wanted }: PayloadTarget, given: RequestContext['headers']): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of wanted) {
    const value = given[name]
    if (value !== undefined) found[name] = value
  }
  return found
}

/** As V2 JSON, whichever way the tensors came. */
function encodedRequest(request: InferenceRequest): { readonly body: Uint8Array; readonly contentType: string } {
  return encoded(Payload.ofRequest(request, 'v2'))
}

function encoded(payload: Payload): { readonly body: Uint8Array; readonly contentType: string } {
  const body = payload.asBytes()
  return { body, contentType: payload.headerLength === undefined ? json : binary }
}

/** What an answer is written from may be used again before the event is sent. */
function copied(body: Uint8Array | readonly Uint8Array[]): Uint8Array {
  return body instanceof Uint8Array ? Uint8Array.from(body) : Buffer.concat(body)
}
