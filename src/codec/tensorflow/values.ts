/** The `*_val` fields of `TensorProto`: elements in typed, repeated fields, the last one standing for all that follow. */
import { InferenceError } from '../../core/errors.ts'
import { allocate, bytesOf, elementBytes, elementsOf } from '../../core/tensor.ts'
import type { DataType, FixedDataType, Tensor, TensorData } from '../../core/tensor.ts'
import { ProtoReader, wire } from '../protobuf-reader.ts'
import type { ProtoWriter } from '../protobuf-writer.ts'

/** Field numbers in tensor.proto. */
const fields: { readonly [D in DataType]: number } = {
  FP16: 13,
  BF16: 13,
  FP32: 5,
  FP64: 6,
  INT32: 7,
  INT16: 7,
  INT8: 7,
  UINT16: 7,
  UINT8: 7,
  BYTES: 8,
  INT64: 10,
  BOOL: 11,
  UINT32: 16,
  UINT64: 17,
}

/** The same fields by number. */
const kinds: Readonly<Record<number, { readonly name: string; readonly wireType: number }>> = {
  5: { name: 'float_val', wireType: wire.fixed32 },
  6: { name: 'double_val', wireType: wire.fixed64 },
  7: { name: 'int_val', wireType: wire.varint },
  8: { name: 'string_val', wireType: wire.bytes },
  10: { name: 'int64_val', wireType: wire.varint },
  11: { name: 'bool_val', wireType: wire.varint },
  13: { name: 'half_val', wireType: wire.varint },
  16: { name: 'uint32_val', wireType: wire.varint },
  17: { name: 'uint64_val', wireType: wire.varint },
}

const ranges: Partial<Record<DataType, readonly [number, number]>> = {
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  UINT8: [0, 255],
  UINT16: [0, 65_535],
  FP16: [0, 65_535],
  BF16: [0, 65_535],
}

/**
 * What the tensors of one message may cost beyond the bytes that were sent: a shape and one value can ask for any
 * number of elements, and two bytes for an object.
 */
export class TensorBudget {
  /** As many bytes as the default limit of a message, so that what could be sent in full can be sent short. */
  #bytesLeft = 64 * 1024 * 1024
  /** Strings, and values that are not packed: each becomes an object of some hundred bytes. */
  #objectsLeft = 1024 * 1024

