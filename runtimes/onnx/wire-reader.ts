/** Protobuf wire format read from a file or from memory, bounds-checked, skipping what nobody asks for. */
import { InferenceError } from '../../src/runtime/index.ts'

/** A field: its number, and where its value is. `end` is the end of a length-delimited value. */
export interface Field {
  readonly number: number
  readonly wireType: number
  readonly end: number
}

/** Read at once: names and shapes lie between tensors that are skipped. */
const windowBytes = 16_384
/** No name or path in a model is longer; a hostile length is not allocated. */
const longestText = 1_048_576

const varintType = 0
const fixed64Type = 1
const lengthType = 2
const fixed32Type = 5

/** Fills `target` from its `offset` with at most `length` bytes from `position` on; tells how many there were. */
export type ReadAt = (target: Buffer, offset: number, length: number, position: number) => number

export class WireReader {
  readonly #read: ReadAt
  readonly #size: number
  readonly #window = Buffer.alloc(windowBytes)
  #windowStart = 0
  #windowEnd = 0
  #position = 0

  constructor(read: ReadAt, size: number) {
    this.#read = read
    this.#size = size
  }

  get position(): number {
    return this.#position
  }

  /**
   * The next field of the message that ends at `end`, or undefined at its end. The value must be read or skipped next.
   * @throws InferenceError where the bytes are no protobuf or end too early
   */
  next(end: number): Field | undefined {
    if (this.#position >= end) return undefined
    const key = this.varint(end)
    const number = Math.floor(key / 8)
    const wireType = key % 8
    if (number === 0 || number > 536_870_911) throw this.#malformed(`field number ${number}`)
    switch (wireType) {
      case varintType:
        return { number, wireType, end: this.#position }
      case fixed64Type:
        return { number, wireType, end: this.#bounded(8, end) }
      case fixed32Type:
        return { number, wireType, end: this.#bounded(4, end) }
      case lengthType:
        return { number, wireType, end: this.#bounded(this.varint(end), end) }
      default:
        throw this.#malformed(`wire type ${wireType}`)
    }
  }

  /** Skips the value of a field. */
  skip(field: Field, end: number): void {
    if (field.wireType === varintType) this.varint(end)
    else this.#position = field.end
  }

  /** An unsigned number; values beyond 2^53 lose their last digits. */
  varint(end: number): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < 10; count += 1) {
      if (this.#position >= end) throw this.#truncated(end)
      const byte = this.#byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 128
    }
    throw this.#malformed('a number longer than 10 bytes')
  }

  /** A signed 64-bit number: two's complement, as protobuf's int64. */
  int64(end: number): number {
    const value = this.varint(end)
    return value >= 2 ** 63 ? value - 2 ** 64 : value
  }

  text(field: Field): string {
    this.#expect(field, lengthType)
    const length = field.end - this.#position
    if (length > longestText) throw this.#malformed(`a name of ${length} bytes`)
    if (this.#position >= this.#windowStart && field.end <= this.#windowEnd) {
      const start = this.#position - this.#windowStart
      this.#position = field.end
      return this.#window.toString('utf8', start, start + length)
    }
    const bytes = Buffer.alloc(length)
    let filled = 0
    while (filled < length) {
      const read = this.#read(bytes, filled, length - filled, this.#position + filled)
      if (read === 0) throw this.#truncated(field.end)
      filled += read
    }
    this.#position = field.end
    return bytes.toString('utf8')
  }

  /** The end of a nested message, checked to be one. */
  message(field: Field): number {
    this.#expect(field, lengthType)
    return field.end
  }

  #expect(field: Field, wireType: number): void {
    if (field.wireType !== wireType) throw this.#malformed(`field ${field.number} of wire type ${field.wireType}`)
  }

  #bounded(length: number, end: number): number {
    const stop = this.#position + length
    if (stop > end)
      throw end === this.#size ? this.#truncated(stop) : this.#malformed('a value that leaves its message')
    return stop
  }

  #byte(): number {
    if (this.#position < this.#windowStart || this.#position >= this.#windowEnd) {
      const read = this.#read(this.#window, 0, windowBytes, this.#position)
      if (read === 0) throw this.#truncated(this.#position + 1)
      this.#windowStart = this.#position
      this.#windowEnd = this.#position + read
    }
    const byte = this.#window[this.#position - this.#windowStart] ?? 0
    this.#position += 1
    return byte
  }

  #truncated(wanted: number): InferenceError {
    return new InferenceError(
      'failed_precondition',
      `the file is cut short, or no ONNX model: it has ${this.#size} bytes and needs at least ${wanted}. Copy or download it again`,
    )
  }

  #malformed(what: string): InferenceError {
    return new InferenceError(
      'failed_precondition',
      `the file is no ONNX model (protobuf): ${what} at byte ${this.#position}`,
    )
  }
}
