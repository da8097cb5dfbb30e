/** Text tensors as OpenAI completions: the requests of `generate` and `infer` out, answers and events in. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest } from '../core/inference.ts'
import { errorMessageOf } from './openai-error.ts'
import { usageOf, type TokenUsage } from './openai-usage.ts'

/** Names of the tensors, as those of Triton's vLLM backend. */
export const textInput = 'text_input'
export const textOutput = 'text_output'
/** Further options of the completion, as the text of a JSON object. */
export const samplingParameters = 'sampling_parameters'

/** Parameters for this server, or told by the body itself. */
const own =
  /^(id|model|prompt|stream|stream_options|timeout|priority|headers|sequence_.*|binary_data_output|triton_.*)$/

/**
 * Writes the body of `POST /v1/completions`: `text_input` as the prompt, every parameter by its name.
 *
 * @throws InferenceError `invalid_argument` where the text is missing or no UTF-8, or a stream has several prompts
 */
export function encodeCompletionRequest(request: InferenceRequest, model: string, isStream: boolean): Uint8Array {
  const prompts = textsOf(request, textInput)
  if (prompts.length === 0) throw invalid(`input '${textInput}' must hold at least one text`)
  if (isStream && prompts.length > 1) {
    throw invalid(`a stream answers one text; input '${textInput}' holds ${prompts.length}`)
  }
  const parameters = Object.entries(request.parameters ?? {}).filter(([name]) => !own.test(name))
  const sampling = textsOf(request, samplingParameters).map(readOptions)
  const body = {
    ...Object.fromEntries(parameters),
    ...sampling.reduce((joined, options) => ({ ...joined, ...options }), {}),
    model,
    prompt: prompts.length === 1 ? prompts[0] : prompts,
    ...(isStream ? { stream: true } : {}),
  }
  return Buffer.from(JSON.stringify(body))
}

export interface Completion {
  /** In the order of the prompts. */
  readonly texts: readonly string[]
  /** `stop`, `length`, …, of the first one; '' where it is not told. */
  readonly finishReason: string
  readonly usage: TokenUsage
}

/** @throws InferenceError `internal` where it is no completion */
export function decodeCompletion(body: Uint8Array): Completion {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()
  const choices = choicesOf(parse(text))
  if (choices === undefined) throw notReadable(text)
  const ordered = choices.toSorted((left, right) => Number(left['index'] ?? 0) - Number(right['index'] ?? 0))
  return {
    texts: ordered.map((choice) => textIn(choice)),
    finishReason: finishOf(ordered[0]),
    usage: usageOf(text) ?? {},
  }
}

/** What one event of a stream brings. */
export type CompletionEvent =
  | { readonly kind: 'text'; readonly text: string; readonly finishReason: string; readonly usage: TokenUsage }
  | { readonly kind: 'done' }

/**
 * @param data of the event
 * @throws InferenceError `unavailable` with the text of an error that the server tells; `internal` where it is no event of a completion
 */
export function decodeCompletionEvent(data: string): CompletionEvent {
  if (data.trim() === '[DONE]') return { kind: 'done' }
  const value = parse(data)
  const choices = choicesOf(value)
  if (choices === undefined) {
    if (isRecord(value) && ('error' in value || value['object'] === 'error')) {
      throw new InferenceError('unavailable', errorMessageOf(data))
    }
    throw notReadable(data)
  }
  const [choice] = choices
  return { kind: 'text', text: textIn(choice), finishReason: finishOf(choice), usage: usageOf(data) ?? {} }
}

function textsOf({ inputs }: InferenceRequest, name: string): readonly string[] {
  const input = inputs.find((tensor) => tensor.name === name)
  if (input === undefined) return []
  if (input.datatype !== 'BYTES') throw invalid(`input '${name}' must be BYTES, got ${input.datatype}`)
  return input.data.map((element) => {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(element)
    } catch {
      throw invalid(`input '${name}': its texts must be UTF-8`)
    }
  })
}

function readOptions(text: string): object {
  const options = parse(text)
  if (isRecord(options)) return options
  throw invalid(`input '${samplingParameters}' must be the text of a JSON object`)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function choicesOf(value: unknown): readonly Record<string, unknown>[] | undefined {
  const choices = isRecord(value) ? value['choices'] : undefined
  return Array.isArray(choices) && choices.every(isRecord) ? choices : undefined
}

/** Of a completion, or of a chat where a server answers so. */
function textIn(choice: Record<string, unknown> | undefined): string {
  const message = choice?.['message'] ?? choice?.['delta']
  const text = choice?.['text'] ?? (isRecord(message) ? message['content'] : undefined)
  return typeof text === 'string' ? text : ''
}

function finishOf(choice: Record<string, unknown> | undefined): string {
  const reason = choice?.['finish_reason']
  return typeof reason === 'string' ? reason : ''
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function notReadable(text: string): InferenceError {
  return new InferenceError('internal', `the answer is no completion: ${text.slice(0, 100)}`)
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
