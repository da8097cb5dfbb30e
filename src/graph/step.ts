/** Runs one step: maps its request, calls its service or node, tries again where the graph says so, and tells of it. */
import { InferenceError, messageOf } from '../core/errors.ts'
import type { TraceContext } from '../core/trace-context.ts'
import { mapPredictions, mapTensors } from './mapping.ts'
import { answer, fault, isSuccess, nested } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { Payload } from './payload.ts'
import type { Breaker } from './breaker.ts'
import type { Origin, Run, StepCall, StepReply } from './run.ts'
import type { GraphNode, GraphStep } from './spec.ts'
import { pause, reasonOf, within } from './timers.ts'
import { targetText, told } from './trace.ts'
import type { StepRecord } from './trace.ts'

/** Nodes within nodes are entered from a fresh stack once in so many steps: no graph can exhaust it. */
const freshStackEvery = 50

/**
 * Runs a step.
 *
 * @param payload what its `data` says
 * @param isTested its condition was tested, and held
 * @throws InferenceError where the signal fired, or the request has run too many steps
 */
export function runStep(
  run: Run,
  node: GraphNode,
  step: GraphStep,
  payload: Payload,
  signal: AbortSignal,
  isTested = false,
): Promise<Outcome> {
  if (signal.aborted) return Promise.reject(InferenceError.from(reasonOf(signal)))
  run.spent.steps += 1
  if (run.spent.steps > run.graph.spec.options.maxSteps) {
    const most = run.graph.spec.options.maxSteps
    run.spent.exhausted ??= new InferenceError(
      'resource_exhausted',
      `the graph ran more than ${most} steps for one request`,
    )
    return Promise.reject(run.spent.exhausted)
  }
  const count = { calls: 0 }
  if (run.record === undefined) return perform(run, node, step, payload, signal, count)
  const span = spanOf(run)
  const traced = span === undefined ? run : { ...run, origin: { ...originOf(run), trace: span } }
  const work = (): Promise<Outcome> => perform(traced, node, step, payload, signal, count)
  return recorded(run, node, step, { isTested, count, span }, work)
}

/** Undefined where nobody traces this request. */
function spanOf({ graph, origin }: Run): TraceContext | undefined {
  const parent = origin?.trace
  return parent === undefined ? undefined : graph.beginSpan?.(parent)
}

function originOf({ origin }: Run): Origin {
  const { requestId = '', deadline } = origin ?? {}
  return { requestId, deadline }
}

interface Told {
  readonly isTested: boolean
  readonly count: Count
  readonly span: TraceContext | undefined
}

interface Count {
  calls: number
}

