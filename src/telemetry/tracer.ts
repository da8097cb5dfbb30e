/** Makes spans of requests and of steps of graphs, as part of the traces that callers began. */
import { randomFillSync } from 'node:crypto'
import type { InferenceError } from '../core/errors.ts'
import type { InferenceResponse } from '../core/inference.ts'
import { readTraceContext, type TraceContext } from '../core/trace-context.ts'
import type { Call, InferenceObserver } from '../dataplane/dataplane.ts'
import type { StepRecord } from '../graph/index.ts'
import type { Span } from './span.ts'

export interface TracerOptions {
  /** Takes the spans of traces that are kept. */
  readonly add: (span: Span) => void
  /** Share of the traces that begin here and are kept, from 0 to 1; those of callers follow the callers. */
  readonly ratio?: number
}

/** Ids are made from random bytes that are drawn for many at once. */
const pool = Buffer.alloc(4096)
let poolAt = pool.length

/** An observer of the data plane that comes before those that look at the span. */
export class Tracer implements InferenceObserver {
  readonly #add: (span: Span) => void
  readonly #ratio: number

  constructor({ add, ratio = 1 }: TracerOptions) {
    this.#add = add
    this.#ratio = ratio
  }

  onRequest(call: Call): void {
    const { trace, headers } = call.context
    call.trace = this.begin(trace ?? readTraceContext(headers))
  }

  onResponse(call: Call, response: InferenceResponse): void {
    if (call.trace?.isSampled === true) this.#addCall(call, call.trace, response.model.version)
  }

  onError(call: Call, error: InferenceError): void {
    if (call.trace?.isSampled === true) this.#addCall(call, call.trace, call.ref?.version, error)
  }

  /** The place of a new span: below another, or at the root of a trace of its own. */
  begin(parent: TraceContext | undefined): TraceContext {
    const spanId = randomId(8)
    if (parent === undefined) return { traceId: randomId(16), spanId, isSampled: this.#draw() }
    const { traceId, spanId: parentSpanId, isSampled = this.#draw(), state } = parent
    const own = { traceId, spanId, parentSpanId, isSampled }
    return state === undefined ? own : { ...own, state }
  }

  /** Takes a step of a graph that has just ended. */
  addStep(graph: string, record: StepRecord, context: TraceContext): void {
    if (context.isSampled !== true) return
    const { node, step, target, outcome, durationMs, status, cause, calls, condition } = record
    const endMs = now()
    this.#add({
      context,
      name: `step ${step}`,
      kind: /^https?:/.test(target) ? 'client' : 'internal',
      startMs: endMs - durationMs,
      endMs,
      attributes: {
        'servable.graph': graph,
        'servable.node': node,
        'servable.step': step,
        'servable.target': withoutSecrets(target),
        'servable.outcome': outcome,
        'servable.condition': condition?.text,
        'servable.calls': calls,
        'http.response.status_code': status,
      },
      error: cause ?? (status !== undefined && status >= 400 ? `status ${status}` : undefined),
    })
  }

  #addCall(call: Call, context: TraceContext, version: string | undefined, error?: InferenceError): void {
    const { verb, request, timings, rows } = call
    const { protocol, requestId } = call.context
    const endMs = now()
    this.#add({
      context,
      name: `${verb} ${request.model.name}`,
      kind: protocol === 'library' ? 'internal' : 'server',
      startMs: endMs - timings.totalMs,
      endMs,
      attributes: {
        'servable.model': request.model.name,
        'servable.version': version,
        'servable.protocol': protocol,
        'servable.request_id': requestId === '' ? undefined : requestId,
        'servable.rows': rows,
        'servable.queue_ms': timings.queueMs,
        'servable.predict_ms': timings.predictMs,
        'error.type': error?.code,
      },
      error: error?.message,
    })
  }

  #draw(): boolean {
    return this.#ratio >= 1 || Math.random() < this.#ratio
  }
}

/** To the microsecond, milliseconds since 1970. */
function now(): number {
  return performance.timeOrigin + performance.now()
}

/** @returns as many bytes as hexadecimal digits, twice as many */
function randomId(bytes: number): string {
  if (poolAt + bytes > pool.length) {
    randomFillSync(pool)
    poolAt = 0
  }
  poolAt += bytes
  return pool.toString('hex', poolAt - bytes, poolAt)
}

/** A URL may hold a password, and its query a key. */
function withoutSecrets(target: string): string {
  if (!URL.canParse(target) || !/^https?:/.test(target)) return target
  const { origin, pathname } = new URL(target)
  return origin + pathname
}
