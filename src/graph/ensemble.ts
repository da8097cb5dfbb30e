/** Ensemble: all steps at once with the same input, and one answer of all of theirs. */
import { InferenceError, messageOf } from '../core/errors.ts'
import { combine } from './combine.ts'
import { readGoObject, writeGoJson } from './go-json.ts'
import type { Json } from './go-json.ts'
import { mergeAnswers } from './merge.ts'
import { answer, fault, isSuccess } from './outcome.ts'
import type { Answer, Fault, Outcome } from './outcome.ts'
import { Payload } from './payload.ts'
import type { Run } from './run.ts'
import { soften } from './select.ts'
import { shadowAll } from './shadow.ts'
import type { GraphNode, GraphStep } from './spec.ts'
import { decides, runStep } from './step.ts'
import { reasonOf } from './timers.ts'

/** What came of one member: its answer, with the object that its body is. */
interface Member {
  readonly step: GraphStep
  readonly answer: Answer
  readonly value: Json
}

/**
 * Runs all steps at once. The answer is an object by step, written as Go does; or what `combine` makes of the tensors. The
 * first Hard step (in their order) that answers outside 200–299 decides with its own answer, and ends the others.
 */
export async function runEnsemble(run: Run, node: GraphNode, input: Payload, outer: AbortSignal): Promise<Outcome> {
  shadowAll(run, node, input)
  const inner = new AbortController()
  const onAbort = (): void => inner.abort(reasonOf(outer))
  outer.addEventListener('abort', onAbort, { once: true })
  if (outer.aborted) onAbort()
  try {
    const steps = node.steps.filter(({ options }) => options.isShadow !== true)
    return await gather(run, node, steps, (step) => runStep(run, node, step, input, inner.signal))
  } finally {
    outer.removeEventListener('abort', onAbort)
    if (!inner.signal.aborted) inner.abort(new InferenceError('cancelled', `node '${node.name}' is decided`))
  }
}

/** Looks at the answers in the order of the steps; a fault is the outcome as soon as it is there. */
async function gather(
  run: Run,
  node: GraphNode,
  steps: readonly GraphStep[],
  start: (step: GraphStep) => Promise<Outcome>,
): Promise<Outcome> {
  let giveFault: (fault: Fault) => void = () => undefined
  const faulted = new Promise<Fault>((resolve) => (giveFault = resolve))
  const isExact = node.options.combine !== undefined || run.graph.spec.options.keepsGoing
  const pending = steps.map(async (step) => {
    const outcome = soften(run, step, await start(step))
    const member = outcome.kind === 'fault' ? outcome : isExact ? memberOf(step, outcome) : readMember(step, outcome)
    if (!('kind' in member)) return member
    giveFault(member)
    return faulted
  })
  void Promise.allSettled(pending) // one that is not looked at any more may reject
  const members: Member[] = []
  for (const [index, step] of steps.entries()) {
    const member = await Promise.race([faulted, pending[index] ?? faulted])
    if ('kind' in member) return member
    if (decides(step, member.answer)) return isExact ? member.answer : reencoded(member)
    members.push(member)
  }
  return join(node, members, isExact)
}

function memberOf(step: GraphStep, given: Answer): Member {
  return { step, answer: given, value: null }
}

function readMember(step: GraphStep, given: Answer): Member | Fault {
  let text: string
  try {
    text = given.payload.asText()
  } catch (reason) {
    return fault(messageOf(reason))
  }
  const body = readGoObject(text)
  return 'error' in body ? fault(body.error) : { step, answer: given, value: body.value }
}

/** The router writes anew what it has read. */
function reencoded({ answer: { status }, value }: Member): Answer {
  return answer(status, Payload.ofText(writeGoJson(value)))
}

function join(node: GraphNode, members: readonly Member[], isExact: boolean): Outcome {
  const { combine: options } = node.options
  if (options === undefined) {
    if (isExact) return answer(200, mergeAnswers(new Map(members.map(({ step, answer }) => [step.key, answer]))))
    const body: Record<string, Json> = Object.create(null) as Record<string, Json> // so that any name is just a name
    for (const { step, value } of members) body[step.key] = value
    return answer(200, Payload.ofText(writeGoJson(body)))
  }
  const good = members.filter((member) => isSuccess(member.answer))
  const [first] = good
  if (first === undefined) return fault(`no member of Ensemble '${node.name}' answered with a status from 200 to 299`)
  try {
    const responses = good.map(({ step, answer: { payload } }) => ({ key: step.key, response: payload.asResponse() }))
    const format = first.answer.payload.responseFormat ?? 'v2'
    return answer(200, Payload.ofResponse(combine(responses, options), format))
  } catch (reason) {
    const why = messageOf(InferenceError.from(reason))
    return fault(`the answers of Ensemble '${node.name}' cannot be combined: ${why}`)
  }
}
