/** The small messages of gRPC services as a client writes and reads them; the codecs hold inference. */
import { ProtoReader, wire } from './protobuf-reader.ts'
import { ProtoWriter } from './protobuf-writer.ts'
import type { ModelRef } from '../core/inference.ts'
import { isDataType } from '../core/tensor.ts'
import type { ListedModel, ModelDescription, ServerMetadata, TensorDescription } from './description.ts'

/** A request that asks for everything: of liveness, readiness and metadata of a server, and the index of its models. */
export const emptyMessage: Uint8Array = new Uint8Array(0)

/** ModelReadyRequest and ModelMetadataRequest. */
export function encodeModelRef({ name, version }: ModelRef): Uint8Array {
  const writer = new ProtoWriter(64)
  writer.optionalString(2, version)
  writer.string(1, name)
  return writer.finish()
}

/** The number in field 1: the flag of a live or ready response, the status of a HealthCheckResponse. */
export function decodeNumber(bytes: Uint8Array, message: string): number {
  const reader = new ProtoReader(bytes, message)
  let value = 0
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === wire.varint) value = reader.uint32()
    else reader.skip()
  }
  return value
}

export function decodeServerMetadata(bytes: Uint8Array): ServerMetadata {
  const { 1: name, 2: version, 3: extensions = [] } = readFields(bytes, 'ServerMetadataResponse')
  return { name: lastText(name), version: lastText(version), extensions: extensions.map(text) }
}

/** @param name the model's, for an answer without one */
export function decodeModelMetadata(bytes: Uint8Array, name: string): ModelDescription {
  const fields = readFields(bytes, 'ModelMetadataResponse')
  return {
    name: lastText(fields[1]) || name,
    versions: (fields[2] ?? []).map(text),
    platform: lastText(fields[3]),
    inputs: (fields[4] ?? []).map(decodeTensor),
    outputs: (fields[5] ?? []).map(decodeTensor),
    parameters: Object.fromEntries(
      (fields[6] ?? []).map((entry) => {
        const { 1: key, 2: value } = readFields(entry, 'ModelMetadataResponse')
        return [lastText(key), lastText(value)]
      }),
    ),
  }
}

function decodeTensor(bytes: Uint8Array): TensorDescription {
  const reader = new ProtoReader(bytes, 'TensorMetadata')
  let [name, datatype] = ['', '']
  const shape: number[] = []
  while (reader.next()) {
    if (reader.field === 3 && reader.wireType === wire.varint) shape.push(reader.safeInt64() ?? -1)
    else if (reader.wireType !== wire.bytes || reader.field > 3) reader.skip()
    else if (reader.field === 1) name = reader.string()
    else if (reader.field === 2) datatype = reader.string().toUpperCase()
    else {
      const end = reader.length() + reader.offset
      while (reader.offset < end) shape.push(reader.safeInt64() ?? -1)
    }
  }
  return { name, shape, ...(isDataType(datatype) ? { datatype } : {}) }
}

/** RepositoryIndexResponse. */
export function decodeRepositoryIndex(bytes: Uint8Array): readonly ListedModel[] {
  return (readFields(bytes, 'RepositoryIndexResponse')[1] ?? []).map((model) => {
    const fields = readFields(model, 'ModelIndex')
    const [version, state, reason] = [lastText(fields[2]), lastText(fields[3]), lastText(fields[4])]
    return {
      name: lastText(fields[1]),
      ...(version === '' ? {} : { version }),
      ...(state === '' ? {} : { state }),
      ...(reason === '' ? {} : { reason }),
    }
  })
}

/** ModelStreamInferResponse. @returns the text of an error in the stream, else '' and a ModelInferResponse */
export function decodeStreamResponse(bytes: Uint8Array): { readonly error: string; readonly response: Uint8Array } {
  const { 1: error, 2: response } = readFields(bytes, 'ModelStreamInferResponse')
  return { error: lastText(error), response: response?.at(-1) ?? emptyMessage }
}

/** The length-delimited fields of a message, by number. */
export function readFields(bytes: Uint8Array, message: string): Readonly<Record<number, readonly Uint8Array[]>> {
  const reader = new ProtoReader(bytes, message)
  const fields: Record<number, Uint8Array[]> = {}
  while (reader.next()) {
    if (reader.wireType === wire.bytes) (fields[reader.field] ??= []).push(reader.bytes())
    else reader.skip()
  }
  return fields
}

/** The text of a field that counts as it comes last; '' where it does not come. */
export function lastText(values: readonly Uint8Array[] | undefined): string {
  const last = values?.at(-1)
  return last === undefined ? '' : text(last)
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
