/** Headers of the caller as parameters of its request, where an operator says which. */
import type { InferenceRequest } from '../core/inference.ts'

/** Parameters that mean something to the protocol: a header of that name stays a header. */
const reserved = /^(sequence_id|sequence_start|sequence_end|priority|timeout|headers|binary_data_output|triton_.*)$/

/**
 * Adds each header whose whole name fits as a string parameter; a parameter of the request's own wins.
 *
 * @param headers names in lower case
 */
export function withForwardedHeaders(
  request: InferenceRequest,
  headers: Readonly<Record<string, string>>,
  pattern: RegExp,
): InferenceRequest {
  const forwarded = Object.entries(headers).filter(([name]) => fitsWhole(pattern, name) && !reserved.test(name))
  if (forwarded.length === 0) return request
  return { ...request, parameters: { ...Object.fromEntries(forwarded), ...request.parameters } }
}

function fitsWhole(pattern: RegExp, name: string): boolean {
  return pattern.exec(name)?.[0] === name
}

/**
 * The pattern of a setting, for whole names in any case.
 *
 * @throws SyntaxError where it is no regular expression
 */
export function headerPattern(text: string): RegExp {
  return new RegExp(`^(?:${text})$`, 'i')
}
