/** Small JSON bodies: settings and parameters, not tensors. */
import { InferenceError, messageOf } from '../core/errors.ts'

export type JsonObject = Readonly<Record<string, unknown>>

/**
 * The body as an object; empty where there is none.
 *
 * @throws InferenceError `invalid_argument` where it is anything else
 */
export function readJsonObject(body: unknown): JsonObject {
  if (!(body instanceof Uint8Array) || body.length === 0) return {}
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString())
  } catch (reason) {
    throw new InferenceError('invalid_argument', `failed to parse the request JSON: ${messageOf(reason)}`)
  }
  return objectOf(value, 'the body')
}

/**
 * The member `parameters` of a body; empty where it has none.
 *
 * @throws InferenceError `invalid_argument` where it is no object
 */
export function readParameters({ parameters }: JsonObject): JsonObject {
  return parameters === undefined || parameters === null ? {} : objectOf(parameters, `'parameters'`)
}

function objectOf(value: unknown, what: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as JsonObject // what is left of JSON: an object with text keys
  }
  throw new InferenceError('invalid_argument', `${what} must be a JSON object`)
}
