/** The conditions of GJSON queries: what stands in `#(…)` and whether a value meets it. */
import { matchesPattern } from './gjson-match.ts'
import { trimSpace, unescape } from './gjson-scan.ts'
import { exists, goParseFloat, textOf } from './gjson-value.ts'
import type { Value } from './gjson-value.ts'

export type Operator = '' | '=' | '!=' | '<' | '<=' | '>' | '>=' | '%' | '!%' | '!'

export interface Query {
  /** Path within the element; '' for the element itself. */
  readonly path: string
  /** '' asks for existence. */
  readonly operator: Operator
  readonly value: string
}

/** A query that could not be read: it takes the first scalar. */
export const brokenQuery: Query = { path: '', operator: '', value: '' }

/**
 * Reads a query.
 *
 * @param path a path that starts with `#(` or `#[`
 * @returns the query and how long it is with its brackets; undefined where its brackets do not close
 */
export function parseQuery(path: string): { readonly query: Query; readonly length: number } | undefined {
  let depth = 1
  let operatorAt = 0
  let hasEscape = false
  let pos = 2
  for (; pos < path.length; pos += 1) {
    const char = path.charAt(pos)
    if (depth === 1 && operatorAt === 0 && '!=<>%'.includes(char)) operatorAt = pos
    else if (char === '\\') pos += 1
    else if (char === '[' || char === '(') depth += 1
    else if (char === ']' || char === ')') {
      depth -= 1
      if (depth === 0) break
    } else if (char === '"') {
      const end = endOfQuoted(path, pos + 1)
      hasEscape ||= path.slice(pos, end).includes('\\')
      pos = end
    }
  }
  if (depth > 0) return undefined
  const length = pos + 1
  if (operatorAt === 0) return { query: { path: trimSpace(path.slice(2, pos)), operator: '', value: '' }, length }
  const { operator, rest } = splitOperator(trimSpace(path.slice(operatorAt, pos)))
  const value = unquote(trimSpace(rest), hasEscape)
  return { query: { path: trimSpace(path.slice(2, operatorAt)), operator, value }, length }
}

/** At the closing quote, or at the end. */
function endOfQuoted(path: string, start: number): number {
  let pos = start
  while (pos < path.length && path[pos] !== '"') pos += path[pos] === '\\' ? 2 : 1
  return pos
}

function splitOperator(text: string): { readonly operator: Operator; readonly rest: string } {
  if (text === '!') return { operator: '!', rest: '' }
  if (text.length > 1 && text.startsWith('==')) return { operator: '=', rest: text.slice(2) }
  for (const operator of ['!=', '!%', '<=', '>=', '<', '>', '=', '%'] as const) {
    if (text.startsWith(operator)) return { operator, rest: text.slice(operator.length) }
  }
  return { operator: '', rest: text }
}

function unquote(value: string, hasEscape: boolean): string {
  if (value.length < 2 || !value.startsWith('"') || !value.endsWith('"')) return value
  return hasEscape ? unescape(value.slice(1, -1)) : value.slice(1, -1)
}

/** True where a value, found at the query's path, meets the query. A value that does not exist meets `~` only. */
export function meets(query: Query, value: Value): boolean {
  if (query.value.startsWith('~')) {
    const truth = truthOf(query.value.slice(1), value)
    return truth !== undefined && (query.operator === '' || compareBoolean(query.operator, truth, 'true'))
  }
  if (!exists(value)) return false
  if (query.operator === '') return true
  switch (value.kind) {
    case 'string':
      return compareText(query.operator, textOf(value), query.value)
    case 'number':
      return compareNumber(query.operator, goParseFloat(value.raw), goParseFloat(query.value))
    case 'true':
    case 'false':
      return compareBoolean(query.operator, value.kind === 'true', query.value)
    case 'null':
    case 'json':
      return false
  }
}

/** Whether a value is like true, like false, like null, or there; undefined for an unknown word. */
function truthOf(word: string, value: Value): boolean | undefined {
  switch (word) {
    case '*':
      return exists(value)
    case 'null':
      return value.kind === 'null'
    case 'true':
      return isLike(value, true)
    case 'false':
      return value.kind === 'null' || isLike(value, false)
    default:
      return undefined
  }
}

function isLike(value: Value, wanted: boolean): boolean {
  if (value.kind === 'true' || value.kind === 'false') return (value.kind === 'true') === wanted
  if (value.kind === 'number') return (goParseFloat(value.raw) !== 0) === wanted
  if (value.kind !== 'string') return false
  return (wanted ? ['1', 't', 'true'] : ['0', 'f', 'false']).includes(textOf(value).toLowerCase())
}

function compareText(operator: Operator, left: string, right: string): boolean {
  if (operator === '%') return matchesPattern(left, right)
  if (operator === '!%') return !matchesPattern(left, right)
  return inOrder[operator]?.(order(left, right)) ?? false
}

function compareNumber(operator: Operator, left: number, right: number): boolean {
  // NaN differs from everything and is in no order.
  if (Number.isNaN(left) || Number.isNaN(right)) return operator === '!='
  return inOrder[operator]?.(left < right ? -1 : left > right ? 1 : 0) ?? false
}

function compareBoolean(operator: Operator, left: boolean, right: string): boolean {
  if (operator === '=') return right === String(left)
  if (operator === '!=') return right !== String(left)
  if (operator === '<') return !left && right === 'true'
  if (operator === '>') return left && right === 'false'
  return (operator === '<=' && !left) || (operator === '>=' && left)
}

/** By the sign of the left side less the right side. */
const inOrder: Partial<Readonly<Record<Operator, (sign: number) => boolean>>> = {
  '=': (sign) => sign === 0,
  '!=': (sign) => sign !== 0,
  '<': (sign) => sign < 0,
  '<=': (sign) => sign <= 0,
  '>': (sign) => sign > 0,
  '>=': (sign) => sign >= 0,
}

/** Order by code points, which is the order of UTF-8 bytes. */
export function order(left: string, right: string): number {
  const length = Math.min(left.length, right.length)
  for (let index = 0; index < length; index += 1) {
    const a = left.charCodeAt(index)
    const b = right.charCodeAt(index)
    if (a !== b) return rank(a) - rank(b)
  }
  return left.length - right.length
}

/** Surrogates stand for what comes after all other code units. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}
