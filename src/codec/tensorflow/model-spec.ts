/** `tensorflow.serving.ModelSpec`, both ways: which model, version and signature. */
import { InferenceError } from '../../core/errors.ts'
import type { ModelRef } from '../../core/inference.ts'
import { signatureParameter } from '../../core/named-signature.ts'
import type { Parameters } from '../../core/tensor.ts'
import { ProtoReader, wire } from '../protobuf-reader.ts'
import type { ProtoWriter } from '../protobuf-writer.ts'

export interface ModelSpec {
  readonly name: string
  /** A decimal number; the newest where absent. */
  readonly version?: string
  readonly versionLabel?: string
  /** '' where the caller leaves the choice to the server. */
  readonly signatureName: string
}

/** Reads the message that comes next. `version` and `version_label` are one choice: the later one counts. */
export function readModelSpec(reader: ProtoReader): ModelSpec {
  let [name, signatureName] = ['', '']
  let choice: Pick<ModelSpec, 'version' | 'versionLabel'> = {}
  reader.expect(wire.bytes)
  const outer = reader.enter()
  while (reader.next()) {
    if (reader.wireType !== wire.bytes) reader.skip()
    else if (reader.field === 1) name = reader.string()
    else if (reader.field === 2) choice = { version: readInt64Value(reader) }
    else if (reader.field === 3) signatureName = reader.string()
    else if (reader.field === 4) choice = { versionLabel: reader.string() }
    else reader.skip()
  }
  reader.leave(outer)
  return { name, ...choice, signatureName }
}

function readInt64Value(reader: ProtoReader): string {
  let value = 0n
  const outer = reader.enter()
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === wire.varint) value = BigInt.asIntN(64, reader.uint64())
    else reader.skip()
  }
  reader.leave(outer)
  return value.toString()
}

/** The spec of a request that may be malformed, for what counts it: empty where it cannot be read. Never throws. */
export function peekModelSpec(bytes: Uint8Array): ModelSpec {
  const reader = new ProtoReader(bytes, 'request')
  try {
    while (reader.next()) {
      if (reader.field === 1) return readModelSpec(reader)
      reader.skip()
    }
  } catch {
    // What cannot be read is told by the error of the request itself.
  }
  return { name: '', signatureName: '' }
}

/** Writes the message as field `field`. A version that is no number is left out: there is no field that could hold it. */
export function writeModelSpec(writer: ProtoWriter, field: number, spec: ModelSpec): void {
  const start = writer.length
  writer.optionalString(4, spec.versionLabel)
  writer.optionalString(3, spec.signatureName)
  const version = spec.version === undefined ? undefined : versionNumber(spec.version)
  if (version !== undefined) {
    const wrapper = writer.length
    writer.int64(version)
    writer.tag(1, wire.varint)
    writer.embed(2, wrapper)
  }
  writer.optionalString(1, spec.name)
  writer.embed(field, start)
}

const maxInt64 = 2n ** 63n - 1n

/** A version as TF Serving counts them, or undefined where it is no such number. */
export function versionNumber(version: string): bigint | undefined {
  if (!/^\d{1,19}$/.test(version)) return undefined
  const number = BigInt(version)
  return number <= maxInt64 ? number : undefined
}

/**
 * @param parameters of a request, of which `signature_name` chooses the signature
 * @throws InferenceError `invalid_argument` for a version that TensorFlow Serving could not hold
 */
export function specOf({ name, version }: ModelRef, parameters?: Parameters): ModelSpec {
  if (version !== undefined && versionNumber(version) === undefined) {
    throw new InferenceError('invalid_argument', `version '${version}': versions of the V1 protocol are numbers`)
  }
  const signature = parameters?.[signatureParameter]
  const signatureName = typeof signature === 'string' ? signature : ''
  return { name, signatureName, ...(version === undefined ? {} : { version }) }
}
