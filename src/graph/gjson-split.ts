/** Cuts the text of GJSON paths: arguments, multipaths, pipes. */
import { balancedPrefix, goString } from './gjson-scan.ts'
import { isValidJson } from './gjson-valid.ts'

/** JSON, or everything up to a `|` outside of brackets. */
export function readArgument(rest: string): string {
  if (/^[{["]/.test(rest)) return balancedPrefix(rest)
  let pos = 0
  while (pos < rest.length && rest[pos] !== '|') {
    pos += /[{["(]/.test(rest.charAt(pos)) ? balancedPrefix(rest.slice(pos)).length : 1
  }
  return rest.slice(0, pos)
}

/** One path of a multipath, and the name it was given. */
export interface RawPart {
  readonly name: string
  readonly path: string
}

/** The paths between the brackets that the text starts with. */
export function splitMultipath(
  text: string,
): { readonly parts: readonly RawPart[]; readonly rest: string } | undefined {
  const parts: RawPart[] = []
  let depth = 1
  let start = 1
  let colon = 0
  let hasModifier = false
  for (let pos = 1; pos < text.length; pos += 1) {
    const char = text.charAt(pos)
    if (char === '\\') pos += 1
    else if (char === '"') pos = endOfQuoted(text, pos + 1)
    else if (char === '@') hasModifier ||= text[pos - 1] === '.' || text[pos - 1] === '|'
    else if (char === ':' && !hasModifier && colon === 0 && depth === 1) colon = pos
    else if ('[({'.includes(char)) depth += 1
    else if ('])}'.includes(char)) depth -= 1
    if (depth > 0 && !(char === ',' && depth === 1)) continue
    const name = colon === 0 ? '' : text.slice(start, colon)
    parts.push({ name, path: text.slice(colon === 0 ? start : colon + 1, pos) })
    if (depth === 0) return { parts, rest: text.slice(pos + 1) }
    colon = 0
    hasModifier = false
    start = pos + 1
  }
  return undefined
}

function endOfQuoted(text: string, start: number): number {
  let pos = start
  while (pos < text.length && text[pos] !== '"') pos += text[pos] === '\\' ? 2 : 1
  return pos
}

/** The key of a part in an object: its name, else the last piece of its path. */
export function keyOf(name: string, path: string): string {
  if (name !== '') return name.startsWith('"') && isValidJson(name) ? name : goString(name)
  const last = lastPiece(path)
  return goString(/[\u0000-\u001f[\]{}()#|!]/.test(last) ? '_' : last)
}

function lastPiece(path: string): string {
  for (let pos = path.length - 1; pos >= 0; pos -= 1) {
    if ((path[pos] === '.' || path[pos] === '|') && path[pos - 1] !== '\\') return path.slice(pos + 1)
  }
  return path
}

/** Where the first of some characters is; the length where none is. */
export function indexOfAny(text: string, chars: string, from: number): number {
  let pos = from
  while (pos < text.length && !chars.includes(text.charAt(pos))) pos += 1
  return pos
}

/** A path up to its first pipe outside of a query, and what follows the pipe. */
export function splitPipe(text: string): { readonly path: string; readonly pipe?: string } {
  if (text.startsWith('{')) {
    const end = 1 + balancedPrefix(text.slice(1)).length // as GJSON finds it: a name in quotes ends the search
    return text[end] === '|' ? { path: text.slice(0, end), pipe: text.slice(end + 1) } : { path: text }
  }
  for (let pos = 0; pos < text.length; pos += 1) {
    const char = text.charAt(pos)
    if (char === '\\') pos += 1
    else if (char === '|') return { path: text.slice(0, pos), pipe: text.slice(pos + 1) }
    else if (char === '.' && /^#[([]/.test(text.slice(pos + 1, pos + 3))) pos = endOfSelector(text, pos + 2)
    else if (char === '.' && text[pos + 1] === '#') pos += 2
  }
  return { path: text }
}

/** At the bracket that closes the one at `start`; brackets of the other kind do not count. */
function endOfSelector(text: string, start: number): number {
  const open = text.charAt(start)
  const close = open === '[' ? ']' : ')'
  let depth = 1
  let pos = start + 1
  for (; pos < text.length; pos += 1) {
    const char = text.charAt(pos)
    if (char === '\\') pos += 1
    else if (char === '"') pos = endOfQuoted(text, pos + 1)
    else if (char === open) depth += 1
    else if (char === close) {
      depth -= 1
      if (depth === 0) return pos
    }
  }
  return pos
}
