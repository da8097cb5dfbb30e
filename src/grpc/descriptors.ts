/** The files in `proto/` as descriptors, by file name and by the symbols they define: what reflection tells. */
import { loadSync } from '@grpc/proto-loader'
import { fileURLToPath } from 'node:url'
import { ProtoReader, wire } from '../codec/protobuf-reader.ts'
import { completeDescriptors } from './complete-descriptors.ts'

export interface Descriptors {
  /** Serialized FileDescriptorProtos by file name. */
  readonly byFile: ReadonlyMap<string, Uint8Array>
  /** The same by the full name of each service, method, message and enum. */
  readonly bySymbol: ReadonlyMap<string, Uint8Array>
}

/** The package's own folder of wire contracts. */
const folder = fileURLToPath(new URL('../../../proto/', import.meta.url))

/** @param files names of files in `proto/` */
export function loadDescriptors(files: readonly string[]): Descriptors {
  const byFile = new Map<string, Uint8Array>()
  const bySymbol = new Map<string, Uint8Array>()
  for (const bytes of completeDescriptors([...readDescriptors(files).values()])) {
    const { name, symbols } = readFile(bytes)
    byFile.set(name, bytes)
    for (const symbol of symbols) bySymbol.set(symbol, bytes)
  }
  return { byFile, bySymbol }
}

/** By the name of the file, one for each package. */
function readDescriptors(files: readonly string[]): ReadonlyMap<string, Uint8Array> {
  const byName = new Map<string, Uint8Array>()
  for (const definition of Object.values(loadSync([...files], { includeDirs: [folder], keepCase: true }))) {
    const { fileDescriptorProtos } = definition
    if (!Array.isArray(fileDescriptorProtos)) continue // a service: its messages bring the same file
    for (const bytes of fileDescriptorProtos) byName.set(readFile(bytes).name, bytes)
  }
  return byName
}

/** Numbers of the fields of descriptor.proto that hold named things, by the thing that has them. */
const nestedFields = {
  file: { message: 4, enum: 5, service: 6 },
  message: { message: 3, enum: 4 },
  service: { method: 2 },
} as const

/** Name and defined symbols of a FileDescriptorProto. */
function readFile(bytes: Uint8Array): { readonly name: string; readonly symbols: readonly string[] } {
  const { 1: names, 2: packages, ...fields } = readFields(bytes)
  const prefix = packages?.[0] === undefined ? '' : `${text(packages[0])}.`
  const symbols: string[] = []
  collect(fields, nestedFields.file, prefix, symbols)
  return { name: text(names?.[0]), symbols }
}

type Fields = Readonly<Record<number, readonly Uint8Array[]>>

function collect(fields: Fields, nested: Readonly<Record<string, number>>, prefix: string, symbols: string[]): void {
  for (const [kind, field] of Object.entries(nested)) {
    for (const bytes of fields[field] ?? []) {
      const inner = readFields(bytes)
      const name = `${prefix}${text(inner[1]?.[0])}`
      symbols.push(name)
      if (kind === 'message') collect(inner, nestedFields.message, `${name}.`, symbols)
      if (kind === 'service') collect(inner, nestedFields.service, `${name}.`, symbols)
    }
  }
}

/** The length-delimited fields of a message. */
function readFields(bytes: Uint8Array): Fields {
  const reader = new ProtoReader(bytes, 'FileDescriptorProto')
  const fields: Record<number, Uint8Array[]> = {}
  while (reader.next()) {
    if (reader.wireType === wire.bytes) (fields[reader.field] ??= []).push(reader.bytes())
    else reader.skip()
  }
  return fields
}

function text(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes).toString()
}
