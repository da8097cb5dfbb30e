/** Tensors across the border of a thread or a process: packed into few buffers, moved where they may be, without structured clones of views. */
import { InferenceError } from '../core/errors.ts'
import type { Tensor } from '../core/tensor.ts'
import {
  byteStringsLength,
  bytesOf,
  decodeByteStrings,
  elementCount,
  elementsOf,
  encodeByteStrings,
  isDataType,
  tensor,
} from '../core/tensor.ts'

/**
 * Tensors as one message. Names, datatypes and shapes travel as one JSON text (half the cost of cloning objects);
 * `buffers[0]` holds every tensor that was copied, the others are tensors moved whole.
 */
export interface Packed {
  readonly header: string
  readonly buffers: readonly ArrayBuffer[]
}

export interface PackOptions {
  /**
   * The sender gives its tensors up: one that owns its whole ArrayBuffer is transferred and is empty afterwards.
   * Default false: every tensor is copied.
   */
  readonly move?: boolean
}

/** Name, datatype, shape, index into `buffers`, offset and length in bytes. */
export type Row = readonly [string, string, readonly number[], number, number, number, Tensor['parameters']?]

/** Elements start at multiples of 8, so that every datatype is a view on the packed buffer. */
export const alignment = 8
/** Below this a copy is cheaper than the bookkeeping of a transfer. */
const smallestMove = 16_384
/** Below this, cloning the buffer with the message is cheaper than transferring it. */
const smallestTransfer = 4096

/** Packs tensors for {@link unpack}. Without `move` the sender's tensors stay as they are. */
export function pack(tensors: readonly Tensor[], options: PackOptions = {}): Packed {
  const rows: Row[] = []
  const moved: ArrayBuffer[] = []
  const copies: { readonly bytes: Uint8Array; readonly offset: number }[] = []
  let length = 0
  for (const item of tensors) {
    const whole = options.move === true ? wholeBuffer(item) : undefined
    if (whole !== undefined) {
      let index = moved.indexOf(whole)
      if (index < 0) index = moved.push(whole) - 1
      rows.push(row(item, index + 1, 0, whole.byteLength))
      continue
    }
    const bytes = item.datatype === 'BYTES' ? encodeByteStrings(item.data) : bytesOf(item.data)
    rows.push(row(item, 0, length, bytes.byteLength))
    copies.push({ bytes, offset: length })
    length += Math.ceil(bytes.byteLength / alignment) * alignment
  }
  // Not from the pool, hence the whole of its buffer; every byte that a tensor covers is written below.
  const packed = Buffer.allocUnsafeSlow(length)
  for (const { bytes, offset } of copies) packed.set(bytes, offset)
  return { header: JSON.stringify(rows), buffers: [packed.buffer, ...moved] }
}

/** The buffers worth transferring with the message; small ones are cloned with it. */
export function transferList(packed: Packed): ArrayBuffer[] {
  return packed.buffers.filter((buffer, index) => index > 0 || buffer.byteLength >= smallestTransfer)
}

/** Tensors as views on the buffers of a message made by {@link pack}. */
export function unpack(packed: Packed): Tensor[] {
  return unpackRows(JSON.parse(packed.header) as Row[], packed.buffers) // made by pack() of this same program
}

/** Tensors one after the other, as a pipe takes them: nothing is copied but texts. */
export interface LaidOut {
  /** All of buffer 0. */
  readonly rows: readonly Row[]
  /** Views on the tensors; each is followed by zeros up to the next multiple of {@link alignment}. */
  readonly parts: readonly Uint8Array[]
}

/** Lays tensors out for {@link unpackRows}. The sender leaves them as they are until they are written. */
export function layOut(tensors: readonly Tensor[]): LaidOut {
  const rows: Row[] = []
  const parts: Uint8Array[] = []
  let offset = 0
  for (const item of tensors) {
    const bytes = item.datatype === 'BYTES' ? encodeByteStrings(item.data) : bytesOf(item.data)
    rows.push(row(item, 0, offset, bytes.byteLength))
    parts.push(bytes)
    offset += Math.ceil(bytes.byteLength / alignment) * alignment
  }
  return { rows, parts }
}

/** Tensors as views on buffers. */
export function unpackRows(rows: readonly Row[], buffers: readonly ArrayBuffer[]): Tensor[] {
  return rows.map(([name, datatype, shape, index, offset, length, parameters]) => {
    const buffer = buffers[index]
    if (buffer === undefined || !isDataType(datatype)) {
      throw new InferenceError('internal', `a message between threads was damaged: tensor '${name}'`)
    }
    const bytes = new Uint8Array(buffer, offset, length)
    const data =
      datatype === 'BYTES'
        ? decodeByteStrings(bytes, elementCount(shape), `tensor '${name}'`)
        : elementsOf(datatype, bytes)
    const unpacked = tensor(name, datatype, shape, data)
    return parameters === undefined ? unpacked : { ...unpacked, parameters }
  })
}

/** Bytes of all elements; BYTES elements with their length prefixes. */
export function totalBytes(tensors: readonly Tensor[]): number {
  let total = 0
  for (const item of tensors) {
    total += item.datatype === 'BYTES' ? byteStringsLength(item.data) : item.data.byteLength
  }
  return total
}

function row(item: Tensor, index: number, offset: number, length: number): Row {
  const { name, datatype, shape, parameters } = item
  if (parameters === undefined) return [name, datatype, shape, index, offset, length]
  return [name, datatype, shape, index, offset, length, parameters]
}

/** The buffer of a tensor that owns all of it and is large enough to be worth moving. A view, a slice of a pool or shared memory is not. */
function wholeBuffer(item: Tensor): ArrayBuffer | undefined {
  if (item.datatype === 'BYTES') return undefined
  const { buffer, byteOffset, byteLength } = item.data
  if (byteLength < smallestMove || byteOffset !== 0 || byteLength !== buffer.byteLength) return undefined
  return buffer instanceof ArrayBuffer ? buffer : undefined
}
