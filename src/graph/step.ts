/** Runs one step: maps its request, calls its service or node, tries again where the graph says so, and tells of it. */
import { InferenceError, messageOf } from '../core/errors.ts'
import { mapPredictions, mapTensors } from './mapping.ts'
import { answer, fault, isSuccess, nested } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import { Payload } from './payload.ts'
import type { Run, StepCall } from './run.ts'
import type { GraphNode, GraphStep } from './spec.ts'
import { pause, reasonOf, within } from './timers.ts'
import { conditionOf, targetText, told } from './trace.ts'
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
export async function runStep(
  run: Run,
  node: GraphNode,
  step: GraphStep,
  payload: Payload,
  signal: AbortSignal,
  isTested = false,
): Promise<Outcome> {
  if (signal.aborted) throw InferenceError.from(reasonOf(signal))
  run.steps += 1
  if (run.steps > run.spec.options.maxSteps) {
    const most = run.spec.options.maxSteps
    run.exhausted ??= new InferenceError('resource_exhausted', `the graph ran more than ${most} steps for one request`)
    throw run.exhausted
  }
  if (run.record === undefined) return perform(run, node, step, payload, signal, { calls: 0 })
  const startMs = run.timers.now()
  const count = { calls: 0 }
  const tell = (what: Pick<StepRecord, 'outcome' | 'status' | 'cause'>): void => {
    run.record?.({
      ...placeOf(node, step),
      ...what,
      ...conditionOf(step, isTested),
      startMs: startMs - run.startedMs,
      durationMs: run.timers.now() - startMs,
      ...(step.target.kind === 'node' ? {} : count),
    })
  }
  try {
    const outcome = await perform(run, node, step, payload, signal, count)
    tell(told(outcome))
    return outcome
  } catch (reason) {
    tell({ outcome: 'cancelled', cause: messageOf(reason) })
    throw reason
  }
}

export function placeOf(node: GraphNode, step: GraphStep): Pick<StepRecord, 'node' | 'step' | 'target'> {
  return { node: node.name, step: step.key, target: targetText(step.target) }
}

/** Tells of a step whose condition did not hold. */
export function passOver(run: Run, node: GraphNode, step: GraphStep): void {
  run.record?.({
    ...placeOf(node, step),
    outcome: 'passed over',
    ...(step.condition === undefined ? {} : { condition: { text: step.condition.text, holds: false } }),
    startMs: run.timers.now() - run.startedMs,
    durationMs: 0,
  })
}

async function perform(
  run: Run,
  node: GraphNode,
  step: GraphStep,
  payload: Payload,
  signal: AbortSignal,
  count: { calls: number },
): Promise<Outcome> {
  let sent: Payload
  try {
    sent = mapped(step, payload)
  } catch (reason) {
    return fault(`step '${step.key}' of node '${node.name}': ${messageOf(reason)}`)
  }
  const { target } = step
  if (target.kind === 'node') {
    if (run.steps % freshStackEvery === 0) await Promise.resolve()
    const route = (inner: AbortSignal): Promise<Outcome> => run.route(run, target.name, sent, inner)
    const { timeoutMs } = step.options
    return nested(timeoutMs === undefined ? await route(signal) : await timed(run, step, timeoutMs, signal, route))
  }
  return callWithRetries(run, { node: node.name, step, target, payload: sent, headers: run.headers, signal }, count)
}

function mapped(step: GraphStep, payload: Payload): Payload {
  const { mapping } = step.options
  const first = step.mapsPredictions ? mapPredictions(payload) : payload
  return mapping !== undefined && step.data.from !== 'request' ? mapTensors(first, mapping) : first
}

async function callWithRetries(run: Run, call: StepCall, count: { calls: number }): Promise<Outcome> {
  const { retries } = call.step.options
  const breaker = run.breakers.of(call.step)
  for (let attempt = 0; ; attempt += 1) {
    if (breaker?.admit(run.timers.now()) === false) return broken(call)
    let outcome: Outcome
    try {
      count.calls += 1
      outcome = await callOnce(run, call)
    } catch (reason) {
      breaker?.withdraw()
      throw reason
    }
    const isFailure = outcome.kind === 'fault' || outcome.status >= 500
    breaker?.report(isFailure, run.timers.now())
    const isWorthIt = outcome.kind === 'fault' || retries?.statuses.includes(outcome.status) === true
    if (retries === undefined || !isWorthIt || attempt >= retries.attempts) return outcome
    await pauseFor(run, retries.backoffMs * 2 ** attempt, call.signal)
  }
}

async function pauseFor(run: Run, ms: number, signal: AbortSignal): Promise<void> {
  try {
    await pause(run.timers, ms, signal)
  } catch (reason) {
    throw InferenceError.from(reason)
  }
}

function broken({ step, node }: StepCall): Outcome {
  const text = `the circuit breaker of step '${step.key}' of node '${node}' is open`
  return answer(503, Payload.ofText(JSON.stringify({ error: text })))
}

/** @throws InferenceError where the signal fired */
function callOnce(run: Run, call: StepCall): Promise<Outcome> {
  const seconds = run.spec.timeouts.serviceClient
  const limits = [call.step.options.timeoutMs, seconds === undefined ? undefined : seconds * 1000]
  const timeoutMs = Math.min(...limits.map((limit) => limit ?? Infinity))
  const work = async (signal: AbortSignal): Promise<Outcome> => {
    const { status, payload } = await run.call(signal === call.signal ? call : { ...call, signal })
    return answer(status, payload)
  }
  return timeoutMs === Infinity
    ? settled(run, call.signal, work(call.signal))
    : timed(run, call.step, timeoutMs, call.signal, work)
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
  return settled(run, signal, within(run.timers, timeoutMs, signal, late, work))
}

/** In the words of Go's HTTP client. */
function postTo({ target }: GraphStep): string {
  return `Post ${JSON.stringify(target.kind === 'url' ? target.url : targetText(target))}`
}

/** A rejection as a fault of the step, or as the end of the request where nobody waits any more. */
async function settled(run: Run, signal: AbortSignal, work: Promise<Outcome>): Promise<Outcome> {
  try {
    return await work
  } catch (reason) {
    if (signal.aborted) throw InferenceError.from(reasonOf(signal))
    if (reason === run.exhausted) throw reason
    return fault(messageOf(reason))
  }
}

/** True where a Hard step's outcome is the outcome of its node. */
export function decides(step: GraphStep, outcome: Outcome): boolean {
  return outcome.kind === 'answer' && step.dependency === 'Hard' && !isSuccess(outcome)
}
