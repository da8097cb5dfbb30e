/** JSON as Go's encoding/json reads and writes it into `map[string]interface{}`: what KServe's router does to some bodies. */
import { goString, wellFormed } from './gjson-scan.ts'
import { order } from './gjson-query.ts'
import { syntaxErrorOf } from './go-json-error.ts'

/** A value of parsed JSON. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** Go refuses deeper documents. */
const deepest = 10_000

/** A JSON object that was read, or Go's words for why not. `null` passes for an object, as it does in Go. */
export type GoObject = { readonly value: { readonly [key: string]: Json } | null } | { readonly error: string }

/** Reads a JSON object as the router does: numbers become 64-bit floats, of equal keys the last counts. */
export function readGoObject(text: string): GoObject {
  let value: Json
  try {
    value = JSON.parse(text) as Json // JSON is nothing else
  } catch {
    return { error: syntaxErrorOf(text) }
  }
  if (isTooDeep(text)) return { error: 'exceeded max depth' }
  if (value !== null && (typeof value !== 'object' || isList(value))) {
    return { error: `json: cannot unmarshal ${goTypeOf(value)} into Go value of type map[string]interface {}` }
  }
  // A number beyond the range has that many digits, or such an exponent.
  if (/\d{300}|[eE]\+?\d{2}/.test(text) && hasInfinity(value)) {
    return { error: `json: cannot unmarshal number ${hugeNumber(text)} into Go value of type float64` }
  }
  return { value }
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function goTypeOf(value: Json): string {
  if (isList(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}

/** Depth is counted without recursion; strings are skipped. */
function isTooDeep(text: string): boolean {
  if (text.length <= 2 * deepest) return false
  let depth = 0
  let inString = false
  for (let pos = 0; pos < text.length; pos += 1) {
    const code = text.charCodeAt(pos)
    if (inString) {
      if (code === 0x5c) pos += 1
      else if (code === 0x22) inString = false
    } else if (code === 0x22) inString = true
    else if (code === 0x7b || code === 0x5b) {
      depth += 1
      if (depth > deepest) return true
    } else if (code === 0x7d || code === 0x5d) depth -= 1
  }
  return false
}

/** The first number beyond the range of a 64-bit float. */
function hugeNumber(text: string): string {
  const numbers = text.replace(/"(?:[^"\\]|\\.)*"/g, '""').match(/-?\d[\d.eE+-]*/g) ?? []
  return numbers.find((number) => !Number.isFinite(Number(number))) ?? ''
}

function hasInfinity(value: Json): boolean {
  const waiting: Json[] = [value]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (typeof next === 'number' && !Number.isFinite(next)) return true
    if (next !== null && typeof next === 'object') waiting.push(...Object.values(next))
  }
  return false
}

/** What is still to be written: text as it is, or a value. */
type Task = { readonly text: string } | { readonly value: Json }

/** Writes a value as Go does: keys in order, `<`, `>` and `&` escaped. Keeps a stack of its own: depth is free. */
export function writeGoJson(value: Json): string {
  const out: string[] = []
  const tasks: Task[] = [{ value }]
  for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
    if ('text' in task) out.push(task.text)
    else if (task.value === null || typeof task.value !== 'object') out.push(writeScalar(task.value))
    else tasks.push(...tasksOf(task.value))
  }
  return out.join('')
}

/** The parts of a container, last first. */
function tasksOf(value: readonly Json[] | { readonly [key: string]: Json }): Task[] {
  const tasks: Task[] = [{ text: isList(value) ? ']' : '}' }]
  const entries = isList(value) ? value.map((element) => ['', element] as const) : sortedEntries(value)
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    const entry = entries[index]
    if (entry === undefined) continue
    const comma = index > 0 ? ',' : ''
    tasks.push({ value: entry[1] }, { text: isList(value) ? comma : `${comma}${goString(entry[0])}:` })
  }
  tasks.push({ text: isList(value) ? '[' : '{' })
  return tasks
}

function sortedEntries(value: { readonly [key: string]: Json }): (readonly [string, Json])[] {
  return Object.entries(value)
    .map(([key, member]) => [wellFormed(key), member] as const)
    .sort(([a], [b]) => order(a, b))
}

function writeScalar(value: null | boolean | number | string): string {
  if (typeof value === 'string') return goString(value)
  return Object.is(value, -0) ? '-0' : String(value)
}
