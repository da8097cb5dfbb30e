/** What OpenAI answers tell of their tokens. Pure. */

/** Tokens of one request; a count that was not told is absent. */
export interface TokenUsage {
  readonly promptTokens?: number
  readonly completionTokens?: number
}

/**
 * The usage that an answer, or one event of a stream, tells: that of chat and completions (`prompt_tokens`), or of responses
 * (`input_tokens`, there within `response` in events).
 *
 * @returns undefined where it tells none, or is no JSON
 */
export function usageOf(json: string): TokenUsage | undefined {
  if (!json.includes('"usage"')) return undefined
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return undefined // an error page, a cut answer: it is passed on, and tells nothing
  }
  const usage = member(value, 'usage') ?? member(member(value, 'response'), 'usage')
  const prompt = count(usage, 'prompt_tokens') ?? count(usage, 'input_tokens')
  const completion = count(usage, 'completion_tokens') ?? count(usage, 'output_tokens')
  if (prompt === undefined && completion === undefined) return undefined
  return {
    ...(prompt === undefined ? {} : { promptTokens: prompt }),
    ...(completion === undefined ? {} : { completionTokens: completion }),
  }
}

/**
 * The same, of the end of an answer that is too long to be read as a whole. Within texts the quotes of such names are escaped.
 */
export function usageInTail(tail: string): TokenUsage | undefined {
  const prompt = /"(?:prompt|input)_tokens":\s*(\d{1,15})/.exec(tail)?.[1]
  const completion = /"(?:completion|output)_tokens":\s*(\d{1,15})/.exec(tail)?.[1]
  if (prompt === undefined && completion === undefined) return undefined
  return {
    ...(prompt === undefined ? {} : { promptTokens: Number(prompt) }),
    ...(completion === undefined ? {} : { completionTokens: Number(completion) }),
  }
}

/** True where an event of a stream brings text: not the role alone, not the reason of the end. */
export function bringsText(data: string): boolean {
  return /"(?:content|text|delta|reasoning|reasoning_content|arguments|partial_json)":\s*"(?!")/.test(data)
}

function member(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined // any object has members
}

function count(usage: unknown, key: string): number | undefined {
  const value = member(usage, key)
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}
