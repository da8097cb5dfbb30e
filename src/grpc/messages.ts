/** The small messages of `proto/`: everything but inference, which `codec/v2-grpc.ts` holds. */
import { ProtoReader, wire } from '../codec/protobuf-reader.ts'
import { ProtoWriter } from '../codec/protobuf-writer.ts'
import type { ModelRef } from '../core/inference.ts'
import type { TensorMetadata } from '../core/model.ts'
import type { ServedMetadata } from '../repository/status.ts'

/** Most of these messages fit; the writer grows where one does not. */
const usualBytes = 512

/** Serving states of `grpc.health.v1`. */
export const servingStatus = { serving: 1, notServing: 2, serviceUnknown: 3 } as const
export type ServingStatus = (typeof servingStatus)[keyof typeof servingStatus]

/** ServerLiveResponse, ServerReadyResponse and ModelReadyResponse: one flag. */
export function encodeFlag(value: boolean): Buffer {
  const writer = new ProtoWriter(2)
  if (value) writeEnum(writer, 1, 1)
  return writer.finish()
}

/** ModelReadyRequest and ModelMetadataRequest. @throws InferenceError `invalid_argument` where it is malformed */
export function decodeModelRef(bytes: Uint8Array, message: string): ModelRef {
  const { 1: name, 2: version } = readStrings(bytes, message)
  return version === undefined || version === '' ? { name: name ?? '' } : { name: name ?? '', version }
}

/** @throws InferenceError `invalid_argument` where it is malformed */
export function decodeHealthRequest(bytes: Uint8Array): string {
  return readStrings(bytes, 'HealthCheckRequest')[1] ?? ''
}

export function encodeHealthResponse(status: ServingStatus): Buffer {
  const writer = new ProtoWriter(2)
  writeEnum(writer, 1, status)
  return writer.finish()
}

export function encodeServerMetadata(name: string, version: string, extensions: readonly string[]): Buffer {
  const writer = new ProtoWriter(usualBytes)
  writeStrings(writer, 3, extensions)
  writer.optionalString(2, version)
  writer.optionalString(1, name)
  return writer.finish()
}

/** ModelMetadataResponse; the model's facts become its properties. */
export function encodeModelMetadata(metadata: ServedMetadata): Buffer {
  const writer = new ProtoWriter(usualBytes)
  for (const [name, value] of Object.entries(metadata.parameters ?? {}).reverse()) {
    const entry = writer.length
    writer.string(2, String(value))
    writer.string(1, name)
    writer.embed(6, entry)
  }
  writeTensors(writer, 5, metadata.outputs)
  writeTensors(writer, 4, metadata.inputs)
  writer.optionalString(3, metadata.platform)
  writeStrings(writer, 2, metadata.versions)
  writer.optionalString(1, metadata.ref.name)
  return writer.finish()
}

function writeTensors(writer: ProtoWriter, field: number, tensors: readonly TensorMetadata[]): void {
  for (const { name, datatype, shape } of tensors.toReversed()) {
    const start = writer.length
    if (shape.length > 0) {
      for (const dimension of shape.toReversed()) writer.integer(dimension)
      writer.embed(3, start)
    }
    writer.string(2, datatype)
    writer.string(1, name)
    writer.embed(field, start)
  }
}

function writeStrings(writer: ProtoWriter, field: number, values: readonly string[]): void {
  for (const value of values.toReversed()) writer.string(field, value)
}

function writeEnum(writer: ProtoWriter, field: number, value: number): void {
  writer.uint32(value)
  writer.tag(field, wire.varint)
}

/** The string fields of a flat message, by number. */
function readStrings(bytes: Uint8Array, message: string): Readonly<Record<number, string>> {
  const reader = new ProtoReader(bytes, message)
  const strings: Record<number, string> = {}
  while (reader.next()) {
    if (reader.wireType === wire.bytes && reader.field <= 2) strings[reader.field] = reader.string()
    else reader.skip()
  }
  return strings
}
