/** Messages that are written rarely, encoded by a table of their fields. */
import { wire } from '../codec/protobuf-reader.ts'
import { ProtoWriter } from '../codec/protobuf-writer.ts'

/** How a value is written; an enum by the numbers of its names. */
export type Kind = 'string' | 'integer' | 'bool' | ReadonlyMap<string, number> | { readonly fields: Schema }

export interface Field {
  readonly number: number
  readonly kind: Kind
  /** The value is an object, written as a map from text. An array is written as repeated. */
  readonly isMap?: boolean
  /** The keys of that map are unsigned integers. */
  readonly hasNumberKeys?: boolean
  /** Written though it is the default: one of several choices. */
  readonly isChoice?: boolean
}

/** Fields by the names that they have in values and in `proto/`, in the order of their numbers. */
export type Schema = Readonly<Record<string, Field>>

/** A message. Members of `value` that the schema does not name are left out. */
export function encodeMessage(schema: Schema, value: object): Buffer {
  const writer = new ProtoWriter(256)
  writeFields(writer, schema, value)
  return writer.finish()
}

function writeFields(writer: ProtoWriter, schema: Schema, value: object): void {
  for (const [name, field] of Object.entries(schema).reverse()) {
    const member: unknown = Reflect.get(value, name)
    if (member === undefined) continue
    if (field.isMap === true && isObject(member)) writeMap(writer, field, member)
    else if (Array.isArray(member)) writeRepeated(writer, field, member)
    else if (field.isChoice === true || !isDefault(field.kind, member)) writeValue(writer, field, member)
  }
}

function writeMap(writer: ProtoWriter, field: Field, members: object): void {
  for (const [key, value] of Object.entries(members).reverse() as [string, unknown][]) {
    const entry = writer.length
    writeValue(writer, { ...field, number: 2 }, value)
    if (field.hasNumberKeys === true) {
      writer.integer(Number(key))
      writer.tag(1, wire.varint)
    } else writer.string(1, key)
    writer.embed(field.number, entry)
  }
}

function writeRepeated(writer: ProtoWriter, field: Field, values: readonly unknown[]): void {
  if (field.kind !== 'integer') {
    for (const value of values.toReversed()) writeValue(writer, field, value)
    return
  }
  if (values.length === 0) return
  const start = writer.length // numbers are packed
  for (const value of values.toReversed()) writer.integer(Number(value))
  writer.embed(field.number, start)
}

function writeValue(writer: ProtoWriter, { number, kind }: Field, value: unknown): void {
  if (kind === 'string') {
    writer.string(number, String(value))
  } else if (kind === 'integer' || kind === 'bool' || isEnum(kind)) {
    writer.integer(isEnum(kind) ? (kind.get(String(value)) ?? 0) : Number(value))
    writer.tag(number, wire.varint)
  } else if ('fields' in kind && isObject(value)) {
    const start = writer.length
    writeFields(writer, kind.fields, value)
    writer.embed(number, start)
  }
}

/** What proto3 leaves out. */
function isDefault(kind: Kind, value: unknown): boolean {
  if (isEnum(kind)) return (kind.get(String(value)) ?? 0) === 0
  return value === '' || value === 0 || value === false
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isEnum(kind: Kind): kind is ReadonlyMap<string, number> {
  return kind instanceof Map
}
