/** Reads JSON from UTF-8 bytes, token by token, without building values that nobody asked for. */
import { isUtf8 } from 'node:buffer'
import type { InferenceError } from '../core/errors.ts'
import { ascii, parseError, unescape } from './json-string.ts'

/** Short strings seen lately, by hash: keys, names and datatypes repeat from request to request. */
const seen: (string | undefined)[] = new Array<string | undefined>(512).fill(undefined)
const longestSeen = 32

/**
 * A position in a JSON text. `NaN`, `Infinity` and `-Infinity` count as numbers, as in Triton and TensorFlow Serving.
 * Walk containers with `for (let open = reader.openObject(); open; open = reader.nextMember())` and their array twins.
 * Every method that reads throws InferenceError `invalid_argument` with the offset where the text is not JSON.
 */
export class JsonReader {
  readonly bytes: Buffer
  pos = 0
  #view: DataView | undefined

  /** @throws InferenceError `invalid_argument` where the bytes are empty or not UTF-8 */
  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (this.peek() === 0 && this.pos >= bytes.length) throw parseError('The document is empty')
    if (!isUtf8(bytes)) throw parseError('The document is not valid UTF-8')
  }

  /** The same bytes, for reading several at once. */
  get view(): DataView {
    this.#view ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength)
    return this.#view
  }

  /** An error at `pos`, in the words of RapidJSON, which Triton and TensorFlow Serving speak. */
  error(reason: string): InferenceError {
    return parseError(`${reason} at offset: ${this.pos}`)
  }

  /** The first byte of the next token, 0 at the end; the position moves to it. */
  peek(): number {
    const bytes = this.bytes
    let byte = bytes[this.pos] ?? 0
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++this.pos] ?? 0
    return byte
  }

  /** Enters an object: true where it has a member to read. */
  openObject(): boolean {
    return this.#open(ascii.openBrace, ascii.closeBrace)
  }

  /** After a member of an object: true where another follows. */
  nextMember(): boolean {
    return this.#next(ascii.closeBrace, 'Missing a comma or } after an object member.')
  }

  /** Enters an array: true where it has an element to read. */
  openArray(): boolean {
    return this.#open(ascii.openBracket, ascii.closeBracket)
  }

  /** After an element of an array: true where another follows. */
  nextElement(): boolean {
    return this.#next(ascii.closeBracket, 'Missing a comma or ] after an array element.')
  }

  #open(open: number, close: number): boolean {
    if (this.peek() !== open) throw this.error('Invalid value.')
    this.pos += 1
    if (this.peek() !== close) return true
    this.pos += 1
    return false
  }

  #next(close: number, reason: string): boolean {
    const byte = this.peek()
    if (byte !== ascii.comma && byte !== close) throw this.error(reason)
    this.pos += 1
    return byte === ascii.comma
  }

  /** The key of a member; the position is then at its value. */
  key(): string {
    if (this.peek() !== ascii.quote) throw this.error('Missing a name for object member.')
    const key = this.string()
    if (this.peek() !== ascii.colon) throw this.error('Missing a colon after a name of object member.')
    this.pos += 1
    return key
  }

  /** A string. @throws InferenceError also for half a surrogate pair, which no UTF-8 can hold */
  string(): string {
    const bytes = this.bytes
    if (this.peek() !== ascii.quote) throw this.error('Invalid value.')
    const start = this.pos + 1
    let pos = start
    let hash = 0
    let byte = bytes[pos] ?? 0
    while (byte >= 0x20 && byte < 0x80 && byte !== ascii.quote && byte !== ascii.backslash) {
      hash = (Math.imul(hash, 31) + byte) | 0
      byte = bytes[++pos] ?? 0
    }
    if (byte !== ascii.quote) return textOf(this.utf8())
    this.pos = pos + 1
    if (pos - start > longestSeen) return bytes.toString('latin1', start, pos)
    const slot = hash & 511
    const known = seen[slot]
    if (known !== undefined && isAt(bytes, start, pos, known)) return known
    const text = bytes.toString('latin1', start, pos)
    seen[slot] = text
    return text
  }

  /**
   * The UTF-8 bytes of a string: a view where it holds no escapes.
   *
   * @throws InferenceError also for half a surrogate pair, which no UTF-8 can hold
   */
  utf8(): Uint8Array {
    const bytes = this.bytes
    if (this.peek() !== ascii.quote) throw this.error('Invalid value.')
    const start = this.pos + 1
    let pos = start
    let isEscaped = false
    for (;;) {
      const byte = bytes[pos] ?? 0
      if (byte === ascii.quote) break
      if (byte === ascii.backslash) {
        isEscaped = true
        pos += 1
      } else if (byte < 0x20) {
        this.pos = pos
        throw this.error(
          pos < bytes.length ? 'Invalid encoding in string.' : 'Missing a closing quotation mark in string.',
        )
      }
      pos += 1
    }
    const view = new Uint8Array(bytes.buffer, bytes.byteOffset + start, pos - start)
    if (!isEscaped) {
      this.pos = pos + 1
      return view
    }
    this.pos = pos + 1
    return unescape(view, start)
  }

  /** The text of a number, checked against the grammar. */
  numberText(): string {
    this.peek()
    const start = this.pos
    this.skipNumber()
    return this.bytes.toString('latin1', start, this.pos)
  }

  /** Moves past a number. */
  skipNumber(): void {
    const bytes = this.bytes
    let pos = this.pos
    if (bytes[pos] === ascii.minus) pos += 1
    const first = bytes[pos] ?? 0
    if (first === ascii.upperI) return this.skipWord('Infinity', pos)
    if (first === ascii.upperN && pos === this.pos) return this.skipWord('NaN', pos)
    const integer = first === ascii.zero ? pos + 1 : skipDigits(bytes, pos)
    let end = integer
    if (end > pos && bytes[end] === ascii.dot) {
      end = skipDigits(bytes, integer + 1)
      if (end === integer + 1) end = pos
    }
    if (end > pos && ((bytes[end] ?? 0) | 0x20) === ascii.lowerE) {
      const sign = bytes[end + 1]
      const digits = sign === ascii.plus || sign === ascii.minus ? end + 2 : end + 1
      end = skipDigits(bytes, digits)
      if (end === digits) end = pos
    }
    if (end === pos) throw this.error('Invalid value.')
    this.pos = end
  }

  /** Moves past a literal word that must stand at `start`. */
  skipWord(word: string, start = this.pos): void {
    if (!isAt(this.bytes, start, start + word.length, word)) throw this.error('Invalid value.')
    this.pos = start + word.length
  }

  /** `true` or `false`. */
  boolean(): boolean {
    const isTrue = this.peek() === ascii.lowerT
    this.skipWord(isTrue ? 'true' : 'false')
    return isTrue
  }

  /** True where the next value is `null`, which is then read. */
  isNull(): boolean {
    if (this.peek() !== ascii.lowerN) return false
    this.skipWord('null')
    return true
  }

  /** Moves past one value of any kind and any depth, checking its syntax. Keeps a stack of its own: depth is free. */
  skipValue(): void {
    const closers: number[] = []
    for (;;) {
      const byte = this.peek()
      const isObject = byte === ascii.openBrace
      if (isObject || byte === ascii.openBracket) {
        if (isObject ? this.openObject() : this.openArray()) {
          closers.push(isObject ? ascii.closeBrace : ascii.closeBracket)
          if (isObject) this.key()
          continue
        }
      } else this.#skipScalar(byte)
      for (;;) {
        const closer = closers[closers.length - 1]
        if (closer === undefined) return
        const isMember = closer === ascii.closeBrace
        if (isMember ? this.nextMember() : this.nextElement()) {
          if (isMember) this.key()
          break
        }
        closers.pop()
      }
    }
  }

  #skipScalar(byte: number): void {
    if (byte === ascii.quote) this.utf8()
    else if (byte === ascii.lowerT) this.skipWord('true')
    else if (byte === ascii.lowerF) this.skipWord('false')
    else if (byte === ascii.lowerN) this.skipWord('null')
    else this.skipNumber()
  }

  /** Nothing but white space may be left. */
  end(): void {
    this.peek()
    if (this.pos < this.bytes.length) throw this.error('The document root must not be followed by other values.')
  }

  /** The next value as an error message shows it, cut after 40 bytes; the position stays. */
  excerpt(): string {
    this.peek()
    const start = this.pos
    this.skipValue()
    const end = this.pos
    this.pos = start
    return end - start <= 40
      ? this.bytes.toString('utf8', start, end)
      : `${this.bytes.toString('utf8', start, start + 37).replace(/\uFFFD$/, '')}...`
  }
}

function skipDigits(bytes: Uint8Array, pos: number): number {
  let byte = bytes[pos] ?? 0
  while (byte >= ascii.zero && byte <= ascii.nine) byte = bytes[++pos] ?? 0
  return pos
}

function isAt(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (text.length !== end - start) return false
  for (let index = 0; index < text.length; index += 1) {
    if (bytes[start + index] !== text.charCodeAt(index)) return false
  }
  return true
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
