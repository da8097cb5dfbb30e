/** Reads runs of JSON elements of any datatype: which values a datatype takes, and where they go. */
import { allocate } from '../core/tensor.ts'
import type { DataType, TensorData } from '../core/tensor.ts'
import { readBigIntegers, readFloats, readIntegers } from './json-numbers.ts'
import type { JsonReader } from './json-reader.ts'
import { ascii } from './json-string.ts'

/** Datatypes that JSON can carry: FP16 and BF16 travel as binary only. */
export type JsonDataType = Exclude<DataType, 'FP16' | 'BF16'>

type SmallInteger = 'UINT8' | 'UINT16' | 'UINT32' | 'INT8' | 'INT16' | 'INT32'

const ranges: { readonly [D in SmallInteger]: readonly [number, number] } = {
  UINT8: [0, 255],
  UINT16: [0, 65_535],
  UINT32: [0, 4_294_967_295],
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  INT32: [-2_147_483_648, 2_147_483_647],
}

/** What a datatype takes, for messages: `integers from 0 to 255`. */
export function rangeOf(datatype: JsonDataType): string {
  switch (datatype) {
    case 'FP32':
    case 'FP64':
      return 'numbers and the bare tokens NaN, Infinity and -Infinity'
    case 'BOOL':
      return 'true and false'
    case 'BYTES':
      return 'strings, or {"b64": "..."} for bytes'
    case 'INT64':
      return 'integers from -9223372036854775808 to 9223372036854775807'
    case 'UINT64':
      return 'integers from 0 to 18446744073709551615'
    case 'UINT8':
    case 'UINT16':
    case 'UINT32':
    case 'INT8':
    case 'INT16':
    case 'INT32':
      return `integers from ${ranges[datatype][0]} to ${ranges[datatype][1]}`
  }
}

/** Where elements go while they are read. Small integers pass through doubles: one loop serves six datatypes. */
export type Elements =
  | { readonly datatype: 'FP32'; data: Float32Array }
  | { readonly datatype: 'FP64' | SmallInteger; data: Float64Array }
  | { readonly datatype: 'INT64'; data: BigInt64Array }
  | { readonly datatype: 'UINT64'; data: BigUint64Array }
  | { readonly datatype: 'BOOL'; data: Uint8Array }
  | { readonly datatype: 'BYTES'; data: Uint8Array[] }

/** Room for `capacity` elements. */
export function createElements(datatype: JsonDataType, capacity: number): Elements {
  switch (datatype) {
    case 'FP32':
      return { datatype, data: new Float32Array(capacity) }
    case 'INT64':
      return { datatype, data: new BigInt64Array(capacity) }
    case 'UINT64':
      return { datatype, data: new BigUint64Array(capacity) }
    case 'BOOL':
      return { datatype, data: new Uint8Array(capacity) }
    case 'BYTES':
      return { datatype, data: [] }
    case 'FP64':
    case 'UINT8':
    case 'UINT16':
    case 'UINT32':
    case 'INT8':
    case 'INT16':
    case 'INT32':
      return { datatype, data: new Float64Array(capacity) }
  }
}

/** More room. */
export function growElements(elements: Elements, capacity: number): void {
  if (elements.datatype === 'BYTES') return
  const old = elements.data
  const { data } = createElements(elements.datatype, capacity)
  // Both were made by createElements for one datatype.
  ;(data as Float64Array).set(old as Float64Array)
  elements.data = data as never
}

/** The first `length` elements in the array that a tensor holds. */
export function finishElements(elements: Elements, length: number): TensorData[JsonDataType] {
  const { datatype, data } = elements
  switch (datatype) {
    case 'BYTES':
      return data
    case 'FP32':
    case 'FP64':
    case 'INT64':
    case 'UINT64':
    case 'BOOL':
      return data.length === length ? data : data.slice(0, length)
    case 'UINT8':
    case 'UINT16':
    case 'UINT32':
    case 'INT8':
    case 'INT16':
    case 'INT32': {
      const integers = allocate(datatype, length)
      integers.set(data.length === length ? data : data.subarray(0, length))
      return integers
    }
  }
}

/**
 * Reads elements `from … limit` of an array whose `[` or `,` has just been read; see `json-numbers.ts` for where it stops.
 *
 * @returns the index after the last element, or `~index` where the value at the position is none of this datatype
 */
export function readElements(reader: JsonReader, elements: Elements, from: number, limit: number): number {
  switch (elements.datatype) {
    case 'FP32':
    case 'FP64':
      return readFloats(reader, elements.data, from, limit)
    case 'INT64':
    case 'UINT64':
      return readBigIntegers(reader, elements.data, from, limit)
    case 'BOOL':
      return readBooleans(reader, elements.data, from, limit)
    case 'BYTES':
      return readByteStrings(reader, elements.data, from, limit)
    case 'UINT8':
    case 'UINT16':
    case 'UINT32':
    case 'INT8':
    case 'INT16':
    case 'INT32': {
      const [min, max] = ranges[elements.datatype]
      return readIntegers(reader, elements.data, from, limit, min, max)
    }
  }
}

function readBooleans(reader: JsonReader, out: Uint8Array, from: number, limit: number): number {
  for (let index = from; ;) {
    const byte = reader.peek()
    if (byte !== ascii.lowerT && byte !== ascii.lowerF) return ~index
    out[index] = reader.boolean() ? 1 : 0
    index += 1
    if (reader.peek() !== ascii.comma || index === limit) return index
    reader.pos += 1
  }
}

function readByteStrings(reader: JsonReader, out: Uint8Array[], from: number, limit: number): number {
  for (let index = from; ;) {
    if (reader.peek() === ascii.quote) out.push(reader.utf8())
    else {
      const bytes = readBase64(reader)
      if (bytes === undefined) return ~index
      out.push(bytes)
    }
    index += 1
    if (reader.peek() !== ascii.comma || index === limit) return index
    reader.pos += 1
  }
}

/** True where the value at the position is `{"b64": "…"}`, which stands for bytes; nothing is read. */
export function isBase64(reader: JsonReader): boolean {
  if (reader.peek() !== ascii.openBrace) return false
  const start = reader.pos
  let isValue = false
  if (reader.openObject() && reader.key() === 'b64' && reader.peek() === ascii.quote) {
    reader.utf8()
    isValue = reader.peek() === ascii.closeBrace
  }
  reader.pos = start
  return isValue
}

/** The bytes of `{"b64": "…"}`; undefined, with nothing read, where another value stands there. */
export function readBase64(reader: JsonReader): Uint8Array | undefined {
  if (!isBase64(reader)) return undefined
  reader.openObject()
  reader.key()
  const text = reader.string()
  reader.nextMember()
  return decodeBase64(text) ?? decodeBase64(text.replace(/\s+/g, '')) ?? notBase64(reader)
}

/** Node skips what is no base64; then fewer bytes come out than the text has room for. */
function decodeBase64(text: string): Uint8Array | undefined {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const digits = text.length - padding
  const bytes = Buffer.from(text, 'base64')
  return digits % 4 !== 1 && bytes.length === Math.floor((digits * 3) / 4) ? bytes : undefined
}

function notBase64(reader: JsonReader): never {
  throw reader.error('The value of "b64" is not base64.')
}
