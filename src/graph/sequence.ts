/** Sequence: one step after the other, each with the input or with what an earlier one answered. */
import { InferenceError, messageOf } from '../core/errors.ts'
import { mergeAnswers, mergeOutputs } from './merge.ts'
import { answer, fault } from './outcome.ts'
import type { Answer, Outcome } from './outcome.ts'
import { Payload } from './payload.ts'
import type { Run } from './run.ts'
import { soften } from './select.ts'
import { shadow } from './shadow.ts'
import type { DataSource, GraphNode, GraphStep } from './spec.ts'
import { decides, passOver, runStep } from './step.ts'

const nothing = Payload.ofText('')

/**
 * Runs the steps in their order. Ends early where a condition does not hold for the answer before it (which is then the
 * answer of the node, as 200), and where a Hard step answers outside 200–299.
 */
export async function runSequence(run: Run, node: GraphNode, input: Payload, signal: AbortSignal): Promise<Outcome> {
  const answers = new Map<string, Answer>()
  let last: Answer | undefined
  for (const step of node.steps) {
    const payload = dataFor(step, node, input, last, answers)
    if (!(payload instanceof Payload)) return payload
    const isTested = step.condition !== undefined && step.condition.text !== ''
    if (isTested) {
      const tested = test(step, last)
      if (tested === undefined) return fault('invalid response')
      if (!tested) {
        passOver(run, node, step)
        if (step.options.isShadow === true) continue
        return finish(node, answer(200, last?.payload ?? nothing), answers)
      }
    }
    if (step.options.isShadow === true) {
      shadow(run, node, step, payload)
      continue
    }
    const outcome = soften(run, step, await runStep(run, node, step, payload, signal, isTested))
    if (outcome.kind === 'fault' || decides(step, outcome)) return outcome
    last = outcome
    if (node.options.merge !== undefined || node.steps.some(({ data }) => data.from === 'step')) {
      answers.set(step.key, outcome)
    }
  }
  return finish(node, last ?? answer(0, nothing), answers)
}

/** Whether the condition holds for the answer before the step; undefined where there is none, or it is no JSON. */
function test({ condition }: GraphStep, last: Answer | undefined): boolean | undefined {
  if (last === undefined || !last.payload.isJson) return undefined
  return condition?.holds(last.payload.asText())
}

function dataFor(
  { key, data }: GraphStep,
  node: GraphNode,
  input: Payload,
  last: Answer | undefined,
  answers: ReadonlyMap<string, Answer>,
): Payload | Outcome {
  if (data.from === 'request') return input
  const source = data.from === 'response' ? last : answers.get(data.step)
  const place = `step '${key}' of node '${node.name}'`
  if (source === undefined) {
    return data.from === 'step' ? fault(`${place}: step '${data.step}' has not answered`) : input
  }
  if (data.path === undefined) return source.payload
  const raw = source.payload.isJson ? data.path.get(source.payload.asText()) : undefined
  return raw === undefined ? fault(`${place}: ${textOf(data)} leads to nothing in the answer`) : Payload.ofText(raw)
}

function textOf(data: DataSource): string {
  if (data.from === 'request') return '$request'
  const path = data.path === undefined ? '' : `.${data.path.text}`
  return data.from === 'response' ? `$response${path}` : `$steps.${data.step}${path}`
}

function finish({ name, options }: GraphNode, last: Answer, answers: ReadonlyMap<string, Answer>): Outcome {
  if (options.merge === undefined || answers.size === 0) return last
  try {
    const merged = options.merge === 'steps' ? mergeAnswers(answers) : mergeOutputs(answers)
    return answer(last.status, merged)
  } catch (reason) {
    return fault(`the answers of node '${name}' cannot be merged: ${messageOf(InferenceError.from(reason))}`)
  }
}
