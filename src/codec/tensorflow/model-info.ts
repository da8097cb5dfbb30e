/** GetModelMetadata and GetModelStatus of TF Serving: requests in, descriptions out. */
import type { NamedSignature, TensorMetadata } from '../../core/model.ts'
import { allSignatures } from '../../core/named-signature.ts'
import type { Signatures } from '../../core/named-signature.ts'
import { ProtoReader, wire } from '../protobuf-reader.ts'
import { ProtoWriter } from '../protobuf-writer.ts'
import { readModelSpec, versionNumber, writeModelSpec, type ModelSpec } from './model-spec.ts'
import { missingModelSpec } from './predict.ts'
import { writeMetadataShape } from './shape.ts'
import { dtypeName, dtypeOf } from './types.ts'

export const methodNames = {
  predict: 'tensorflow/serving/predict',
  classify: 'tensorflow/serving/classify',
  regress: 'tensorflow/serving/regress',
} as const

const signatureMapType = 'type.googleapis.com/tensorflow.serving.SignatureDefMap'

export interface ModelMetadataCall {
  readonly spec: ModelSpec
  /** TF Serving knows one: `signature_def`. */
  readonly fields: readonly string[]
}

/** One version, as TF Serving describes it. */
export interface VersionStatus {
  readonly version: string
  readonly state: keyof typeof states
  readonly errorCode: keyof typeof errorCodes
  readonly errorMessage: string
}

/** `ModelVersionStatus.State`. */
const states = { UNKNOWN: 0, START: 10, LOADING: 20, AVAILABLE: 30, UNLOADING: 40, END: 50 } as const
/** `tensorflow.error.Code`, those that are told. */
const errorCodes = { OK: 0, INTERNAL: 13 } as const

/** @throws InferenceError `invalid_argument` */
export function decodeModelMetadataRequest(bytes: Uint8Array): ModelMetadataCall {
  const reader = new ProtoReader(bytes, 'GetModelMetadataRequest')
  let spec: ModelSpec | undefined
  const fields: string[] = []
  while (reader.next()) {
    if (reader.field === 1) spec = readModelSpec(reader)
    else if (reader.field === 2) {
      reader.expect(wire.bytes)
      reader.countEntry()
      fields.push(reader.string())
    } else reader.skip()
  }
  if (spec === undefined) throw missingModelSpec()
  return { spec, fields }
}

/** @throws InferenceError `invalid_argument` */
export function decodeModelStatusRequest(bytes: Uint8Array): ModelSpec {
  const reader = new ProtoReader(bytes, 'GetModelStatusRequest')
  let spec: ModelSpec | undefined
  while (reader.next()) {
    if (reader.field === 1) spec = readModelSpec(reader)
    else reader.skip()
  }
  if (spec === undefined) throw missingModelSpec()
  return spec
}

/** GetModelMetadataResponse with all signatures of a model. */
export function encodeModelMetadataResponse(spec: ModelSpec, model: Signatures): Uint8Array {
  const writer = new ProtoWriter(1024)
  for (const signature of allSignatures(model).toReversed()) writeSignature(writer, signature)
  writer.embed(2, 0)
  writer.string(1, signatureMapType)
  writer.embed(2, 0)
  writer.string(1, 'signature_def')
  writer.embed(2, 0)
  writeModelSpec(writer, 1, spec)
  return writer.finish()
}

/** One entry of a SignatureDefMap. */
function writeSignature(writer: ProtoWriter, { name, methodName, inputs, outputs }: NamedSignature): void {
  const start = writer.length
  writer.optionalString(3, methodName)
  writeTensorInfos(writer, 2, outputs)
  writeTensorInfos(writer, 1, inputs)
  writer.embed(2, start)
  writer.string(1, name)
  writer.embed(1, start)
}

function writeTensorInfos(writer: ProtoWriter, field: number, tensors: readonly TensorMetadata[]): void {
  for (const metadata of tensors.toReversed()) {
    const entry = writer.length
    writeMetadataShape(writer, 3, metadata)
    writer.uint32(dtypeOf(metadata.datatype))
    writer.tag(2, wire.varint)
    writer.string(1, graphName(metadata))
    writer.embed(2, entry)
    writer.string(1, metadata.name)
    writer.embed(field, entry)
  }
}

/** A name as graphs of TensorFlow have them: the operation and the index of its output. */
function graphName({ name, graphName: own }: TensorMetadata): string {
  return own ?? (/:\d+$/.test(name) ? name : `${name}:0`)
}

/** GetModelStatusResponse. @param versions newest first; those without a numeric name are left out */
export function encodeModelStatusResponse(versions: readonly VersionStatus[]): Uint8Array {
  const writer = new ProtoWriter(256)
  for (const { version, state, errorCode, errorMessage } of versions.toReversed()) {
    const number = versionNumber(version)
    if (number === undefined) continue
    const start = writer.length
    writer.optionalString(2, errorMessage)
    writeEnum(writer, 1, errorCodes[errorCode])
    writer.embed(3, start)
    writeEnum(writer, 2, states[state])
    writer.int64(number)
    writer.tag(1, wire.varint)
    writer.embed(1, start)
  }
  return writer.finish()
}

function writeEnum(writer: ProtoWriter, field: number, value: number): void {
  if (value === 0) return
  writer.uint32(value)
  writer.tag(field, wire.varint)
}

/**
 * The answer of `GET /v1/models/M/metadata`: GetModelMetadataResponse as TF Serving writes it in JSON.
 *
 * @param version the one that answers
 */
export function describeModelV1(name: string, version: string, model: Signatures): object {
  const signatures = allSignatures(model).map((signature) => {
    const described = {
      inputs: describeTensors(signature.inputs),
      outputs: describeTensors(signature.outputs),
      method_name: signature.methodName,
      defaults: {},
    }
    return [signature.name, described] as const
  })
  return {
    model_spec: { name, signature_name: '', version },
    metadata: { signature_def: { signature_def: Object.fromEntries(signatures) } },
  }
}

function describeTensors(tensors: readonly TensorMetadata[]): object {
  const entries = tensors.map((metadata) => {
    const { name, datatype, shape, isAnyRank = false } = metadata
    const dim = isAnyRank ? [] : shape.map((size) => ({ size: `${size}`, name: '' }))
    const described = {
      dtype: dtypeName(datatype),
      tensor_shape: { dim, unknown_rank: isAnyRank },
      name: graphName(metadata),
    }
    return [name, described] as const
  })
  return Object.fromEntries(entries)
}
