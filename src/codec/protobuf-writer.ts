/** Writes the protobuf wire format into a buffer that it fills from the end: lengths are known when they are written. */
import { wire } from './protobuf-reader.ts'

/**
 * Writes one message from its last field to its first, so that the length of an embedded message is known when its
 * prefix is written. Callers write fields, and the elements of repeated ones, in reverse.
 */
export class ProtoWriter {
  #bytes: Buffer
  /** Everything from here on is written. */
  #start: number

  /** @param capacity expected size in bytes; more is made where it does not suffice */
  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafe(capacity)
    this.#start = capacity
  }

  /** Bytes written so far: an embedded message is marked by this before it is written. */
  get length(): number {
    return this.#bytes.byteLength - this.#start
  }

  finish(): Buffer {
    return this.#bytes.subarray(this.#start)
  }

  tag(field: number, wireType: number): void {
    this.uint32((field << 3) | wireType)
  }

  /** The prefix of an embedded message that began when `length` was `mark`. */
  embed(field: number, mark: number): void {
    this.uint32(this.length - mark)
    this.tag(field, wire.bytes)
  }

  /** @param value at most 2^32 - 1 */
  uint32(value: number): void {
    if (value < 0x80) {
      this.#room(1)
      this.#bytes[--this.#start] = value
      return
    }
    let size = 2
    for (let rest = value >>> 14; rest > 0; rest >>>= 7) size += 1
    this.#room(size)
    this.#start -= size
    let rest = value
    for (let index = this.#start; index < this.#start + size - 1; index += 1) {
      this.#bytes[index] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#bytes[this.#start + size - 1] = rest
  }

  /** A 64-bit varint, signed or unsigned. */
  int64(value: bigint): void {
    const groups: number[] = []
    let rest = BigInt.asUintN(64, value)
    while (rest > 0x7fn) {
      groups.push(Number(rest & 0x7fn) | 0x80)
      rest >>= 7n
    }
    groups.push(Number(rest))
    this.#room(groups.length)
    this.#start -= groups.length
    for (const [index, group] of groups.entries()) this.#bytes[this.#start + index] = group
  }

  /** An integer of at most 53 bits as a 64-bit varint. */
  integer(value: number): void {
    if (value >= 0 && value <= 0xffffffff) this.uint32(value)
    else this.int64(BigInt(value))
  }

  double(value: number): void {
    this.#room(8)
    this.#start -= 8
    this.#bytes.writeDoubleLE(value, this.#start)
  }

  /** Bytes without a prefix. */
  raw(bytes: Uint8Array): void {
    this.#room(bytes.byteLength)
    this.#start -= bytes.byteLength
    this.#bytes.set(bytes, this.#start)
  }

  bytes(field: number, bytes: Uint8Array): void {
    this.raw(bytes)
    this.uint32(bytes.byteLength)
    this.tag(field, wire.bytes)
  }

  string(field: number, value: string): void {
    const length = Buffer.byteLength(value)
    this.#room(length)
    this.#start -= length
    this.#bytes.write(value, this.#start, length, 'utf8')
    this.uint32(length)
    this.tag(field, wire.bytes)
  }

  /** A string field, left out where it is empty: proto3's default. */
  optionalString(field: number, value: string | undefined): void {
    if (value !== undefined && value !== '') this.string(field, value)
  }

  /** An unsigned 32-bit little-endian number without a tag. */
  fixed32(value: number): void {
    this.#room(4)
    this.#start -= 4
    this.#bytes.writeUInt32LE(value, this.#start)
  }

  #room(count: number): void {
    if (this.#start >= count) return
    const used = this.length
    const bytes = Buffer.allocUnsafe(Math.max(this.#bytes.byteLength * 2, used + count))
    this.#bytes.copy(bytes, bytes.byteLength - used, this.#start)
    this.#start = bytes.byteLength - used
    this.#bytes = bytes
  }
}
