/** What a proxy must know of an OpenAI request body: which model, and whether it streams. The rest is passed on as it came. */
import { InferenceError } from '../core/errors.ts'
import { JsonReader } from './json-reader.ts'
import { ascii } from './json-string.ts'

export interface OpenAiCall {
  /** Undefined where the body names none. */
  readonly model: string | undefined
  /** Where names of models stand in the body, in bytes, quotes included. */
  readonly modelSpans: readonly Span[]
  /** The answer shall come as server-sent events. */
  readonly isStream: boolean
}

export interface Span {
  readonly start: number
  readonly end: number
}

/**
 * Looks through a body without building its values. Of a name that is given twice, the last one counts, as to most readers.
 *
 * @throws InferenceError `invalid_argument` where it is no JSON object, or `model` no text
 */
export function scanOpenAiBody(body: Uint8Array): OpenAiCall {
  const reader = new JsonReader(body)
  if (reader.peek() !== ascii.openBrace) throw invalid('the body must be a JSON object')
  let model: string | undefined
  let isStream = false
  const modelSpans: Span[] = []
  for (let open = reader.openObject(); open; open = reader.nextMember()) {
    const key = reader.key()
    const next = reader.peek()
    if (key === 'model' && next !== ascii.lowerN) {
      if (next !== ascii.quote) throw invalid(`'model' must be a string, got ${reader.excerpt()}`)
      const start = reader.pos
      model = reader.string()
      modelSpans.push({ start, end: reader.pos })
    } else if (key === 'stream' && (next === ascii.lowerT || next === ascii.lowerF)) isStream = reader.boolean()
    else reader.skipValue()
  }
  reader.end()
  return { model, modelSpans, isStream }
}

/** The body with another name of the model; all else byte by byte as it was. Nothing is added where it names none. */
export function withModel(body: Uint8Array, { modelSpans }: OpenAiCall, model: string): Uint8Array {
  if (modelSpans.length === 0) return body
  const name = Buffer.from(JSON.stringify(model))
  const pieces: Uint8Array[] = []
  let from = 0
  for (const { start, end } of modelSpans) {
    pieces.push(body.subarray(from, start), name)
    from = end
  }
  pieces.push(body.subarray(from))
  return Buffer.concat(pieces)
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
