/** Values as people type them: `5.1,3.5`, `[[1,2],[3,4]]`, with exact 64-bit integers, NaN and infinities. */
import { InferenceError } from '../core/errors.ts'
import type { Nested } from '../client/shape.ts'

export type TypedValue = number | bigint | boolean | string

const token =
  /\s*(?:([[\],])|("(?:[^"\\]|\\.)*")|(true|false)\b|([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])|[-+]?(?:NaN|Infinity|inf|nan)\b))/y

/** Nested deeper than this, no tensor is meant. */
const maxDepth = 64

/**
 * Reads a list of values: JSON, or values with commas or blanks between them and no brackets, of which a single one stands
 * alone.
 *
 * @param label how an error names the text
 * @throws InferenceError `invalid_argument` that tells where it stopped to understand
 */
export function parseValues(text: string, label: string): Nested<TypedValue> {
  const reader = new Reader(text, label)
  const items: Nested<TypedValue>[] = []
  while (!reader.isAtEnd) {
    items.push(reader.value(0))
    reader.skipComma()
  }
  const [only] = items
  if (only === undefined) throw new InferenceError('invalid_argument', `${label}: no value`)
  return items.length === 1 ? only : items
}

class Reader {
  readonly #text: string
  readonly #label: string
  #position = 0
  /** The token that was looked at last, and where it ends. */
  #seen: { readonly at: number; readonly end: number; readonly match: RegExpExecArray | null } | undefined

  constructor(text: string, label: string) {
    this.#text = text
    this.#label = label
  }

  get isAtEnd(): boolean {
    return this.#text.slice(this.#position, this.#position + 64).trim() === '' && this.#rest() === ''
  }

  value(depth: number): Nested<TypedValue> {
    const [, mark, text, word, number] = this.#next()
    if (text !== undefined) return this.#string(text)
    if (word !== undefined) return word === 'true'
    if (number !== undefined) return numberOf(number)
    if (mark !== '[' || depth === maxDepth) return this.#refuse()
    const items: Nested<TypedValue>[] = []
    for (;;) {
      if (this.#peek() === ']') {
        this.#next()
        return items
      }
      items.push(this.value(depth + 1))
      if (this.#peek() === ',') this.#next()
      else if (this.#peek() !== ']') this.#refuse()
    }
  }

  skipComma(): void {
    if (!this.isAtEnd && this.#peek() === ',') this.#next()
  }

  #rest(): string {
    return this.#text.slice(this.#position).trim()
  }

  #peek(): string | undefined {
    return this.#look().match?.[1]
  }

  #next(): RegExpExecArray {
    const { match, end } = this.#look()
    if (match === null) return this.#refuse()
    this.#position = end
    return match
  }

  #look() {
    if (this.#seen?.at !== this.#position) {
      token.lastIndex = this.#position
      const match = token.exec(this.#text)
      this.#seen = { at: this.#position, end: token.lastIndex, match }
    }
    return this.#seen
  }

  #string(quoted: string): string {
    try {
      return String(JSON.parse(quoted))
    } catch {
      return this.#refuse()
    }
  }

  #refuse(): never {
    const rest = this.#rest()
    const shown = rest === '' ? 'its end' : `'${rest.slice(0, 20)}'`
    const expected = 'expected numbers such as 1,2.5 or JSON such as [[1,2],[3,4]]'
    throw new InferenceError('invalid_argument', `${this.#label}: cannot read ${shown}, ${expected}`)
  }
}

function numberOf(text: string): number | bigint {
  if (/nan/i.test(text)) return NaN
  if (/inf/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  const number = Number(text)
  return /^[-+]?\d+$/.test(text) && !Number.isSafeInteger(number) ? BigInt(text.replace('+', '')) : number
}
