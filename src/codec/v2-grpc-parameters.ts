/** `map<string, InferParameter>` of the gRPC V2 messages. */
import { InferenceError } from '../core/errors.ts'
import type { Parameters } from '../core/tensor.ts'
import { safeNumber, wire, type ProtoReader } from './protobuf-reader.ts'
import type { ProtoWriter } from './protobuf-writer.ts'

type Parameter = Parameters[string]
export type MutableParameters = Record<string, Parameter>

/**
 * Reads one map entry into `parameters`; an entry without a value is left out.
 *
 * @throws InferenceError `invalid_argument` where an integer lies beyond ±(2^53 - 1): a number would not hold it
 */
export function readParameter(reader: ProtoReader, parameters: MutableParameters): void {
  reader.expect(wire.bytes)
  reader.countEntry()
  const outer = reader.enter()
  let name = ''
  let value: Parameter | bigint | undefined
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === wire.bytes) name = reader.string()
    else if (reader.field === 2 && reader.wireType === wire.bytes) value = readValue(reader)
    else reader.skip()
  }
  reader.leave(outer)
  if (typeof value === 'bigint') {
    throw new InferenceError(
      'invalid_argument',
      `parameter '${name}': ${value} lies beyond ±(2^53 - 1). Send it as string_param.`,
    )
  }
  if (value !== undefined) parameters[name] = value
}

/** @returns a bigint where the integer is too large for a number */
function readValue(reader: ProtoReader): Parameter | bigint | undefined {
  const outer = reader.enter()
  let value: Parameter | bigint | undefined
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === wire.varint) value = reader.bool()
    else if (reader.field === 2 && reader.wireType === wire.varint) value = number(BigInt.asIntN(64, reader.uint64()))
    else if (reader.field === 3 && reader.wireType === wire.bytes) value = reader.string()
    else if (reader.field === 4 && reader.wireType === wire.fixed64) value = reader.double()
    else if (reader.field === 5 && reader.wireType === wire.varint) value = number(reader.uint64())
    else reader.skip()
  }
  reader.leave(outer)
  return value
}

function number(value: bigint): number | bigint {
  return safeNumber(value) ?? value
}

/** Writes each entry as field `field`: whole numbers as `int64_param`, others as `double_param`. */
export function writeParameters(writer: ProtoWriter, field: number, parameters: Parameters): void {
  for (const [name, value] of Object.entries(parameters).reverse()) {
    const entry = writer.length
    writeValue(writer, value)
    writer.embed(2, entry)
    writer.string(1, name)
    writer.embed(field, entry)
  }
}

function writeValue(writer: ProtoWriter, value: Parameter): void {
  if (typeof value === 'string') {
    writer.string(3, value)
  } else if (typeof value === 'boolean') {
    writer.uint32(value ? 1 : 0)
    writer.tag(1, wire.varint)
  } else if (Number.isSafeInteger(value)) {
    writer.integer(value)
    writer.tag(2, wire.varint)
  } else {
    writer.double(value)
    writer.tag(4, wire.fixed64)
  }
}

/** Refuses a tensor that lies in shared memory. @throws InferenceError `unimplemented` */
export function refuseSharedMemory(parameters: Parameters | undefined): void {
  if (parameters?.['shared_memory_region'] !== undefined) throw sharedMemoryOff()
}

/** In Triton's words. */
export function sharedMemoryOff(): InferenceError {
  return new InferenceError('unimplemented', 'Client shared memory is disabled. Send tensors in raw_input_contents.')
}
