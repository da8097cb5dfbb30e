/** JSON text without white space, and with white space for readers. Tokens stay as they are. */
import { endOfString, trimSpace } from './gjson-scan.ts'
import { forEachIn, isArray, parseValue, textOf } from './gjson-value.ts'
import type { Value } from './gjson-value.ts'

/** Arrays that fit into a line of this many characters stay in one. */
const defaultWidth = 80

/** The text without white space outside of strings. */
export function minifyJson(json: string): string {
  let out = ''
  let start = 0
  for (let pos = 0; pos < json.length;) {
    const code = json.charCodeAt(pos)
    if (code === 0x22) pos = endOfString(json, pos + 1)
    else {
      pos += 1
      if (code <= 0x20) {
        out += json.slice(start, pos - 1)
        start = pos
      }
    }
  }
  return out + json.slice(start)
}

/** The text over several lines. Options: `indent`, `prefix` (white space), `width` (characters), `sortKeys`. */
export function formatJson(json: string, options: ReadonlyMap<string, Value>): string {
  const text = (name: string, other: string): string => {
    const value = options.get(name)
    return value === undefined ? other : textOf(value).replace(/[^ \t\r\n]/g, '')
  }
  const width = options.get('width')
  const style: Style = {
    indent: text('indent', '  '),
    prefix: text('prefix', ''),
    width: width === undefined ? defaultWidth : Number(width.raw),
    isSorted: options.get('sortKeys')?.kind === 'true',
  }
  const value = parseValue(json)
  if (value.raw === '') return ''
  return `${style.prefix}${format({ ...value, raw: trimSpace(value.raw) }, style, style.prefix, 0)}\n`
}

interface Style {
  readonly indent: string
  readonly prefix: string
  readonly width: number
  readonly isSorted: boolean
}

/** Nested deeper, a value is written without white space. */
const deepest = 128

function format(value: Value, style: Style, margin: string, depth: number): string {
  if (value.kind !== 'json') return value.raw
  if (depth > deepest) return minifyJson(value.raw)
  const inner = margin + style.indent
  const lines: { readonly key: string; readonly text: string }[] = []
  forEachIn(value, (element, keyRaw) => {
    const text = format(element, style, inner, depth + 1)
    lines.push({ key: keyRaw ?? '', text: keyRaw === undefined ? text : `${keyRaw}: ${text}` })
  })
  const isList = isArray(value)
  if (lines.length === 0) return isList ? '[]' : '{}'
  const line = `[${lines.map(({ text }) => text).join(', ')}]`
  if (isList && !line.includes('\n') && line.length + margin.length <= style.width) return line
  if (style.isSorted && !isList) lines.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  const body = lines.map(({ text }) => inner + text).join(',\n')
  return isList ? `[\n${body}\n${margin}]` : `{\n${body}\n${margin}}`
}
