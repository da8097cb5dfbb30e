/** Reads header fields as HTTP/2 writes them (RFC 7541). */
import { errorCode } from './frames.ts'
import { Http2Error } from './frame-parser.ts'
import { entryBytes, staticFields, usualTableBytes, type Field } from './hpack-static.ts'
import { unhuffman } from './huffman.ts'

/** Reads the blocks of one connection in their order. */
export class HpackDecoder {
  readonly #maxBytes: number
  /** The newest entry first. */
  readonly #table: Field[] = []
  #size = 0
  #limit = usualTableBytes
  #block: Buffer = Buffer.alloc(0)
  #at = 0

  /** @param maxBytes of the fields of one block, counted as entries of the table */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** @throws Http2Error where the block is broken or too large: no later block can be read then */
  decode(block: Buffer): Field[] {
    this.#block = block
    this.#at = 0
    const fields: Field[] = []
    let left = this.#maxBytes
    while (this.#at < block.length) {
      const first = block[this.#at] ?? 0
      if (first >= 32 && first < 64) {
        if (fields.length > 0) throw broken('the size of its table changes within it')
        this.#resize(this.#integer(5))
        continue
      }
      const field = this.#field(first)
      left -= sizeOf(field)
      if (left < 0) throw broken(`it has more than ${this.#maxBytes} bytes`)
      fields.push(field)
    }
    return fields
  }

  #resize(limit: number): void {
    if (limit > usualTableBytes) throw broken('its table is larger than allowed')
    this.#limit = limit
    this.#evict()
  }

  #field(first: number): Field {
    if (first >= 128) return this.#entry(this.#integer(7))
    const isKept = first >= 64
    const index = this.#integer(isKept ? 6 : 4)
    const name = index === 0 ? this.#text() : this.#entry(index)[0]
    const field: Field = [name, this.#text()]
    if (isKept) {
      this.#table.unshift(field)
      this.#size += sizeOf(field)
      this.#evict()
    }
    return field
  }

  #entry(index: number): Field {
    const known = staticFields.length
    const field = index <= known ? staticFields[index - 1] : this.#table[index - known - 1]
    if (field === undefined) throw broken(`it names entry ${index}, which is not there`)
    return field
  }

  #evict(): void {
    while (this.#size > this.#limit) {
      const field = this.#table.pop()
      if (field === undefined) return
      this.#size -= sizeOf(field)
    }
  }

  /** @param bits of the first byte that belong to the number */
  #integer(bits: number): number {
    const mask = 2 ** bits - 1
    let value = this.#byte() & mask
    if (value < mask) return value
    // Four more bytes hold any number that makes sense here.
    for (let scale = 1; scale <= 2 ** 21; scale *= 128) {
      const byte = this.#byte()
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
    throw broken('it has a number without an end')
  }

  #byte(): number {
    const byte = this.#block[this.#at]
    if (byte === undefined) throw broken('it ends within a field')
    this.#at += 1
    return byte
  }

  #text(): string {
    const isHuffman = ((this.#block[this.#at] ?? 0) & 128) !== 0
    const length = this.#integer(7)
    const from = this.#at
    const end = from + length
    if (end > this.#block.length) throw broken('it ends within a text')
    this.#at = end
    if (!isHuffman) return this.#block.toString('latin1', from, end)
    const text = unhuffman(this.#block.subarray(from, end))
    if (text === undefined) throw broken('it has a text that is no Huffman code')
    return text
  }
}

function sizeOf([name, value]: Field): number {
  return name.length + value.length + entryBytes
}

function broken(why: string): Http2Error {
  return new Http2Error(errorCode.compression, `a block of headers cannot be read: ${why}`)
}
