/** Switch and Splitter: one of several steps answers. */
import { existenceCondition } from './condition.ts'
import { fault, faultBody, answer } from './outcome.ts'
import type { Outcome } from './outcome.ts'
import type { Payload } from './payload.ts'
import type { Run } from './run.ts'
import { shadowAll } from './shadow.ts'
import { InferenceError } from '../core/errors.ts'
import type { GraphNode, GraphStep } from './spec.ts'
import { passOver, runStep } from './step.ts'

/** In the words of KServe's router. */
const noRoute = 'None of the routes matched with the switch condition'
/** A step without a condition is looked up under the name '', as the router does. */
const unconditional = existenceCondition('')

/** Runs the first step whose condition holds for the input; 404 where none does. */
export function runSwitch(run: Run, node: GraphNode, input: Payload, signal: AbortSignal): Promise<Outcome> {
  shadowAll(run, node, input)
  const taken = input.isJson ? pickByCondition(run, node, input) : undefined
  if (taken !== undefined) return finish(run, taken, runStep(run, node, taken, input, signal, true))
  const other = node.steps.find(({ key }) => key === node.options.default)
  if (other !== undefined) return finish(run, other, runStep(run, node, other, input, signal))
  return Promise.resolve(fault(noRoute, 404))
}

function pickByCondition(run: Run, node: GraphNode, input: Payload): GraphStep | undefined {
  const text = input.asText()
  for (const step of node.steps) {
    if (step.options.isShadow === true) continue
    if ((step.condition ?? unconditional).holds(text)) return step
    passOver(run, node, step)
  }
  return undefined
}

/** A fault of a Soft step is an answer where the graph keeps going. */
async function finish(run: Run, step: GraphStep, work: Promise<Outcome>): Promise<Outcome> {
  return soften(run, step, await work)
}

/** A fault of a Soft step as an answer of its status, where the graph is to keep going. */
export function soften(run: Run, step: GraphStep, outcome: Outcome): Outcome {
  if (outcome.kind === 'answer' || !run.graph.spec.options.keepsGoing || step.dependency === 'Hard') return outcome
  return answer(outcome.status, faultBody(outcome))
}

/** Runs one step, drawn by weight, or by a header's value where the node sticks to one. */
export async function runSplitter(run: Run, node: GraphNode, input: Payload, signal: AbortSignal): Promise<Outcome> {
  shadowAll(run, node, input)
  const candidates = node.steps.filter(({ options }) => options.isShadow !== true)
  if (candidates.some(({ weight }) => weight === undefined)) {
    throw new InferenceError('internal', `a step of Splitter '${node.name}' has no weight`)
  }
  const sticky = node.options.stickyHeader === undefined ? undefined : headerOf(run, node.options.stickyHeader)
  const step = pickByWeight(
    candidates,
    sticky === undefined ? run.graph.pickPercent() : percentOf(`${node.name}\n${sticky}`),
  )
  if (step === undefined) return fault(`no step of Splitter '${node.name}' was drawn: its weights do not sum to 100`)
  return soften(run, step, await runStep(run, node, step, input, signal))
}

function pickByWeight(steps: readonly GraphStep[], point: number): GraphStep | undefined {
  let end = 0
  for (const step of steps) {
    end += step.weight ?? 0
    if (point < end) return step
  }
  return undefined
}

function headerOf(run: Run, name: string): string | undefined {
  const found = Object.entries(run.incoming).find(([key]) => key.toLowerCase() === name)?.[1]
  return typeof found === 'string' ? found : found?.[0]
}

/** 0 to 99, the same for the same text everywhere (FNV-1a). */
function percentOf(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text, 'utf8')) hash = Math.imul(hash ^ byte, 0x01000193)
  hash ^= hash >>> 16
  hash = Math.imul(hash, 0x7feb352d)
  hash ^= hash >>> 15
  return (hash >>> 0) % 100
}
