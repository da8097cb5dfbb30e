/** Answers as requests: KServe's `mapPredictionsToInstances`, and the mapping that knows tensors. */
import type { InferenceRequest } from '../core/inference.ts'
import { readGoObject, writeGoJson } from './go-json.ts'
import { Payload } from './payload.ts'
import type { MappingOptions } from './spec.ts'

/**
 * A body with a non-empty array `predictions` as `{"instances": …}`, without its other members and with numbers as Go writes
 * 64-bit floats; any other body as it is. Tensors stay tensors, and exact.
 */
export function mapPredictions(payload: Payload): Payload {
  if (payload.isTensors && payload.responseFormat === 'v1-row') {
    const { outputs } = payload.asResponse()
    if ((outputs[0]?.shape[0] ?? 0) > 0) return requestOf(payload, 'v1-row', new Map())
  }
  if (!payload.isJson) return payload
  const body = readGoObject(payload.asText())
  if ('error' in body) return payload
  const predictions = body.value?.['predictions']
  if (!Array.isArray(predictions) || predictions.length === 0) return payload
  return Payload.ofText(writeGoJson({ instances: predictions }))
}

/**
 * The answer of one model as the request for another: outputs become inputs. What is no answer stays as it is.
 *
 * @throws InferenceError `invalid_argument` where the tensors of an answer cannot be read
 */
export function mapTensors(payload: Payload, { protocol, rename }: MappingOptions): Payload {
  const format = payload.responseFormat
  if (format === undefined) return payload
  return requestOf(payload, protocol === 'auto' ? format : protocol === 'v1' ? 'v1-row' : 'v2', rename)
}

function requestOf(
  payload: Payload,
  format: 'v1-row' | 'v1-columnar' | 'v2',
  rename: ReadonlyMap<string, string>,
): Payload {
  const { id, outputs } = payload.asResponse()
  const inputs = outputs.map((output) => {
    const name = rename.get(output.name)
    return name === undefined ? output : { ...output, name }
  })
  const request: InferenceRequest = { ...(id === undefined ? {} : { id }), model: { name: '' }, inputs }
  return Payload.ofRequest(request, format, true)
}
