/** Writes JSON as UTF-8 bytes, tensors' elements straight from their arrays. */
import { isUtf8 } from 'node:buffer'
import type { Tensor } from '../core/tensor.ts'
import { writeText } from './float-text.ts'
import { longestNumber, writeElements, writeInteger } from './number-text.ts'
import { ascii } from './json-string.ts'

/** Bytes of the first buffer: room for most small answers. */
const firstBytes = 16 * 1024
/** The first buffer of the next text: small texts are copied out of it, so that each costs its own length and no more. */
let spare: Buffer | undefined
/** Elements written between two looks at the room left. */
const block = 1024
/** Longer texts are cheaper to write by the runtime's own copying. */
const shortText = 24

/** A JSON text under construction. */
export class JsonWriter {
  #bytes = takeFirst()
  #length = 0

  /** The whole text. Nothing may be written after it. */
  finish(): Uint8Array {
    const text = this.#bytes.subarray(0, this.#length)
    if (this.#bytes.length > firstBytes) return text
    const copy = Buffer.allocUnsafe(this.#length)
    copy.set(text)
    spare = this.#bytes
    return copy
  }

  /** JSON as it is: ASCII only. */
  raw(text: string): void {
    this.#reserve(text.length)
    if (text.length <= shortText) this.#length = writeText(this.#bytes, this.#length, text)
    else this.#length += this.#bytes.write(text, this.#length, 'latin1')
  }

  /** A string with its quotes. */
  string(text: string): void {
    const start = this.#length
    this.#reserve(text.length + 2)
    const bytes = this.#bytes
    let pos = start
    bytes[pos++] = ascii.quote
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index)
      if (!isPlain(code)) return this.#escaped(text)
      bytes[pos++] = code
    }
    bytes[pos++] = ascii.quote
    this.#length = pos
  }

  /** UTF-8 bytes as a string. @returns false, with nothing written, where they are not UTF-8 */
  utf8(element: Uint8Array): boolean {
    const start = this.#length
    this.#reserve(element.length + 2)
    const bytes = this.#bytes
    let pos = start
    bytes[pos++] = ascii.quote
    for (let index = 0; index < element.length; index += 1) {
      const byte = element[index] ?? 0
      if (!isPlain(byte)) {
        if (!isUtf8(element)) return false
        this.#escaped(Buffer.from(element.buffer, element.byteOffset, element.byteLength).toString('utf8'))
        return true
      }
      bytes[pos++] = byte
    }
    bytes[pos++] = ascii.quote
    this.#length = pos
    return true
  }

  /** `{"b64": "…"}`. */
  base64(element: Uint8Array): void {
    this.raw('{"b64":"')
    this.raw(Buffer.from(element.buffer, element.byteOffset, element.byteLength).toString('base64'))
    this.raw('"}')
  }

  /** A number or a boolean as `JSON.stringify` writes it; floats that are no JSON as bare tokens. */
  plain(value: number | boolean): void {
    this.raw(String(value))
  }

  /** A shape. */
  integers(values: readonly number[]): void {
    this.raw('[')
    for (let index = 0; index < values.length; index += 1) {
      if (index > 0) this.raw(',')
      this.#reserve(longestNumber)
      this.#length = writeInteger(this.#bytes, this.#length, values[index] ?? 0)
    }
    this.raw(']')
  }

  /**
   * Elements `from … to` of a tensor with commas between them.
   *
   * @param tensor of any datatype but FP16, BF16 and BYTES
   */
  elements(tensor: Tensor, from: number, to: number): void {
    for (let start = from; start < to; start += block) {
      if (start > from) this.raw(',')
      const end = Math.min(to, start + block)
      this.#reserve((end - start) * (longestNumber + 1))
      this.#length = writeElements(this.#bytes, this.#length, tensor, start, end)
    }
  }

  #escaped(text: string): void {
    const json = JSON.stringify(text)
    this.#reserve(json.length * 3)
    this.#length += this.#bytes.write(json, this.#length, 'utf8')
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2))
    larger.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = larger
  }
}

/** The spare buffer, or a new one while another text is being written. */
function takeFirst(): Buffer {
  const first = spare ?? Buffer.allocUnsafeSlow(firstBytes)
  spare = undefined
  return first
}

/** True for characters that a JSON string holds as they are, in one byte. */
function isPlain(code: number): boolean {
  return code >= 0x20 && code < 0x80 && code !== ascii.quote && code !== ascii.backslash
}
