/** One request on its way through a graph: what it may spend, who makes its calls, and what is told of it. */
import type { RequestContext } from '../core/inference.ts'
import type { TraceContext } from '../core/trace-context.ts'
import type { HeaderList, IncomingHeaders } from './headers.ts'
import type { Outcome } from './outcome.ts'
import type { Payload } from './payload.ts'
import type { Breakers } from './breaker.ts'
import type { GraphSpec, GraphStep, ServiceTarget } from './spec.ts'
import type { Timers } from './timers.ts'
import type { StepRecord } from './trace.ts'

/** What goes on to the steps that run in this process. */
export type Origin = Pick<RequestContext, 'requestId' | 'deadline' | 'trace'>

/** One call to a service. */
export interface StepCall {
  readonly node: string
  readonly step: GraphStep
  readonly target: ServiceTarget
  readonly payload: Payload
  /** Headers that a remote service gets: those that patterns let through, and the content type. */
  readonly headers: HeaderList
  /** Fires when nobody waits for the answer any more. The call must then settle soon, in either way. */
  readonly signal: AbortSignal
  readonly origin: Origin | undefined
}

export interface StepReply {
  /** HTTP status, or what the REST door would answer. */
  readonly status: number
  readonly payload: Payload
}

/**
 * Makes one call: in process, or over a wire. Resolves with whatever the service answers. A rejection is a call without an
 * answer; its message is shown to the caller: `Post "http://…": connection refused`.
 */
export type CallService = (call: StepCall) => Promise<StepReply>

/** What all requests of a graph share. */
export interface Surroundings {
  readonly spec: GraphSpec
  readonly call: CallService
  readonly timers: Timers
  readonly breakers: Breakers
  /** An integer from 0 to 99, all equally likely. */
  readonly pickPercent: () => number
  /** Sees every step that ran, was passed over or left out. */
  readonly observe: ObserveStep | undefined
  /** Makes the span of a step, as part of another; absent where nobody traces. */
  readonly beginSpan: ((parent: TraceContext) => TraceContext) | undefined
  readonly shadows: Shadows
}

/** @param span of the step, where it is traced */
export type ObserveStep = (record: StepRecord, span?: TraceContext) => void

/** What a request has used up, nodes within nodes included. */
export interface Spent {
  /** Steps so far. */
  steps: number
  /** What ended the request, where it had too many. */
  exhausted: Error | undefined
}

/** Steps that nobody waits for. */
export interface Shadows {
  /** Starts the work unless too much of it runs already. @returns false where it was not started */
  start(work: (signal: AbortSignal) => Promise<void>): boolean
}

export interface Run {
  readonly graph: Surroundings
  /** As the request had them, for a Splitter that sticks. */
  readonly incoming: IncomingHeaders
  readonly headers: HeaderList
  readonly origin: Origin | undefined
  readonly startedMs: number
  readonly spent: Spent
  readonly record: ObserveStep | undefined
  readonly route: (run: Run, node: string, payload: Payload, signal: AbortSignal) => Promise<Outcome>
}
