/** What TensorFlow Serving tells of its models over gRPC. */
import { ProtoReader, wire } from '../protobuf-reader.ts'
import { ProtoWriter } from '../protobuf-writer.ts'
import { readModelSpec, specOf, writeModelSpec } from './model-spec.ts'
import { datatypeOf } from './types.ts'
import { InferenceError } from '../../core/errors.ts'
import type { ModelRef } from '../../core/inference.ts'
import { lastText, readFields } from '../v2-grpc-messages.ts'
import { describeSignatures, inGraph } from '../description.ts'
import type { ModelDescription, SignatureDescription, TensorDescription } from '../description.ts'

/** Of ModelVersionStatus.State. */
const available = 30

/** GetModelStatusRequest. @throws InferenceError `invalid_argument` as {@link specOf} does */
export function encodeStatusRequest(model: ModelRef): Uint8Array {
  const writer = new ProtoWriter(64)
  writeModelSpec(writer, 1, specOf(model))
  return writer.finish()
}

/** GetModelMetadataRequest for the signatures. @throws InferenceError `invalid_argument` as {@link specOf} does */
export function encodeMetadataRequest(model: ModelRef): Uint8Array {
  const writer = new ProtoWriter(64)
  writer.string(2, 'signature_def')
  writeModelSpec(writer, 1, specOf(model))
  return writer.finish()
}

/** GetModelStatusResponse: true where a version is available. */
export function decodeIsAvailable(bytes: Uint8Array): boolean {
  return (readFields(bytes, 'GetModelStatusResponse')[1] ?? []).some((status) => {
    const reader = new ProtoReader(status, 'ModelVersionStatus')
    let state = 0
    while (reader.next()) {
      if (reader.field === 2 && reader.wireType === wire.varint) state = reader.uint32()
      else reader.skip()
    }
    return state === available
  })
}

/** GetModelMetadataResponse: inputs and outputs of the signature `serving_default`, or of the first. */
export function decodeSignature(bytes: Uint8Array, name: string): ModelDescription {
  const reader = new ProtoReader(bytes, 'GetModelMetadataResponse')
  let spec = { name: '', version: '' }
  const signatures = new Map<string, Uint8Array>()
  while (reader.next()) {
    if (reader.field === 1) spec = { ...spec, ...readModelSpec(reader) }
    else if (reader.field === 2 && reader.wireType === wire.bytes) readSignatures(reader.bytes(), signatures)
    else reader.skip()
  }
  return {
    name: spec.name || name,
    versions: spec.version === '' ? [] : [spec.version],
    platform: '',
    ...describeSignatures(Array.from(signatures, ([key, bytes]) => decodeSignatureDef(key, bytes))),
    parameters: {},
  }
}

function decodeSignatureDef(name: string, signature: Uint8Array): SignatureDescription {
  const fields = readFields(signature, 'SignatureDef')
  return {
    ...{ name, methodName: lastText(fields[3]) },
    inputs: (fields[1] ?? []).map(decodeTensorInfo),
    outputs: (fields[2] ?? []).map(decodeTensorInfo),
  }
}

/** One entry of `metadata`: a name and an Any, which holds a SignatureDefMap where the name is `signature_def`. */
function readSignatures(entry: Uint8Array, signatures: Map<string, Uint8Array>): void {
  const { 1: key, 2: any = [] } = readFields(entry, 'metadata')
  if (lastText(key) !== 'signature_def') return
  for (const holder of any) {
    for (const map of readFields(holder, 'Any')[2] ?? []) {
      for (const signature of readFields(map, 'SignatureDefMap')[1] ?? []) {
        const { 1: name, 2: value } = readFields(signature, 'SignatureDefMap')
        const last = value?.at(-1)
        if (last !== undefined) signatures.set(lastText(name), last)
      }
    }
  }
}

/** An entry of a `map<string, TensorInfo>`. */
function decodeTensorInfo(entry: Uint8Array): TensorDescription {
  const { 1: key, 2: infos = [] } = readFields(entry, 'SignatureDef')
  let description: TensorDescription = { name: lastText(key) }
  for (const info of infos) {
    const reader = new ProtoReader(info, 'TensorInfo')
    while (reader.next()) {
      if (reader.field === 2 && reader.wireType === wire.varint) {
        description = withDatatype(description, reader.uint32())
      } else if (reader.field === 3 && reader.wireType === wire.bytes) {
        description = withShape(description, reader.bytes())
      } else if (reader.field === 1 && reader.wireType === wire.bytes) {
        description = { ...description, ...inGraph(description.name, reader.string()) }
      } else reader.skip()
    }
  }
  return description
}

/** A datatype that only TensorFlow has is left out: the caller may know what the server takes instead. */
function withDatatype(description: TensorDescription, dtype: number): TensorDescription {
  try {
    return { ...description, datatype: datatypeOf(dtype, description.name) }
  } catch (reason) {
    if (InferenceError.from(reason).code === 'invalid_argument') return description
    throw reason
  }
}

/** TensorShapeProto; a shape of unknown rank is left out. */
function withShape(description: TensorDescription, bytes: Uint8Array): TensorDescription {
  const reader = new ProtoReader(bytes, 'TensorShapeProto')
  const shape: number[] = []
  let isAnyRank = false
  while (reader.next()) {
    if (reader.field === 3 && reader.wireType === wire.varint) isAnyRank = reader.bool()
    else if (reader.field === 2 && reader.wireType === wire.bytes) shape.push(readSize(reader.bytes()))
    else reader.skip()
  }
  return isAnyRank ? description : { ...description, shape }
}

function readSize(bytes: Uint8Array): number {
  const reader = new ProtoReader(bytes, 'Dim')
  let size: number | undefined = 0
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === wire.varint) size = reader.safeInt64()
    else reader.skip()
  }
  return size ?? -1
}
