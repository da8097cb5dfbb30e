/** `InferTensorContents` of the gRPC V2 messages: elements in typed, repeated fields. */
import { InferenceError } from '../core/errors.ts'
import { allocate, bytesOf, elementBytes, elementsOf } from '../core/tensor.ts'
import type { DataType, FixedDataType, Tensor, TensorData } from '../core/tensor.ts'
import { ProtoReader, wire } from './protobuf-reader.ts'
import type { ProtoWriter } from './protobuf-writer.ts'

/** Where each datatype's elements travel; FP16 and BF16 have no field and travel raw. */
const fields: Readonly<Record<DataType, number | undefined>> = {
  BOOL: 1,
  INT8: 2,
  INT16: 2,
  INT32: 2,
  INT64: 3,
  UINT8: 4,
  UINT16: 4,
  UINT32: 4,
  UINT64: 5,
  FP32: 6,
  FP64: 7,
  BYTES: 8,
  FP16: undefined,
  BF16: undefined,
}

/** What Triton calls the datatype of each field, by field number. */
const fieldTypes = ['', 'BOOL', 'INT32', 'INT64', 'UINT32', 'UINT64', 'FP32', 'FP64', 'BYTES']

const ranges = {
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  UINT8: [0, 255],
  UINT16: [0, 65_535],
} as const

/** The name of a tensor and whose it is, for error messages. */
export interface TensorLabel {
  /** `input 'X'` or `output 'X'` */
  readonly name: string
  readonly model: string
}

/** The elements of one `InferTensorContents`, still as bytes; one entry per run, per element where they are not packed. */
export interface Contents {
  field: number
  readonly runs: Uint8Array[]
}

/**
 * Reads the message that comes next into `contents`, where an earlier part of the same field may be.
 *
 * @throws InferenceError `invalid_argument` where one tensor holds two kinds of elements
 */
export function readContents(reader: ProtoReader, contents: Contents): void {
  reader.expect(wire.bytes)
  const outer = reader.enter()
  while (reader.next()) {
    const { field, wireType } = reader
    const isKnown = field <= 8 && wireType !== wire.startGroup && wireType !== wire.endGroup
    if (!isKnown) {
      reader.skip()
      continue
    }
    const run = readRun(reader)
    if (run.byteLength === 0 && field !== 8) continue // an empty packed field is an absent one
    if (contents.field !== 0 && contents.field !== field) {
      throw reader.malformed(`contents holds both ${fieldTypes[contents.field]} and ${fieldTypes[field]} elements`)
    }
    contents.field = field
    contents.runs.push(run)
  }
  reader.leave(outer)
}

/** One packed run, or one element. */
function readRun(reader: ProtoReader): Uint8Array {
  const { field, wireType } = reader
  if (wireType === wire.bytes) return reader.bytes()
  const expected = field === 8 ? wire.bytes : field === 7 ? wire.fixed64 : field === 6 ? wire.fixed32 : wire.varint
  reader.expect(expected)
  const start = reader.offset
  reader.skip()
  return reader.since(start)
}

/**
 * Typed contents as elements.
 *
 * @param count elements that the shape asks for
 * @throws InferenceError `invalid_argument` where the field is another datatype's, the count differs or a value is out of range
 */
export function decodeContents(
  contents: Contents,
  datatype: DataType,
  count: number,
  label: TensorLabel,
): TensorData[DataType] {
  if (fields[datatype] !== contents.field) throw wrongField(contents, datatype, label)
  if (datatype === 'BYTES') {
    if (contents.runs.length === count) return contents.runs
    throw invalid(`expected ${count} string elements for inference ${label.name}, got ${contents.runs.length}`)
  }
  const run = joined(contents.runs)
  const given = elementsIn(run, contents.field)
  if (given !== count) throw byteSizeMismatch(label, count * elementBytes(datatype), given * elementBytes(datatype))
  if (datatype === 'FP32' || datatype === 'FP64') return elementsOf(datatype, run)
  return decodeVarints(run, datatype, count, label)
}

/** Triton's words for data of a wrong length. */
export function byteSizeMismatch({ name, model }: TensorLabel, expected: number, got: number): InferenceError {
  return invalid(`input byte size mismatch for ${name} for model '${model}'. Expected ${expected}, got ${got}`)
}

function wrongField(contents: Contents, datatype: DataType, { name, model }: TensorLabel): InferenceError {
  const where = fields[datatype] === undefined ? ' in raw_input_contents, which is its only form' : ''
  return invalid(
    `unexpected explicit tensor data for ${name.replace(' ', ' tensor ')} for model '${model}' of type ` +
      `'${fieldTypes[contents.field]}', expected datatype '${datatype}'${where}`,
  )
}

function joined(runs: readonly Uint8Array[]): Uint8Array {
  const [first] = runs
  return runs.length === 1 && first !== undefined ? first : Buffer.concat(runs)
}

/** @returns a fraction where a fixed-width run ends inside an element */
function elementsIn(run: Uint8Array, field: number): number {
  if (field === 6) return run.byteLength / 4
  if (field === 7) return run.byteLength / 8
  let count = 0
  for (const byte of run) if (byte < 0x80) count += 1
  return count
}

function decodeVarints(
  run: Uint8Array,
  datatype: FixedDataType,
  count: number,
  label: TensorLabel,
): TensorData[FixedDataType] {
  const reader = new ProtoReader(run, `contents of ${label.name}`)
  if (datatype === 'INT64' || datatype === 'UINT64') {
    const wide = allocate(datatype, count)
    for (let index = 0; index < count; index += 1) wide[index] = reader.uint64() // the array takes it modulo 2^64
    return wide
  }
  const elements = allocate(datatype, count)
  const isSigned = datatype === 'INT8' || datatype === 'INT16' || datatype === 'INT32'
  const range = datatype in ranges ? ranges[datatype as keyof typeof ranges] : undefined // `in` has just checked it
  for (let index = 0; index < count; index += 1) {
    const bits = datatype === 'BOOL' ? Number(reader.bool()) : reader.uint32()
    const value = isSigned ? bits | 0 : bits
    if (range !== undefined && (value < range[0] || value > range[1])) {
      throw invalid(`${label.name}: element ${index} is ${value}, ${datatype} holds ${range[0]} to ${range[1]}`)
    }
    elements[index] = value
  }
  return elements
}

/** True where the datatype has a typed field. */
export function hasContents(datatype: DataType): boolean {
  return fields[datatype] !== undefined
}

/** Writes a tensor's elements as field `field` of the tensor's message. */
export function writeContents(writer: ProtoWriter, field: number, { datatype, data }: Tensor): void {
  const contents = writer.length
  const number = fields[datatype] ?? 0
  if (datatype === 'BYTES') {
    for (let index = data.length - 1; index >= 0; index -= 1) writer.bytes(number, data[index] ?? new Uint8Array(0))
  } else {
    if (datatype === 'FP32' || datatype === 'FP64') writer.raw(bytesOf(data))
    else for (let index = data.length - 1; index >= 0; index -= 1) writeVarint(writer, data[index] ?? 0)
    writer.embed(number, contents)
  }
  writer.embed(field, contents)
}

function writeVarint(writer: ProtoWriter, value: number | bigint): void {
  if (typeof value === 'bigint') writer.int64(value)
  else writer.integer(value)
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
