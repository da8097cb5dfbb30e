/** The bytes of JSON, and its strings: escapes to UTF-8. */
import { InferenceError } from '../core/errors.ts'

/** The bytes that JSON is made of. */
export const ascii = {
  quote: 0x22,
  plus: 0x2b,
  comma: 0x2c,
  minus: 0x2d,
  dot: 0x2e,
  zero: 0x30,
  nine: 0x39,
  colon: 0x3a,
  upperE: 0x45,
  upperI: 0x49,
  upperN: 0x4e,
  openBracket: 0x5b,
  backslash: 0x5c,
  closeBracket: 0x5d,
  lowerE: 0x65,
  lowerF: 0x66,
  lowerN: 0x6e,
  lowerT: 0x74,
  lowerU: 0x75,
  openBrace: 0x7b,
  closeBrace: 0x7d,
} as const

const escapes: Readonly<Record<number, number>> = {
  [ascii.quote]: ascii.quote,
  [ascii.backslash]: ascii.backslash,
  0x2f: 0x2f,
  0x62: 0x08,
  0x66: 0x0c,
  0x6e: 0x0a,
  0x72: 0x0d,
  0x74: 0x09,
}

/** What every complaint about JSON itself starts with, in the words of TensorFlow Serving. */
export function parseError(reason: string): InferenceError {
  return new InferenceError('invalid_argument', `JSON Parse error: ${reason}`)
}

/**
 * The UTF-8 bytes of a JSON string with escapes.
 *
 * @param raw what stands between the quotes
 * @param offset where it stands in the document, for the message
 * @throws InferenceError `invalid_argument` for an unknown escape, and for half a surrogate pair, which no UTF-8 can hold
 */
export function unescape(raw: Uint8Array, offset: number): Uint8Array {
  const out = new Uint8Array(raw.length) // escapes only ever shrink
  let length = 0
  for (let index = 0; index < raw.length; index += 1) {
    const byte = raw[index] ?? 0
    if (byte !== ascii.backslash) {
      out[length++] = byte
      continue
    }
    const at = offset + index
    index += 1
    const escape = raw[index] ?? 0
    if (escape !== ascii.lowerU) {
      const plain = escapes[escape]
      if (plain === undefined) throw parseError(`Invalid escape character in string. at offset: ${at}`)
      out[length++] = plain
      continue
    }
    let code = hex(raw, index + 1, at)
    index += 4
    if (code >= 0xd800 && code < 0xe000) {
      const isPair = code < 0xdc00 && raw[index + 1] === ascii.backslash && raw[index + 2] === ascii.lowerU
      const low = isPair ? hex(raw, index + 3, at) : 0
      if (low < 0xdc00 || low >= 0xe000) throw parseError(`The surrogate pair in string is invalid. at offset: ${at}`)
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
      index += 6
    }
    length = putUtf8(out, length, code)
  }
  return out.subarray(0, length)
}

/** Four hexadecimal digits. */
function hex(raw: Uint8Array, start: number, at: number): number {
  let code = 0
  for (let index = start; index < start + 4; index += 1) {
    const byte = raw[index] ?? 0
    const letter = byte | 0x20
    const digit = byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
    if (digit < 0) throw parseError(`Incorrect hex digit after \\u escape in string. at offset: ${at}`)
    code = code * 16 + digit
  }
  return code
}

function putUtf8(out: Uint8Array, at: number, code: number): number {
  if (code < 0x80) {
    out[at] = code
    return at + 1
  }
  if (code < 0x800) {
    out[at] = 0xc0 | (code >> 6)
    out[at + 1] = 0x80 | (code & 0x3f)
    return at + 2
  }
  if (code < 0x10000) {
    out[at] = 0xe0 | (code >> 12)
    out[at + 1] = 0x80 | ((code >> 6) & 0x3f)
    out[at + 2] = 0x80 | (code & 0x3f)
    return at + 3
  }
  out[at] = 0xf0 | (code >> 18)
  out[at + 1] = 0x80 | ((code >> 12) & 0x3f)
  out[at + 2] = 0x80 | ((code >> 6) & 0x3f)
  out[at + 3] = 0x80 | (code & 0x3f)
  return at + 4
}
