/** A graph that answers requests: what KServe's router does, and what a graph asks for beyond it. Knows no transport. */
import { randomInt } from 'node:crypto'
import { InferenceError } from '../core/errors.ts'
import { silentLog } from '../core/log.ts'
import type { Log } from '../core/log.ts'
import { Breakers } from './breaker.ts'
import { contentTypeOf } from './content-type.ts'
import { runEnsemble } from './ensemble.ts'
import { propagatedHeaders } from './headers.ts'
import type { HeaderPatterns, IncomingHeaders } from './headers.ts'
import { fault, faultBody } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import type { Payload } from './payload.ts'
import type { CallService, ObserveStep, Origin, Run, Surroundings } from './run.ts'
import { runSplitter, runSwitch } from './select.ts'
import { runSequence } from './sequence.ts'
import { RunningShadows } from './shadow.ts'
import { rootNode } from './spec.ts'
import type { GraphSpec } from './spec.ts'
import { systemTimers, within } from './timers.ts'
import type { Timers } from './timers.ts'
import type { StepRecord } from './trace.ts'

export interface GraphSettings {
  readonly call: CallService
  /** Headers that go on to the steps; none where absent. */
  readonly propagate?: HeaderPatterns
  /** Sees every step of every request: metrics and spans. Must not throw. */
  readonly observe?: ObserveStep
  /** Makes the span of a step, as part of another. */
  readonly beginSpan?: Surroundings['beginSpan']
  readonly log?: Log
  readonly timers?: Timers
  /** An integer from 0 to 99, all equally likely. */
  readonly pickPercent?: () => number
}

export interface GraphRequest {
  readonly payload: Payload
  readonly headers: IncomingHeaders
  /** Fires when the caller is gone or its deadline passed. */
  readonly signal: AbortSignal
  readonly origin?: Origin
}

export interface GraphReply {
  /** HTTP status. */
  readonly status: number
  readonly payload: Payload
  /** Undefined for an empty body. Worked out when it is asked for. */
  readonly contentType: string | undefined
}

/** The reply to a request, and what every step did. */
export interface ExplainedReply extends GraphReply {
  readonly steps: readonly StepRecord[]
}

export class InferenceGraph {
  readonly spec: GraphSpec
  readonly #surroundings: Surroundings
  readonly #propagate: HeaderPatterns
  readonly #shadows: RunningShadows

  constructor(spec: GraphSpec, settings: GraphSettings) {
    const { call, propagate, observe, beginSpan, log = silentLog, timers = systemTimers } = settings
    this.spec = spec
    this.#propagate = propagate ?? { patterns: [], refused: [] }
    this.#shadows = new RunningShadows((error) => log.warn({ error }, 'shadow step'))
    const pickPercent = settings.pickPercent ?? (() => randomInt(100))
    const shadows = this.#shadows
    this.#surroundings = { spec, call, timers, breakers: new Breakers(), pickPercent, observe, beginSpan, shadows }
  }

  /**
   * Answers one request, with whatever status the steps make of it.
   *
   * @throws InferenceError where the signal fires; `deadline_exceeded` after the graph's `timeout`; `resource_exhausted` after too
   *   many steps; `internal` where KServe's router would break down: a Sequence without steps, a Splitter without weights
   */
  infer(request: GraphRequest): Promise<GraphReply> {
    return this.#answer(request, this.#surroundings.observe)
  }

  /** As {@link infer}, and tells what happened to each step, in the order in which that ended. */
  async explain(request: GraphRequest): Promise<ExplainedReply> {
    const steps: StepRecord[] = []
    const { observe } = this.#surroundings
    const reply = await this.#answer(request, (record, span) => {
      steps.push(record)
      observe?.(record, span)
    })
    const { status, payload } = reply
    return { status, payload, contentType: reply.contentType, steps: [...steps] }
  }

  /** Ends the steps that nobody waits for. */
  close(): void {
    this.#shadows.close()
  }

  async #answer(request: GraphRequest, record: Run['record']): Promise<GraphReply> {
    const { payload, headers: incoming, signal, origin } = request
    const headers = propagatedHeaders(incoming, this.#propagate)
    const graph = this.#surroundings
    const startedMs = record === undefined ? 0 : graph.timers.now()
    const spent = { steps: 0, exhausted: undefined }
    const run: Run = { graph, incoming, headers, origin, startedMs, spent, record, route }
    const seconds = this.spec.timeoutSeconds
    const outcome =
      seconds === undefined
        ? await route(run, rootNode, payload, signal)
        : await within(
            graph.timers,
            seconds * 1000,
            signal,
            () => tooLate(seconds),
            (inner) => route(run, rootNode, payload, inner),
          ).catch((reason: unknown) => {
            throw InferenceError.from(reason)
          })
    return replyOf(outcome)
  }
}

function tooLate(seconds: number): InferenceError {
  return new InferenceError('deadline_exceeded', `the graph did not answer within its timeout of ${seconds} seconds`)
}

function replyOf(outcome: Outcome): GraphReply {
  if (outcome.kind === 'fault') {
    return { status: outcome.status, payload: faultBody(outcome), contentType: 'application/json' }
  }
  const { status, payload } = outcome
  if (status === 0) throw new InferenceError('internal', 'a Sequence without steps has no answer')
  return {
    status,
    payload,
    get contentType() {
      return contentTypeOf(payload)
    },
  }
}

/** Runs a node. One that does not exist has no router type, as in KServe. */
function route(run: Run, name: string, payload: Payload, signal: AbortSignal): Promise<Outcome> {
  const node = run.graph.spec.nodes.get(name)
  if (node === undefined) return Promise.resolve(fault('invalid route type: '))
  switch (node.routerType) {
    case 'Sequence':
      return runSequence(run, node, payload, signal)
    case 'Switch':
      return runSwitch(run, node, payload, signal)
    case 'Ensemble':
      return runEnsemble(run, node, payload, signal)
    case 'Splitter':
      return runSplitter(run, node, payload, signal)
    default:
      return Promise.resolve(fault(`invalid route type: ${node.routerType}`))
  }
}