async function recorded(
  run: Run,
  node: GraphNode,
  step: GraphStep,
  { isTested, count, span }: Told,
  work: () => Promise<Outcome>,
): Promise<Outcome> {
  const startMs = run.graph.timers.now()
  const tell = ({ outcome, status, cause }: Pick<StepRecord, 'outcome' | 'status' | 'cause'>): void => {
    // Written out: every step of every request is told, and objects that are spread together cost as much as the step.
    const record: Mutable<StepRecord> = {
      node: node.name,
      step: step.key,
      target: targetText(step.target),
      outcome,
      startMs: startMs - run.startedMs,
      durationMs: run.graph.timers.now() - startMs,
    }
    if (status !== undefined) record.status = status
    if (cause !== undefined) record.cause = cause
    if (isTested && step.condition !== undefined) record.condition = { text: step.condition.text, holds: true }
    if (step.target.kind !== 'node') record.calls = count.calls
    run.record?.(record, span)
  }
  try {
    const outcome = await work()
    tell(told(outcome))
    return outcome
  } catch (reason) {
    tell({ outcome: 'cancelled', cause: messageOf(reason) })
    throw reason
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

export function placeOf(node: GraphNode, step: GraphStep): Pick<StepRecord, 'node' | 'step' | 'target'> {
  return { node: node.name, step: step.key, target: targetText(step.target) }
}

/** Tells of a step whose condition did not hold. */
export function passOver(run: Run, node: GraphNode, step: GraphStep): void {
  run.record?.({
    ...placeOf(node, step),
    outcome: 'passed over',
    ...(step.condition === undefined ? {} : { condition: { text: step.condition.text, holds: false } }),
    startMs: run.graph.timers.now() - run.startedMs,
    durationMs: 0,
  })
}

function perform(
  run: Run,
  node: GraphNode,
  step: GraphStep,
  payload: Payload,
  signal: AbortSignal,
  count: Count,
): Promise<Outcome> {
  let sent: Payload
  try {
    sent = mapped(step, payload)
  } catch (reason) {
    return Promise.resolve(fault(`step '${step.key}' of node '${node.name}': ${messageOf(reason)}`))
  }
  const { target } = step
  if (target.kind === 'node') return enter(run, step, target.name, sent, signal)
  const call = { node: node.name, step, target, payload: sent, headers: run.headers, signal, origin: run.origin }
  const breaker = run.graph.breakers.of(step)
  if (breaker !== undefined || step.options.retries !== undefined) return callAgain(run, call, breaker, count)
  count.calls = 1
  return callOnce(run, call)
}

/** Runs another node as a step. */
async function enter(run: Run, step: GraphStep, name: string, payload: Payload, signal: AbortSignal): Promise<Outcome> {
  if (run.spent.steps % freshStackEvery === 0) await Promise.resolve()
  const { timeoutMs } = step.options
  if (timeoutMs === undefined) return nested(await run.route(run, name, payload, signal))
  return nested(await timed(run, step, timeoutMs, signal, (inner) => run.route(run, name, payload, inner)))
}

function mapped(step: GraphStep, payload: Payload): Payload {
  const { mapping } = step.options
  const first = step.mapsPredictions ? mapPredictions(payload) : payload
  return mapping !== undefined && step.data.from !== 'request' ? mapTensors(first, mapping) : first
}

async function callAgain(run: Run, call: StepCall, breaker: Breaker | undefined, count: Count): Promise<Outcome> {
  const { retries } = call.step.options
  for (let attempt = 0; ; attempt += 1) {
    if (breaker?.admit(run.graph.timers.now()) === false) return broken(call)
    let outcome: Outcome
    try {
      count.calls += 1
      outcome = await callOnce(run, call)
    } catch (reason) {
      breaker?.withdraw()
      throw reason
    }
    const isFailure = outcome.kind === 'fault' || outcome.status >= 500
    breaker?.report(isFailure, run.graph.timers.now())
    const isWorthIt = outcome.kind === 'fault' || retries?.statuses.includes(outcome.status) === true
    if (retries === undefined || !isWorthIt || attempt >= retries.attempts) return outcome
    await pauseFor(run, retries.backoffMs * 2 ** attempt, call.signal)
  }
}

async function pauseFor(run: Run, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await pause(run.graph.timers, ms, signal)
  } catch (reason) {
    throw InferenceError.from(reason)
  }
}

function broken({ step, node }: StepCall): Outcome {
  const text = `the circuit breaker of step '${step.key}' of node '${node}' is open`
  return answer(503, Payload.ofText(JSON.stringify({ error: text })))
}

/** @throws InferenceError where the signal fired */
async function callOnce(run: Run, call: StepCall): Promise<Outcome> {
  const { timeoutMs = Infinity } = call.step.options
  const mostMs = Math.min(timeoutMs, (run.graph.spec.timeouts.serviceClient ?? Infinity) * 1000)
  if (mostMs !== Infinity) {
    return timed(run, call.step, mostMs, call.signal, async (signal) =>
      answered(await run.graph.call({ ...call, signal })),
    )
  }
  try {
    return answered(await run.graph.call(call))
  } catch (reason) {
    return failed(run, call.signal, reason)
  }
}

function answered({ status, payload }: StepReply): Outcome {
  return answer(status, payload)
}

async function timed(
  run: Run,
  step: GraphStep,
  timeoutMs: number,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<Outcome>,
): Promise<Outcome> {
  const late = (): Error =>
    new InferenceError(
      'deadline_exceeded',
      `${postTo(step)}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
    )
  try {
    return await within(run.graph.timers, timeoutMs, signal, late, work)
  } catch (reason) {
    return failed(run, signal, reason)
  }
}

/** In the words of Go's HTTP client. */
function postTo({ target }: GraphStep): string {
  return `Post ${JSON.stringify(target.kind === 'url' ? target.url : targetText(target))}`
}

/** A rejection as a fault of the step. @throws where it is the end of the request: nobody waits, or too many steps */
function failed(run: Run, signal: AbortSignal, reason: unknown): Outcome {
  if (signal.aborted) throw InferenceError.from(reasonOf(signal))
  const { exhausted } = run.spent
  if (exhausted !== undefined && reason === exhausted) throw exhausted
  return fault(messageOf(reason))
}

/** True where a Hard step's outcome is the outcome of its node. */
export function decides(step: GraphStep, outcome: Outcome): boolean {
  return outcome.kind === 'answer' && step.dependency === 'Hard' && !isSuccess(outcome)
}
