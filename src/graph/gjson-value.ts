/** A value that a GJSON path leads to: a piece of raw JSON and its kind. */
import { endOfContainer, endOfLiteral, endOfNumber, endOfString, unescape } from './gjson-scan.ts'

export type Kind = 'null' | 'false' | 'true' | 'number' | 'string' | 'json'

/** `raw` is the JSON text; '' with kind 'null' is "no such value". */
export interface Value {
  readonly kind: Kind
  readonly raw: string
}

export const missing: Value = { kind: 'null', raw: '' }

/** What KServe's router tests: false, null and 0 exist. */
export function exists(value: Value): boolean {
  return value.kind !== 'null' || value.raw !== ''
}

/** The text that a value stands for: strings without quotes and escapes, null as ''. */
export function textOf({ kind, raw }: Value): string {
  switch (kind) {
    case 'null':
      return ''
    case 'true':
    case 'false':
      return kind
    case 'number':
      return /^-?\d+$/.test(raw) ? raw : plainNumber(goParseFloat(raw))
    case 'string':
      return unescape(raw.slice(1, -1))
    case 'json':
      return raw
  }
}

/** Digits without an exponent, as Go's 'f' format has them. */
function plainNumber(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
  const [mantissa = '', exponent] = String(value).split('e')
  if (exponent === undefined) return mantissa
  const sign = mantissa.startsWith('-') ? '-' : ''
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.')
  const shift = Number(exponent)
  return shift > 0
    ? sign + whole + fraction.padEnd(shift, '0')
    : `${sign}0.${'0'.repeat(-shift - 1)}${whole}${fraction}`
}

/** The number a text means to Go's `ParseFloat`, whose failure is 0 here as it is in GJSON's comparisons. */
export function goParseFloat(text: string): number {
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text)
  const special = /^([+-]?)(inf|infinity|nan)$/i.exec(text)
  if (special !== null) {
    if (special[2]?.toLowerCase() === 'nan') return special[1] === '' ? NaN : 0
    return special[1] === '-' ? -Infinity : Infinity
  }
  const hex = /^([+-]?)0x([\da-f]*)\.?([\da-f]*)p([+-]?\d+)$/i.exec(text)
  if (hex === null) return 0
  const [, sign, whole = '', fraction = '', power] = hex
  if (whole + fraction === '') return 0
  const value = parseInt(whole + fraction, 16) * 2 ** (Number(power) - 4 * fraction.length)
  return sign === '-' ? -value : value
}

/** The kind of value that starts with a character; undefined where none does. */
export function kindAt(text: string, pos: number): Kind | undefined {
  switch (text.charCodeAt(pos)) {
    case 0x22:
      return 'string'
    case 0x7b:
    case 0x5b:
      return 'json'
    case 0x74:
      return 'true'
    case 0x66:
      return 'false'
    case 0x6e: // `nan` is a number to GJSON
      return pos + 1 < text.length && text.charCodeAt(pos + 1) !== 0x75 ? 'number' : 'null'
    case 0x2b:
    case 0x2d:
    case 0x49: // Inf
    case 0x4e: // NaN
    case 0x69: // inf
      return 'number'
    default: {
      const code = text.charCodeAt(pos)
      return code >= 0x30 && code <= 0x39 ? 'number' : undefined
    }
  }
}

/** After the value of a kind that starts at `pos`. */
export function endOfValue(text: string, pos: number, kind: Kind): number {
  switch (kind) {
    case 'string':
      return endOfString(text, pos + 1)
    case 'json':
      return endOfContainer(text, pos)
    case 'number':
      return endOfNumber(text, pos)
    case 'true':
    case 'false':
    case 'null':
      return endOfLiteral(text, pos)
  }
}

/** The value that a whole text holds; a container takes all the rest of the text. */
export function parseValue(text: string): Value {
  let pos = 0
  while (pos < text.length && text.charCodeAt(pos) <= 0x20) pos += 1
  const kind = kindAt(text, pos)
  if (kind === undefined) return missing
  return { kind, raw: kind === 'json' ? text.slice(pos) : text.slice(pos, endOfValue(text, pos, kind)) }
}

/** Members or elements of a container in their order; a scalar is its own only element. */
export function forEachIn(value: Value, visit: (element: Value, keyRaw: string | undefined) => void): void {
  if (!exists(value)) return
  if (value.kind !== 'json') {
    visit(value, undefined)
    return
  }
  const text = value.raw
  let pos = 0
  while (pos < text.length && text.charCodeAt(pos) <= 0x20) pos += 1
  const isObject = text.charCodeAt(pos) === 0x7b
  pos += 1
  while (pos < text.length) {
    let keyRaw: string | undefined
    if (isObject) {
      const start = text.indexOf('"', pos)
      if (start === -1) return
      pos = endOfString(text, start + 1)
      keyRaw = text.slice(start, pos)
    }
    const start = startOfValue(text, pos)
    const kind = kindAt(text, start)
    if (kind === undefined) return
    pos = endOfValue(text, start, kind)
    visit({ kind, raw: text.slice(start, pos) }, keyRaw)
  }
}

/** Where the next value starts, whatever stands before it; the length of the text where there is none. */
export function startOfValue(text: string, from: number): number {
  let pos = from
  while (pos < text.length && kindAt(text, pos) === undefined) pos += 1
  return pos
}

/** True for a JSON array. */
export function isArray({ kind, raw }: Value): boolean {
  return kind === 'json' && raw.charCodeAt(0) === 0x5b
}

/** True for a JSON object. */
export function isObject({ kind, raw }: Value): boolean {
  return kind === 'json' && raw.charCodeAt(0) === 0x7b
}
