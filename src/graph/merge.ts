/** Several answers as one: by step, or as one answer with all outputs. Numbers stay as they were written. */
import type { InferenceResponse } from '../core/inference.ts'
import type { Tensor } from '../core/tensor.ts'
import { goString } from './gjson-scan.ts'
import type { Answer } from './outcome.ts'
import { Payload } from './payload.ts'

/** `{"<step>": <its answer>, …}` in the order of the steps; what is no JSON goes in as a string. */
export function mergeAnswers(answers: ReadonlyMap<string, Answer>): Payload {
  const members = Array.from(answers, ([key, { payload }]) => {
    const text = payload.asText()
    return `${goString(key)}:${payload.isJson ? text : goString(text)}`
  })
  return Payload.ofText(`{${members.join(',')}}`)
}

/**
 * One answer with the outputs of all; of equal names the last one counts.
 *
 * @throws InferenceError `invalid_argument` where an answer holds no tensors
 */
export function mergeOutputs(answers: ReadonlyMap<string, Answer>): Payload {
  const outputs = new Map<string, Tensor>()
  let last: InferenceResponse | undefined
  for (const { payload } of answers.values()) {
    last = payload.asResponse()
    for (const output of last.outputs) outputs.set(output.name, output)
  }
  if (last === undefined) return Payload.ofText('{}')
  return Payload.ofResponse({ ...last, outputs: [...outputs.values()] }, 'v2')
}
