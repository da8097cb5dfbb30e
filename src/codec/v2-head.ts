/** How the JSON bodies of V2 begin: with the id, and in answers with the model. */
import type { InferenceRequest, InferenceResponse } from '../core/inference.ts'
import type { JsonWriter } from './json-writer.ts'

/** Opens the object and writes the `id`, where there is one, with a comma behind it. */
export function openWithId(writer: JsonWriter, { id }: InferenceRequest | InferenceResponse): void {
  writer.raw('{')
  if (id === undefined || id === '') return
  writer.raw('"id":')
  writer.string(id)
  writer.raw(',')
}

/** Opens an answer: `id`, `model_name` and `model_version`, with no comma behind them. */
export function openAnswer(writer: JsonWriter, response: InferenceResponse): void {
  openWithId(writer, response)
  writer.raw('"model_name":')
  writer.string(response.model.name)
  writer.raw(',"model_version":')
  writer.string(response.model.version)
}
