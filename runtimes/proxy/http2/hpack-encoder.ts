/** Writes header fields as HTTP/2 has them (RFC 7541): fields of every call by number, all others as they are. */
import { entryBytes, staticFields, usualTableBytes, type Field } from './hpack-static.ts'

const [noIndexing, neverIndexed, sizeUpdate, withIndexing, indexed] = [0, 16, 32, 64, 128]

/** What no server on the way may keep (RFC 7541, 7.1.3). */
const secrets = /^(authorization|proxy-authorization|cookie|x-api-key|api-key|x-auth-.*)$/

/** Writes the blocks of one connection in their order. Nothing leaves its table, so that numbers stay as they are. */
export class HpackEncoder {
  /** Its place in the table, the oldest is 0, by name and value. */
  readonly #places = new Map<string, number>()
  readonly #blocks = new Map<readonly Field[], Buffer>()
  #size = 0
  #limit = usualTableBytes
  #mustTell = false

  /** The peer keeps a table of so many bytes at most. */
  set peerTableBytes(bytes: number) {
    const limit = Math.min(bytes, usualTableBytes)
    if (limit === this.#limit) return
    this.#limit = limit
    this.#mustTell = true
    this.#places.clear()
    this.#blocks.clear()
    this.#size = 0
  }

  /**
   * @param fixed the same array again and again: the table holds its fields, which must not be secret
   * @returns a block to be sent before any later one, to which {@link literals} may be added
   */
  encode(fixed: readonly Field[]): Buffer {
    const known = this.#blocks.get(fixed)
    if (known !== undefined) return known
    const parts: Buffer[] = []
    if (this.#mustTell) parts.push(integer(sizeUpdate, 5, 0), integer(sizeUpdate, 5, this.#limit))
    this.#mustTell = false
    const before = this.#places.size
    for (const field of fixed) parts.push(this.#field(field))
    const block = Buffer.concat(parts)
    // What has made an entry must not make it twice, and each entry moves the numbers of those before it.
    if (this.#places.size === before && parts.length === fixed.length) this.#blocks.set(fixed, block)
    else this.#blocks.clear()
    return block
  }

  #field([name, value]: Field): Buffer {
    const inAll = staticFields.findIndex((field) => field[0] === name && field[1] === value) + 1
    if (inAll > 0) return integer(indexed, 7, inAll)
    const key = `${name}\n${value}`
    const place = this.#places.get(key)
    if (place !== undefined) return integer(indexed, 7, staticFields.length + this.#places.size - place)
    const size = name.length + value.length + entryBytes
    if (this.#size + size > this.#limit) return literal(noIndexing, 4, name, value)
    this.#size += size
    this.#places.set(key, this.#places.size)
    return literal(withIndexing, 6, name, value)
  }
}

/** Fields that no table keeps: the block can be sent again, and behind any other. */
export function literals(fields: Iterable<Field>): Buffer {
  const parts: Buffer[] = []
  for (const [name, value] of fields)
    parts.push(literal(secrets.test(name) ? neverIndexed : noIndexing, 4, name, value))
  return Buffer.concat(parts)
}

function literal(kind: number, bits: number, name: string, value: string): Buffer {
  const index = staticFields.findIndex((field) => field[0] === name) + 1
  const named = index > 0 ? [integer(kind, bits, index)] : [Buffer.of(kind), ...text(name)]
  return Buffer.concat([...named, ...text(value)])
}

function text(of: string): [Buffer, Buffer] {
  const bytes = Buffer.from(of, 'latin1')
  return [integer(0, 7, bytes.length), bytes]
}

/** @param bits of the first byte that are left for the number beside `kind` */
function integer(kind: number, bits: number, value: number): Buffer {
  const mask = 2 ** bits - 1
  if (value < mask) return Buffer.of(kind | value)
  const bytes = [kind | mask]
  let rest = value - mask
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  bytes.push(rest)
  return Buffer.from(bytes)
}
