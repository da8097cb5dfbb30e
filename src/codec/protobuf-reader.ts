/** Reads the protobuf wire format, every length and tag checked against the end of the message. */
import { InferenceError } from '../core/errors.ts'

/** How a field is encoded, as the low three bits of its tag say. */
export const wire = { varint: 0, fixed64: 1, bytes: 2, startGroup: 3, endGroup: 4, fixed32: 5 } as const

/** Groups are skipped, never read; deeper ones than this are an attack. */
const maxGroupDepth = 100

/** Most tensors, raw contents and parameters of one message: an attacker's byte must not become a kilobyte of ours. */
const maxEntries = 65_536

const noBytes = new Uint8Array(0)

/** Reads one message. Every method throws InferenceError `invalid_argument` where the bytes end early or make no sense. */
export class ProtoReader {
  readonly #bytes: Buffer
  readonly #message: string
  #offset: number
  #end: number
  #entries = 0
  /** Field number of the last tag read. */
  field = 0
  /** Wire type of the last tag read. */
  wireType = 0

  /** @param message what is read, for error messages: `ModelInferRequest` */
  constructor(bytes: Uint8Array, message: string) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#message = message
    this.#offset = 0
    this.#end = bytes.byteLength
  }

  /** Where the next byte is read. */
  get offset(): number {
    return this.#offset
  }

  /** Reads the next tag into `field` and `wireType`. @returns false at the end of the message */
  next(): boolean {
    if (this.#offset >= this.#end) return false
    const tag = this.uint32()
    this.field = tag >>> 3
    this.wireType = tag & 7
    if (this.field === 0) throw this.malformed('field number 0')
    return true
  }

  /** Narrows reading to the length-delimited value that comes next. @returns what `leave` takes */
  enter(): number {
    const length = this.length()
    const outer = this.#end
    this.#end = this.#offset + length
    return outer
  }

  /** Ends what `enter` began. */
  leave(outer: number): void {
    this.#offset = this.#end
    this.#end = outer
  }

  /** Throws where the field just read does not have this wire type. */
  expect(wireType: number): void {
    if (this.wireType !== wireType) throw this.malformed(`field ${this.field} has wire type ${this.wireType}`)
  }

  /** Counts an object that is made for a repeated field. Throws where there are unreasonably many. */
  countEntry(): void {
    this.#entries += 1
    if (this.#entries > maxEntries) throw this.malformed(`more than ${maxEntries} tensors, contents and parameters`)
  }

  /** A varint's low 32 bits, unsigned. */
  uint32(): number {
    const bytes = this.#bytes
    let result = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#offset >= this.#end) throw this.cutOff()
      const byte = bytes[this.#offset++] ?? 0
      if (shift < 32) result |= (byte & 0x7f) << shift
      if (byte < 0x80) return result >>> 0
    }
    throw this.malformed('a varint is longer than 10 bytes')
  }

  /** A 64-bit varint. */
  uint64(): bigint {
    const start = this.#offset
    // 49 bits fit a number exactly: nearly every value ends here.
    let result = 0
    let scale = 1
    for (let index = 0; index < 7; index += 1) {
      if (this.#offset >= this.#end) throw this.cutOff()
      const byte = this.#bytes[this.#offset++] ?? 0
      result += (byte & 0x7f) * scale
      if (byte < 0x80) return BigInt(result)
      scale *= 128
    }
    this.#offset = start
    return this.#wideUint64()
  }

  #wideUint64(): bigint {
    let result = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.#offset >= this.#end) throw this.cutOff()
      const byte = this.#bytes[this.#offset++] ?? 0
      result |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, result)
    }
    throw this.malformed('a varint is longer than 10 bytes')
  }

  /** A signed 64-bit varint as a number, or undefined beyond ±(2^53 - 1). */
  safeInt64(): number | undefined {
    const first = this.#bytes[this.#offset] ?? 0x80
    if (first < 0x80 && this.#offset < this.#end) {
      this.#offset += 1
      return first
    }
    return safeNumber(BigInt.asIntN(64, this.uint64()))
  }

  bool(): boolean {
    return this.safeInt64() !== 0
  }

  double(): number {
    this.#need(8)
    const value = this.#bytes.readDoubleLE(this.#offset)
    this.#offset += 8
    return value
  }

  string(): string {
    const length = this.length()
    const start = this.#offset
    this.#offset += length
    return text(this.#bytes, start, this.#offset)
  }

  /** A length-delimited value as a view. */
  bytes(): Uint8Array {
    const length = this.length()
    const start = this.#offset
    this.#offset += length
    return length === 0 ? noBytes : new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, length)
  }

  /** A view of what was read since `start`. */
  since(start: number): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, this.#offset - start)
  }

  /** The length prefix of a value that lies wholly inside the message. */
  length(): number {
    const length = this.uint32()
    this.#need(length)
    return length
  }

  /** Skips the value of the tag just read. */
  skip(depth = 0): void {
    switch (this.wireType) {
      case wire.varint:
        this.uint32()
        return
      case wire.fixed64:
        this.#need(8)
        this.#offset += 8
        return
      case wire.bytes:
        this.bytes()
        return
      case wire.fixed32:
        this.#need(4)
        this.#offset += 4
        return
      case wire.startGroup:
        this.#skipGroup(this.field, depth + 1)
        return
      default:
        throw this.malformed(`field ${this.field} has wire type ${this.wireType}`)
    }
  }

  malformed(what: string): InferenceError {
    return new InferenceError('invalid_argument', `malformed ${this.#message}: ${what}`)
  }

  cutOff(): InferenceError {
    return this.malformed('the message ends inside a field')
  }

  #skipGroup(group: number, depth: number): void {
    if (depth > maxGroupDepth) throw this.malformed(`groups are nested deeper than ${maxGroupDepth}`)
    while (this.next()) {
      if (this.wireType === wire.endGroup) {
        if (this.field !== group) throw this.malformed('a group ends that did not begin')
        return
      }
      this.skip(depth)
    }
    throw this.cutOff()
  }

  #need(count: number): void {
    if (count > this.#end - this.#offset) throw this.cutOff()
  }
}

/** Short texts are names, nearly always ASCII: a loop beats the call into C++. */
function text(bytes: Buffer, start: number, end: number): string {
  if (end - start > 24) return bytes.toString('utf8', start, end)
  let result = ''
  for (let index = start; index < end; index += 1) {
    const byte = bytes[index] ?? 0
    if (byte >= 0x80) return bytes.toString('utf8', start, end)
    result += String.fromCharCode(byte)
  }
  return result
}

/** @returns undefined where a number cannot hold the value exactly */
export function safeNumber(value: bigint): number | undefined {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : undefined
}
