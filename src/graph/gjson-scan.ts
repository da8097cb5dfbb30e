/** Moves over raw JSON text, for GJSON: never parses a value that nobody asked for, never fails on malformed text. */

const quote = 0x22
const backslash = 0x5c
/** Quotes and brackets: an expression finds the next one sooner than a loop over the characters. */
const structural = /["{}[\]()]/g

/** After the closing quote of the string whose first character (behind the opening quote) is at `start`. */
export function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start)
  while (end !== -1) {
    let before = end - 1
    while (before >= start && text.charCodeAt(before) === backslash) before -= 1
    if ((end - before) % 2 === 1) return end + 1
    end = text.indexOf('"', end + 1)
  }
  return text.length
}

/**
 * After the bracket that closes the one at `start`; kinds of brackets are not told apart, strings are skipped.
 * `start` may also hold any other character, which then counts as an opening bracket: GJSON's literals are read so.
 */
export function endOfContainer(text: string, start: number): number {
  let depth = 1
  structural.lastIndex = start + 1
  while (structural.test(text)) {
    const pos = structural.lastIndex
    switch (text.charCodeAt(pos - 1)) {
      case quote:
        structural.lastIndex = endOfString(text, pos)
        break
      case 0x7b:
      case 0x5b:
      case 0x28:
        depth += 1
        break
      default:
        depth -= 1
        if (depth === 0) return pos
    }
  }
  return text.length
}

/** The string or balanced bracket that the text starts with, else all of it. */
export function balancedPrefix(text: string): string {
  if (text.charCodeAt(0) === quote) return text.slice(0, endOfString(text, 1))
  return text.slice(0, endOfContainer(text, 0))
}

/** After the number at `start`. */
export function endOfNumber(text: string, start: number): number {
  let pos = start + 1
  while (pos < text.length) {
    const code = text.charCodeAt(pos)
    if (code <= 0x20 || code === 0x2c || code === 0x5d || code === 0x7d) break
    pos += 1
  }
  return pos
}

/** After `true`, `false` or `null` at `start`. */
export function endOfLiteral(text: string, start: number): number {
  let pos = start + 1
  while (pos < text.length) {
    const code = text.charCodeAt(pos)
    if (code < 0x61 || code > 0x7a) break
    pos += 1
  }
  return pos
}

const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

/** What the characters between two quotes mean; ends before an escape that JSON does not know, as GJSON does. */
export function unescape(inner: string): string {
  let from = 0
  let out = ''
  for (let at = inner.indexOf('\\'); at !== -1; at = inner.indexOf('\\', from)) {
    out += inner.slice(from, at)
    const letter = inner[at + 1] ?? ''
    const plain = escapes[letter]
    if (plain !== undefined) {
      out += plain
      from = at + 2
    } else {
      if (letter !== 'u' || at + 6 > inner.length) return out
      const digits = inner.slice(at + 2, at + 6)
      out += String.fromCharCode(/^[\da-f]{4}$/i.test(digits) ? parseInt(digits, 16) : 0)
      from = at + 6
    }
  }
  return from === 0 ? inner : wellFormed(out + inner.slice(from))
}

/** Half a surrogate pair becomes U+FFFD, which is what Go makes of it. */
export function wellFormed(text: string): string {
  return /\p{Surrogate}/u.test(text) ? text.replace(/\p{Surrogate}/gu, '\uFFFD') : text
}

/** A JSON string as Go writes it: `<`, `>`, `&` and the two line separators escaped. */
export function goString(text: string): string {
  const json = JSON.stringify(wellFormed(text))
  return /[<>&\u2028\u2029]/.test(json)
    ? json.replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : json
}

/** Without what counts as white space on either side: everything up to the space character. */
export function trimSpace(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && text.charCodeAt(start) <= 0x20) start += 1
  while (end > start && text.charCodeAt(end - 1) <= 0x20) end -= 1
  return text.slice(start, end)
}