  /** @throws InferenceError `invalid_argument` where this is more than a message may ask for */
  countObject(reader: ProtoReader): void {
    this.#objectsLeft -= 1
    if (this.#objectsLeft < 0) throw reader.malformed('more than 2^20 strings and values that are not packed')
  }

  /** @throws InferenceError `invalid_argument` where this is more than a message may ask for */
  repeat(elements: number, width: number, label: string): void {
    this.#bytesLeft -= elements * width
    if (this.#bytesLeft >= 0) return
    throw invalid(
      `${label}: tensor_shape asks for ${elements} elements more than were sent; repeated values may fill no more ` +
        'than 64 MiB of one message',
    )
  }
}

/** Elements as they came, by field: a packed run each, or one per element where they are not packed. */
export type Values = Map<number, Uint8Array[]>

/** True for the fields that hold elements of a datatype that this server has. */
export function isValueField(field: number): boolean {
  return kinds[field] !== undefined
}

/** Reads one packed run, or one element, of the field just read. */
export function readValues(reader: ProtoReader, values: Values, budget: TensorBudget): void {
  const { field } = reader
  budget.countObject(reader)
  let run: Uint8Array
  if (reader.wireType === wire.bytes) run = reader.bytes()
  else {
    reader.expect(kinds[field]?.wireType ?? wire.bytes)
    const start = reader.offset
    reader.skip()
    run = reader.since(start)
  }
  const runs = values.get(field)
  if (runs === undefined) values.set(field, [run])
  else runs.push(run)
}

/**
 * Values as the elements of a tensor. Fewer than its shape asks for: the last one, or zero, is repeated.
 *
 * @param count elements that the shape asks for
 * @throws InferenceError `invalid_argument` where there are more values than elements, or a value is out of range
 */
export function decodeValues(
  values: Values,
  datatype: DataType,
  count: number,
  label: string,
  budget: TensorBudget,
): TensorData[DataType] {
  const runs = values.get(fields[datatype]) ?? []
  if (datatype === 'BYTES') return repeatStrings(runs, count, label, budget)
  const run = joined(runs)
  const given = countValues(run, fields[datatype])
  if (!Number.isInteger(given)) throw invalid(`${label}: ${fieldName(datatype)} ends inside an element`)
  if (given > count) throw tooMany(label, datatype, given, count)
  if (given < count) budget.repeat(count - given, elementBytes(datatype), label)
  if (datatype === 'FP32' || datatype === 'FP64') {
    return given === count ? elementsOf(datatype, run) : repeatFloats(run, datatype, count)
  }
  return decodeVarints(run, datatype, { given, count }, label)
}

function repeatStrings(
  runs: readonly Uint8Array[],
  count: number,
  label: string,
  budget: TensorBudget,
): readonly Uint8Array[] {
  if (runs.length > count) throw tooMany(label, 'BYTES', runs.length, count)
  if (runs.length === count) return runs
  const last = runs.at(-1) ?? new Uint8Array(0)
  budget.repeat(count - runs.length, bytesPerReference + last.byteLength, label) // as large where a runtime copies it
  return [...runs, ...Array.from({ length: count - runs.length }, () => last)]
}

/** What one more element of an array costs. */
const bytesPerReference = 8

function repeatFloats(run: Uint8Array, datatype: 'FP32' | 'FP64', count: number): Float32Array | Float64Array {
  const elements = allocate(datatype, count)
  const sent = elementsOf(datatype, run)
  elements.set(sent)
  elements.fill(sent.at(-1) ?? 0, sent.length)
  return elements
}

function decodeVarints(
  run: Uint8Array,
  datatype: FixedDataType,
  { given, count }: { readonly given: number; readonly count: number },
  label: string,
): TensorData[FixedDataType] {
  const reader = new ProtoReader(run, `${fieldName(datatype)} of ${label}`)
  if (datatype === 'INT64' || datatype === 'UINT64') {
    const wide = allocate(datatype, count)
    for (let index = 0; index < given; index += 1) wide[index] = reader.uint64() // the array takes it modulo 2^64
    return given === 0 ? wide : wide.fill(wide[given - 1] ?? 0n, given)
  }
  const elements = allocate(datatype, count)
  const isSigned = fields[datatype] === 7
  const range = ranges[datatype]
  for (let index = 0; index < given; index += 1) {
    const bits = datatype === 'BOOL' ? Number(reader.bool()) : reader.uint32()
    const value = isSigned ? bits | 0 : bits
    if (range !== undefined && (value < range[0] || value > range[1])) {
      throw invalid(`${label}: element ${index} is ${value}, ${datatype} holds ${range[0]} to ${range[1]}`)
    }
    elements[index] = value
  }
  return given === 0 ? elements : elements.fill(Number(elements[given - 1] ?? 0), given) // numbers, by the branch above
}

function joined(runs: readonly Uint8Array[]): Uint8Array {
  const [first] = runs
  return runs.length === 1 && first !== undefined ? first : Buffer.concat(runs)
}

/** @returns a fraction where a fixed-width run ends inside an element */
function countValues(run: Uint8Array, field: number): number {
  if (field === fields.FP32) return run.byteLength / 4
  if (field === fields.FP64) return run.byteLength / 8
  let count = 0
  for (const byte of run) if (byte < 0x80) count += 1
  return count
}

function tooMany(label: string, datatype: DataType, given: number, count: number): InferenceError {
  return invalid(`${label}: ${fieldName(datatype)} holds ${given} values, tensor_shape asks for ${count}`)
}

function fieldName(datatype: DataType): string {
  return kinds[fields[datatype]]?.name ?? ''
}

/** Writes a tensor's elements, all of them, into the field of their datatype. */
export function writeValues(writer: ProtoWriter, { datatype, data }: Tensor): void {
  const field = fields[datatype]
  if (datatype === 'BYTES') {
    for (let index = data.length - 1; index >= 0; index -= 1) writer.bytes(field, data[index] ?? new Uint8Array(0))
    return
  }
  if (data.length === 0) return
  const start = writer.length
  if (datatype === 'FP32' || datatype === 'FP64') writer.raw(bytesOf(data))
  else if (datatype === 'INT64' || datatype === 'UINT64') {
    for (let index = data.length - 1; index >= 0; index -= 1) writer.int64(data[index] ?? 0n)
  } else for (let index = data.length - 1; index >= 0; index -= 1) writer.integer(data[index] ?? 0)
  writer.embed(field, start)
}

/** True where elements are written one by one as varints, which costs time and up to ten bytes each. */
export function isVarint(datatype: DataType): boolean {
  return kinds[fields[datatype]]?.wireType === wire.varint
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
