/** The modifiers of GJSON: functions from one JSON text to another. */
import { formatJson, minifyJson } from './gjson-format.ts'
import { goString, trimSpace } from './gjson-scan.ts'
import { isValidJson } from './gjson-valid.ts'
import { exists, forEachIn, isArray, isObject, missing, parseValue, textOf } from './gjson-value.ts'
import type { Value } from './gjson-value.ts'

/** Nested deeper, `@flatten` and `@dig` leave a value as it is: no document can exhaust the stack. */
const deepest = 128

/** @param find what the argument, read as a path, leads to */
type Modifier = (json: string, argument: string, find: (raw: string) => Value) => string

const modifiers = {
  this: (json) => json,
  valid: (json) => (isValidJson(json) ? json : ''),
  pretty: (json, argument) => formatJson(json, optionsOf(argument)),
  ugly: minifyJson,
  reverse,
  flatten: (json, argument) => flatten(json, isTrue(optionsOf(argument).get('deep')), 0),
  join: (json, argument) => join(json, isTrue(optionsOf(argument).get('preserve'))),
  keys: (json) => list(json, (_, keyRaw) => keyRaw ?? 'null'),
  values: (json) => (isArray(parseValue(json)) ? json : list(json, ({ raw }) => raw)),
  tostr: (json) => goString(json),
  fromstr: (json) => (isValidJson(json) ? textOf(parseValue(json)) : ''),
  group,
  dig: (json, _, find) => `[${dig(parseValue(json), find, [], 0).join(',')}]`,
} satisfies Record<string, Modifier>

export type ModifierName = keyof typeof modifiers

export function isModifier(name: string): name is ModifierName {
  return Object.hasOwn(modifiers, name)
}

/** Applies a modifier to a JSON text, which may be '' where there is no value. */
export function applyModifier(
  name: ModifierName,
  json: string,
  argument: string,
  find: (raw: string) => Value,
): string {
  const modifier: Modifier = modifiers[name]
  return modifier(json, argument, find)
}

/** The members of a JSON object given as an argument. */
function optionsOf(argument: string): ReadonlyMap<string, Value> {
  const options = new Map<string, Value>()
  if (argument === '') return options
  forEachIn(parseValue(argument), (value, keyRaw) => {
    if (keyRaw !== undefined) options.set(textOf({ kind: 'string', raw: keyRaw }), value)
  })
  return options
}

/** As GJSON reads a boolean: `true`, a number but 0, a string that means true. */
function isTrue(value: Value = missing): boolean {
  if (value.kind === 'string') return ['1', 't', 'true'].includes(textOf(value).toLowerCase())
  return value.kind === 'true' || (value.kind === 'number' && Number(value.raw) !== 0)
}

function list(json: string, write: (value: Value, keyRaw: string | undefined) => string): string {
  const parts: string[] = []
  forEachIn(parseValue(json), (value, keyRaw) => void parts.push(write(value, keyRaw)))
  return `[${parts.join(',')}]`
}

function reverse(json: string): string {
  const value = parseValue(json)
  if (value.kind !== 'json') return json
  const parts: string[] = []
  forEachIn(value, ({ raw }, keyRaw) => void parts.push(keyRaw === undefined ? raw : `${keyRaw}:${raw}`))
  const text = parts.reverse().join(',')
  return isArray(value) ? `[${text}]` : `{${text}}`
}

function flatten(json: string, isDeep: boolean, depth: number): string {
  const value = parseValue(json)
  if (!isArray(value) || depth > deepest) return json
  const parts: string[] = []
  forEachIn(value, (element) => {
    const inner = isDeep && isArray(element) ? flatten(element.raw, true, depth + 1) : element.raw
    const raw = isArray(element) ? trimSpace(unwrap(inner)) : inner
    if (raw !== '') parts.push(raw)
  })
  return `[${parts.join(',')}]`
}

function unwrap(json: string): string {
  const text = trimSpace(json)
  return text.length >= 2 && (text.startsWith('[') || text.startsWith('{')) ? text.slice(1, -1) : text
}

/** Objects of an array as one object; of equal keys the last value, at the place of the first. */
function join(json: string, preserve: boolean): string {
  const value = parseValue(json)
  if (!isArray(value)) return json
  const whole: string[] = []
  const members = new Map<string, { readonly keyRaw: string; readonly raw: string }>()
  forEachIn(value, (element) => {
    if (!isObject(element)) return
    if (preserve) whole.push(unwrap(element.raw))
    else {
      forEachIn(element, ({ raw }, keyRaw = '""') => {
        const key = textOf({ kind: 'string', raw: keyRaw })
        members.set(key, { keyRaw: members.get(key)?.keyRaw ?? keyRaw, raw })
      })
    }
  })
  if (preserve) return `{${whole.join(',')}}`
  return `{${Array.from(members.values(), ({ keyRaw, raw }) => `${keyRaw}:${raw}`).join(',')}}`
}

/** An object of arrays as an array of objects. */
function group(json: string): string {
  const value = parseValue(json)
  if (!isObject(value)) return ''
  const rows: string[][] = []
  forEachIn(value, (column, keyRaw = '""') => {
    if (!isArray(column)) return
    let row = 0
    forEachIn(column, ({ raw }) => {
      ;(rows[row] ??= []).push(`${keyRaw}:${raw}`)
      row += 1
    })
  })
  return `[${rows.map((row) => `{${row.join(',')}}`).join(',')}]`
}

/** What the path finds in the value and in everything within it, outer values first. */
function dig(value: Value, find: (raw: string) => Value, found: string[], depth: number): string[] {
  const here = find(value.raw)
  if (exists(here)) found.push(here.raw)
  if (value.kind === 'json' && depth < deepest) {
    forEachIn(value, (element) => void dig(element, find, found, depth + 1))
  }
  return found
}
