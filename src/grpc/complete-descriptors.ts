/**
 * Completes the descriptors that protobufjs makes, which strict clients (Go, and so grpcurl) refuse: it leaves out what a
 * file depends on, names types relative to where they are used, and gives the entries of maps names of its own.
 */
import { ProtoReader, wire } from '../codec/protobuf-reader.ts'

/** One field of a message as it came; `bytes` without the length of length-delimited ones. */
interface Field {
  readonly number: number
  readonly wireType: number
  readonly bytes: Uint8Array
}

type Message = readonly Field[]

/** Numbers of the fields of descriptor.proto that are looked at. */
const file = { name: 1, package: 2, dependency: 3, message: 4, enum: 5, service: 6 } as const
const message = { name: 1, field: 2, nested: 3, enum: 4, options: 7 } as const
const field = { name: 1, typeName: 6 } as const
const mapEntryOption = 7

/** Where types are looked up, and what was found in other files. */
interface Lookup {
  readonly fileBySymbol: ReadonlyMap<string, string>
  readonly used: Set<string>
}

/** @param files serialized FileDescriptorProtos that together define all they use */
export function completeDescriptors(files: readonly Uint8Array[]): readonly Uint8Array[] {
  const parsed = files.map(read)
  const fileBySymbol = new Map<string, string>()
  for (const fields of parsed) {
    const name = textAt(fields, file.name)
    for (const symbol of symbolsOf(fields, textAt(fields, file.package), file.message, file.enum)) {
      fileBySymbol.set(symbol, name)
    }
  }
  return parsed.map((fields) => completeFile(fields, fileBySymbol))
}

function completeFile(fields: Message, fileBySymbol: ReadonlyMap<string, string>): Uint8Array {
  const lookup = { fileBySymbol, used: new Set<string>() }
  const scope = textAt(fields, file.package)
  const completed = fields
    .filter(({ number }) => number !== file.dependency)
    .map((part) =>
      part.number === file.message ? embed(part, completeMessage(read(part.bytes), scope, lookup)) : part,
    )
  for (const { bytes } of fields.filter(({ number }) => number === file.service)) useTypesOfService(read(bytes), lookup)
  lookup.used.delete(textAt(fields, file.name))
  return write([...completed, ...[...lookup.used].sort().map((name) => textField(file.dependency, name))])
}

/** The types of methods are absolute already. */
function useTypesOfService(service: Message, { fileBySymbol, used }: Lookup): void {
  for (const method of service.filter(({ number }) => number === 2)) {
    for (const { bytes } of read(method.bytes).filter(({ number }) => number === 2 || number === 3)) {
      const from = fileBySymbol.get(textOf(bytes).slice(1))
      if (from !== undefined) used.add(from)
    }
  }
}

function completeMessage(fields: Message, outer: string, lookup: Lookup): Message {
  const scope = join(outer, textAt(fields, message.name))
  const entries = new Set(
    fields.filter((part) => part.number === message.nested && isMapEntry(read(part.bytes))).map(nameOf),
  )
  const entryNames = new Map<string, string>()
  const members = fields.filter(({ number }) => number === message.field)
  for (const member of members) {
    const type = textAt(read(member.bytes), field.typeName)
    if (entries.has(type)) entryNames.set(type, mapEntryName(nameOf(member)))
  }
  return fields.map((part) => {
    if (part.number === message.field) return embed(part, completeField(read(part.bytes), scope, entryNames, lookup))
    if (part.number !== message.nested) return part
    const entryName = entryNames.get(nameOf(part))
    const nested = read(part.bytes)
    const renamed = entryName === undefined ? nested : replaceText(nested, message.name, entryName)
    return embed(part, completeMessage(renamed, scope, lookup))
  })
}

function completeField(
  fields: Message,
  scope: string,
  entryNames: ReadonlyMap<string, string>,
  { fileBySymbol, used }: Lookup,
): Message {
  const type = textAt(fields, field.typeName)
  if (type === '' || type.startsWith('.')) return fields
  const entryName = entryNames.get(type)
  if (entryName !== undefined) return replaceText(fields, field.typeName, `.${scope}.${entryName}`)
  for (let around = scope; ; around = around.slice(0, Math.max(0, around.lastIndexOf('.')))) {
    const symbol = join(around, type)
    const from = fileBySymbol.get(symbol)
    if (from !== undefined) {
      used.add(from)
      return replaceText(fields, field.typeName, `.${symbol}`)
    }
    if (around === '') return fields
  }
}

/** As protoc names the entry of a map: `raw_values` has RawValuesEntry. */
function mapEntryName(fieldName: string): string {
  const words = fieldName.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1))
  return `${words.join('')}Entry`
}

function isMapEntry(fields: Message): boolean {
  const options = fields.find(({ number }) => number === message.options)
  return (
    options !== undefined &&
    read(options.bytes).some(({ number, bytes }) => number === mapEntryOption && bytes[0] === 1)
  )
}

/** Full names of the messages and enums of a file or message, without the entries of maps, which nobody names. */
function symbolsOf(fields: Message, scope: string, messageNumber: number, enumNumber: number): string[] {
  return fields.flatMap((part) => {
    if (part.number === enumNumber) return [join(scope, nameOf(part))]
    if (part.number !== messageNumber || isMapEntry(read(part.bytes))) return []
    const name = join(scope, nameOf(part))
    return [name, ...symbolsOf(read(part.bytes), name, message.nested, message.enum)]
  })
}

function join(scope: string, name: string): string {
  return scope === '' ? name : `${scope}.${name}`
}

/** The name is field 1 of everything that is described. */
function nameOf({ bytes }: Field): string {
  return textAt(read(bytes), 1)
}

function textAt(fields: Message, number: number): string {
  return textOf(fields.find((part) => part.number === number)?.bytes ?? new Uint8Array())
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}

function textField(number: number, text: string): Field {
  return { number, wireType: wire.bytes, bytes: Buffer.from(text) }
}

function replaceText(fields: Message, number: number, text: string): Message {
  return fields.map((part) => (part.number === number ? textField(number, text) : part))
}

function embed(part: Field, fields: Message): Field {
  return { ...part, bytes: write(fields) }
}

function read(bytes: Uint8Array): Message {
  const reader = new ProtoReader(bytes, 'FileDescriptorProto')
  const fields: Field[] = []
  while (reader.next()) {
    const { field: number, wireType } = reader
    if (wireType === wire.bytes) fields.push({ number, wireType, bytes: reader.bytes() })
    else {
      const { offset } = reader
      reader.skip()
      fields.push({ number, wireType, bytes: bytes.subarray(offset, reader.offset) })
    }
  }
  return fields
}

function write(fields: Message): Uint8Array {
  return Buffer.concat(
    fields.flatMap(({ number, wireType, bytes }) => [
      varint((number << 3) | wireType),
      ...(wireType === wire.bytes ? [varint(bytes.length)] : []),
      bytes,
    ]),
  )
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128)
  return Uint8Array.of(...bytes, rest)
}
