/** Errors on OpenAI's routes, in its shape. */
import { encodeOpenAiError } from '../codec/openai-error.ts'
import { InferenceError, type ErrorCode } from '../core/errors.ts'
import type { ErrorShape } from './answer.ts'

/** What clients of OpenAI look for: a `code` that tells an unknown model from an unknown path. */
export const openAiShape: ErrorShape = ({ status, message, error }) => {
  const details = error.code === 'not_found' ? { param: 'model', code: 'model_not_found' } : {}
  return encodeOpenAiError(status, message, details)
}

/** The shape of errors that no route answers, by the path. */
export function shapeAt(url: string): ErrorShape | undefined {
  return url.startsWith('/openai/') ? openAiShape : undefined
}

const codes: ReadonlyMap<number, ErrorCode> = new Map([
  [401, 'unauthenticated'],
  [403, 'permission_denied'],
  [404, 'not_found'],
  [408, 'deadline_exceeded'],
  [429, 'resource_exhausted'],
  [499, 'cancelled'],
  [501, 'unimplemented'],
  [502, 'unavailable'],
  [503, 'unavailable'],
  [504, 'deadline_exceeded'],
])

/** As what an answer that was passed on counts; undefined where it is none of an error. */
export function errorOfStatus(status: number): InferenceError | undefined {
  if (status < 400) return undefined
  const code = codes.get(status) ?? (status < 500 ? 'invalid_argument' : 'internal')
  return new InferenceError(code, `the model answered with status ${status}`)
}
