/** The condition of a step: KServe's test for existence, or, where a graph asks for it, a test for truth. */
import { compileGjson } from './gjson.ts'
import { meets, parseQuery } from './gjson-query.ts'
import { parseValue } from './gjson-value.ts'

export interface Condition {
  readonly text: string
  readonly isTruth: boolean
  /** @param json valid JSON */
  holds(json: string): boolean
}

/** Holds where the GJSON path leads to something: false, null and 0 included. */
export function existenceCondition(text: string): Condition {
  const path = compileGjson(text)
  return { text, isTruth: false, holds: (json) => path.exists(json) }
}

/**
 * Holds where the GJSON path leads to something that is not false, null, 0, '' or empty; a comparison behind the path
 * (`input.userId == 1`) must be met. Braces around, as in KServe's documentation (`{ .input.userId == 1 }`), do not count.
 */
export function truthCondition(text: string): Condition {
  const bare = text.trim().replace(/^\{\s*\.(.*)\}$/s, '$1')
  if (bare === '@this') return { text, isTruth: true, holds: () => true } // how a default branch is written
  const found = parseQuery(`#(${bare})`)
  if (found === undefined || found.length !== bare.length + 3) {
    const path = compileGjson(bare)
    return { text, isTruth: true, holds: (json) => isTrue(path.get(json)) }
  }
  const { query } = found
  const path = compileGjson(query.path)
  const get = query.path === '' ? (json: string) => json : (json: string) => path.get(json)
  if (query.operator === '') return { text, isTruth: true, holds: (json) => isTrue(get(json)) }
  return { text, isTruth: true, holds: (json) => meets(query, parseValue(get(json) ?? '')) }
}

function isTrue(raw: string | undefined): boolean {
  if (raw === undefined) return false
  return !/^\s*(?:false|null|-?0+(?:\.0+)?(?:[eE][+-]?\d+)?|""|\[\s*\]|\{\s*\})?\s*$/.test(raw)
}

/** What a condition always or never does, whatever the document; undefined where that depends. */
export interface Verdict {
  readonly always: boolean
  readonly reason: string
}

/** Looks for the traps of existence conditions: what holds for every document, and what can hold for none. */
export function judgeExistence(text: string): Verdict | undefined {
  const trimmed = text.trim()
  if (text === '') return { always: false, reason: 'an empty condition never holds; for a default branch write @this' }
  if (/^[{[]/.test(text) && !/[}\]]\s*[.|]/.test(text)) {
    const reason = 'is a GJSON multipath, which exists for every document; write the path without its brackets'
    return { always: true, reason: `'${text}' ${reason}` }
  }
  if (/#$/.test(trimmed) && /\)#$/.test(trimmed)) {
    return { always: true, reason: `'${text}' ends in )#, which finds an empty list where nothing fits; drop the #` }
  }
  if (/(^|[.|])#$/.test(trimmed)) {
    return { always: true, reason: `'${text}' counts elements: the count exists even where it is 0` }
  }
  if (text.startsWith('!') && text.length > 1) return { always: true, reason: `'${text}' is a literal` }
  if (text.startsWith('$')) return { always: false, reason: `'${text}': a GJSON path starts without $` }
  if (/^\.[^.]/.test(text)) return { always: false, reason: `'${text}': a GJSON path starts without a dot` }
  if (hasOpenQuery(text)) return { always: false, reason: `'${text}' has a query that does not close` }
  if (/[=<>]|!=/.test(outsideOfQueries(text))) {
    const example = '[@this].#(name=="value")'
    return { always: false, reason: `'${text}' compares outside of #(…), so it is the name of a key; write ${example}` }
  }
  return undefined
}

function hasOpenQuery(text: string): boolean {
  const at = text.search(/#[([]/)
  return at !== -1 && parseQuery(text.slice(at)) === undefined
}

/** The text without its queries and without escaped characters. */
function outsideOfQueries(text: string): string {
  let out = ''
  for (let pos = 0; pos < text.length;) {
    const query = /^#[([]/.test(text.slice(pos, pos + 2)) ? parseQuery(text.slice(pos)) : undefined
    if (query === undefined) {
      if (text[pos] === '\\') pos += 1
      else out += text.charAt(pos)
      pos += 1
    } else pos += query.length
  }
  return out
}
