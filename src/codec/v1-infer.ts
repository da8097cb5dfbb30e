/** Datatypes of V1 data where no model tells them: integers INT64, other numbers FP64, booleans BOOL, strings BYTES. */
import type { TensorMetadata } from '../core/model.ts'
import type { DataType } from '../core/tensor.ts'
import type { JsonReader } from './json-reader.ts'
import { ascii } from './json-string.ts'

/** Kinds of values, as bits: a tensor may hold several. */
const kinds = { integer: 1, float: 2, boolean: 4, string: 8 } as const

/** The tensors of `instances` or `predictions` at the position, which stays. */
export function inferRows(reader: JsonReader, isNamed: boolean, role: string): readonly TensorMetadata[] {
  if (!isNamed) return inferColumns(reader, false, role)
  const start = reader.pos
  const found = new Map<string, number>()
  for (let open = reader.openArray(); open; open = reader.nextElement()) {
    if (reader.peek() === ascii.openBrace) addMembers(reader, found)
    else reader.skipValue()
  }
  reader.pos = start
  return metadataOf(found)
}

/** The tensors of `inputs` or `outputs` at the position, which stays. */
export function inferColumns(reader: JsonReader, isNamed: boolean, role: string): readonly TensorMetadata[] {
  const start = reader.pos
  const found = new Map<string, number>()
  if (isNamed) addMembers(reader, found)
  else found.set(`${role}-0`, kindsOf(reader))
  reader.pos = start
  return metadataOf(found)
}

function addMembers(reader: JsonReader, found: Map<string, number>): void {
  for (let open = reader.openObject(); open; open = reader.nextMember()) {
    const name = reader.key()
    found.set(name, (found.get(name) ?? 0) | kindsOf(reader))
  }
}

/** The kinds of all elements in the value at the position, which is read. */
function kindsOf(reader: JsonReader): number {
  reader.peek()
  const { bytes, pos: start } = reader
  reader.skipValue()
  let found = 0
  for (let pos = start; pos < reader.pos; pos += 1) {
    const byte = bytes[pos] ?? 0
    if (byte === ascii.quote) {
      found |= kinds.string
      pos = endOfString(bytes, pos)
    } else if (byte === ascii.lowerT || byte === ascii.lowerF) {
      found |= kinds.boolean
      pos += 3
    } else if (byte === ascii.minus || (byte >= ascii.zero && byte <= ascii.nine) || isName(byte)) {
      const end = endOfNumber(bytes, pos)
      found |= isFraction(bytes, pos, end) ? kinds.float : kinds.integer
      pos = end - 1
    }
  }
  return found
}

/** `NaN` or `Infinity` */
function isName(byte: number): boolean {
  return byte === ascii.upperN || byte === ascii.upperI
}

function endOfString(bytes: Uint8Array, start: number): number {
  let pos = start + 1
  while (bytes[pos] !== ascii.quote) pos += bytes[pos] === ascii.backslash ? 2 : 1
  return pos
}

function endOfNumber(bytes: Uint8Array, start: number): number {
  let pos = start
  for (;;) {
    const byte = bytes[pos] ?? ascii.comma
    if (byte === ascii.comma || byte === ascii.closeBracket || byte === ascii.closeBrace || byte <= 0x20) return pos
    pos += 1
  }
}

function isFraction(bytes: Uint8Array, start: number, end: number): boolean {
  for (let pos = start; pos < end; pos += 1) {
    const byte = bytes[pos] ?? 0
    if (byte === ascii.dot || (byte | 0x20) === ascii.lowerE || isName(byte)) return true
  }
  return false
}

function metadataOf(found: ReadonlyMap<string, number>): readonly TensorMetadata[] {
  return Array.from(found, ([name, bits]) => ({ name, datatype: datatypeOf(bits), shape: [-1], isAnyRank: true }))
}

function datatypeOf(bits: number): DataType {
  if ((bits & kinds.string) !== 0) return 'BYTES'
  if ((bits & kinds.float) !== 0) return 'FP64'
  if ((bits & kinds.integer) !== 0) return 'INT64'
  return (bits & kinds.boolean) !== 0 ? 'BOOL' : 'FP64'
}
