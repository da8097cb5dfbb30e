/** Protocol buffers as text, as `config.pbtxt` and `models.config` are written: a tree of fields with their lines. */
import { InferenceError } from '../core/errors.ts'

/** A message within a text. */
export interface TextMessage {
  readonly line: number
  readonly fields: readonly TextField[]
}

/** One value of a field; a list gives one for each element. */
export interface TextField {
  readonly name: string
  readonly line: number
  readonly value: TextValue
}

export type TextValue =
  | { readonly kind: 'string'; readonly text: string }
  /** A number, an enum's name, `true`: as written. */
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'message'; readonly message: TextMessage }

/** Deeper than any message that is read, and far from the end of the stack. */
const deepest = 64

const token =
  /[ \t\r\n]+|#[^\n]*|[{}[\]<>:;,]|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[-+]?[A-Za-z0-9_./][A-Za-z0-9_./+-]*/y

interface Token {
  readonly text: string
  readonly line: number
}

/**
 * Reads a text.
 *
 * @param source named in messages
 * @throws InferenceError `invalid_argument` with source and line
 */
export function parseTextProto(text: string, source: string): TextMessage {
  return new Parser(tokensOf(text, source), source).message()
}

function tokensOf(text: string, source: string): readonly Token[] {
  const tokens: Token[] = []
  let line = 1
  let at = 0
  while (at < text.length) {
    token.lastIndex = at
    const found = token.exec(text)?.[0]
    if (found === undefined) throw invalid(`${source}:${line}: unexpected ${JSON.stringify(text.slice(at, at + 10))}`)
    if (!/^[\s#]/.test(found)) tokens.push({ text: found, line })
    for (let index = 0; index < found.length; index += 1) if (found[index] === '\n') line += 1
    at += found.length
  }
  return tokens
}

class Parser {
  readonly #tokens: readonly Token[]
  readonly #source: string
  #at = 0

  constructor(tokens: readonly Token[], source: string) {
    this.#tokens = tokens
    this.#source = source
  }

  message(): TextMessage {
    return { line: 1, fields: this.#fields(undefined, 0) }
  }

  #fields(closing: string | undefined, depth: number): readonly TextField[] {
    const fields: TextField[] = []
    for (;;) {
      const next = this.#tokens[this.#at]
      if (next === undefined) {
        if (closing === undefined) return fields
        throw this.#wrong(`'${closing}' is missing`)
      }
      this.#at += 1
      if (next.text === closing) return fields
      if (next.text === ',' || next.text === ';') continue
      if (!/^[A-Za-z_]\w*$/.test(next.text))
        throw this.#wrong(`the name of a field was expected, not ${next.text}`, next)
      this.#field(next, fields, depth)
    }
  }

  #field({ text: name, line }: Token, fields: TextField[], depth: number): void {
    const hasColon = this.#take(':')
    if (this.#take('[')) {
      while (!this.#take(']')) {
        fields.push({ name, line: this.#line(), value: this.#value(depth, false) })
        if (!this.#take(',') && this.#tokens[this.#at]?.text !== ']') throw this.#wrong(`']' is missing`)
      }
    } else fields.push({ name, line, value: this.#value(depth, !hasColon) })
  }

  #value(depth: number, mustBeMessage: boolean): TextValue {
    const first = this.#tokens[this.#at]
    if (first === undefined) throw this.#wrong('a value is missing')
    const { text, line } = first
    this.#at += 1
    if (text === '{' || text === '<') {
      if (depth >= deepest) throw this.#wrong(`messages lie deeper than ${deepest}`, first)
      const fields = this.#fields(text === '{' ? '}' : '>', depth + 1)
      return { kind: 'message', message: { line, fields } }
    }
    if (mustBeMessage) throw this.#wrong(`':' or '{' was expected, not ${text}`, first)
    if (text.startsWith('"') || text.startsWith("'")) return { kind: 'string', text: this.#string(text) }
    if (/^[-+\w.]/.test(text)) return { kind: 'word', text }
    throw this.#wrong(`a value was expected, not ${text}`, first)
  }

  /** Strings one after the other are one. */
  #string(first: string): string {
    let joined = unquoted(first)
    for (;;) {
      const next = this.#tokens[this.#at]?.text ?? ''
      if (!next.startsWith('"') && !next.startsWith("'")) return joined
      joined += unquoted(next)
      this.#at += 1
    }
  }

  #take(text: string): boolean {
    if (this.#tokens[this.#at]?.text !== text) return false
    this.#at += 1
    return true
  }

  #line(): number {
    return (this.#tokens[this.#at] ?? this.#tokens.at(-1))?.line ?? 1
  }

  #wrong(what: string, at?: Token): InferenceError {
    return invalid(`${this.#source}:${at?.line ?? this.#line()}: ${what}`)
  }
}

const escapes: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  a: '\u0007',
  b: '\b',
  f: '\f',
  v: '\v',
  '?': '?',
}

function unquoted(quoted: string): string {
  return quoted
    .slice(1, -1)
    .replace(
      /\\(?:([0-7]{1,3})|[xX]([\da-fA-F]{1,2})|u([\da-fA-F]{4})|(.))/g,
      (_, ...parts: (string | undefined)[]) => {
        const [octal, hex, unicode, plain = ''] = parts
        if (octal !== undefined) return String.fromCharCode(parseInt(octal, 8) & 0xff)
        if (hex !== undefined || unicode !== undefined) return String.fromCharCode(parseInt(hex ?? unicode ?? '', 16))
        return escapes[plain] ?? plain
      },
    )
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
