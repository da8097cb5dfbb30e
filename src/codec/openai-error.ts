/** Errors in OpenAI's shape: `{"error":{"message","type","param","code"}}`. */

/** By status, as OpenAI and vLLM name them; clients of OpenAI tell errors apart by status and `code`. */
const types: ReadonlyMap<number, string> = new Map([
  [401, 'authentication_error'],
  [403, 'permission_error'],
  [404, 'not_found_error'],
  [408, 'timeout_error'],
  [429, 'rate_limit_error'],
  [499, 'request_cancelled'],
  [503, 'service_unavailable_error'],
  [504, 'timeout_error'],
])

export interface OpenAiErrorDetails {
  /** The member of the body that is wrong. */
  readonly param?: string
  /** Such as `model_not_found`; the status where there is none. */
  readonly code?: string
}

export function encodeOpenAiError(status: number, message: string, { param, code }: OpenAiErrorDetails = {}): string {
  const type = types.get(status) ?? (status < 500 ? 'invalid_request_error' : 'server_error')
  return JSON.stringify({ error: { message, type, param: param ?? null, code: code ?? String(status) } })
}

/** Longer texts are pages that somebody's gateway made. */
const longestText = 2000

/**
 * The message of an error that a server answered, whichever of the usual shapes it has; the text itself where it has none.
 *
 * @returns '' for an empty body
 */
export function errorMessageOf(body: string): string {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    return body.trim().slice(0, longestText)
  }
  for (const path of [['error', 'message'], ['error'], ['message'], ['detail']]) {
    const found = path.reduce<unknown>((inner, key) => memberOf(inner, key), value)
    if (typeof found === 'string' && found !== '') return found.slice(0, longestText)
  }
  return body.trim().slice(0, longestText)
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined // any object has members
}
