/** Tensors of the V1 protocol (TensorFlow Serving): nested JSON without datatypes, row by row or column by column. */
import { InferenceError } from '../core/errors.ts'
import type { TensorMetadata } from '../core/model.ts'
import { tensor } from '../core/tensor.ts'
import type { DataType, Tensor } from '../core/tensor.ts'
import { ArrayReader } from './json-array.ts'
import type { ArrayComplaints } from './json-array.ts'
import { isBase64, rangeOf } from './json-elements.ts'
import type { JsonDataType } from './json-elements.ts'
import type { JsonReader } from './json-reader.ts'
import { ascii } from './json-string.ts'
import { inferColumns, inferRows } from './v1-infer.ts'

/** Where tensors stand in a body, and what they are called. */
export interface Side {
  readonly role: 'input' | 'output'
  /** The key of the row format. */
  readonly rows: 'instances' | 'predictions'
  /** The key of the columnar format. */
  readonly columns: 'inputs' | 'outputs'
}

export const requestSide: Side = { role: 'input', rows: 'instances', columns: 'inputs' }
export const responseSide: Side = { role: 'output', rows: 'predictions', columns: 'outputs' }

/**
 * Reads the value of `instances` or `predictions`: one element per row, a value or an object of named values.
 *
 * @param expected names and datatypes; taken from the data where empty
 * @throws InferenceError `invalid_argument` in TensorFlow Serving's words
 */
export function readRows(reader: JsonReader, side: Side, expected: readonly TensorMetadata[]): readonly Tensor[] {
  if (reader.peek() !== ascii.openBracket) throw invalid(`Expected "${side.rows}" to be a list`)
  const start = reader.pos
  const isFilled = reader.openArray()
  if (!isFilled && side.role === 'input') throw invalid(`"${side.rows}" is an empty list: give at least one instance`)
  const isNamed = isFilled && isNamedValue(reader)
  reader.pos = start
  const metadata = expected.length > 0 ? expected : inferRows(reader, isNamed, side.role)
  if (isNamed) return readNamedRows(reader, side, metadata)
  const only = onlyOne(metadata)
  if (only === undefined) {
    throw invalid(
      `Expecting object but got list/primitive: each of "${side.rows}" must name the ${side.role}s ${namesOf(metadata)}`,
    )
  }
  return [readOne(reader, side, only)]
}

/**
 * Reads the value of `inputs` or `outputs`: a whole tensor, or an object of named tensors.
 *
 * @param expected names and datatypes; taken from the data where empty
 * @throws InferenceError `invalid_argument` in TensorFlow Serving's words
 */
export function readColumns(reader: JsonReader, side: Side, expected: readonly TensorMetadata[]): readonly Tensor[] {
  const isNamed = isNamedValue(reader)
  const metadata = expected.length > 0 ? expected : inferColumns(reader, isNamed, side.role)
  if (!isNamed) {
    const only = onlyOne(metadata)
    if (only === undefined) {
      throw invalid(`'${side.columns}' is a plain value/list, but must be an object that names ${namesOf(metadata)}`)
    }
    return [readOne(reader, side, only)]
  }
  const byName = new Map(metadata.map((one) => [one.name, one]))
  const tensors = new Map<string, Tensor>()
  for (let open = reader.openObject(); open; open = reader.nextMember()) {
    const name = reader.key()
    tensors.set(name, readOne(reader, side, byName.get(name) ?? unexpected(name, side, metadata)))
  }
  for (const { name, isOptional } of metadata) {
    if (isOptional !== true && !tensors.has(name)) {
      throw invalid(`Missing named ${side.role}: ${name} in '${side.columns}' object.`)
    }
  }
  return [...tensors.values()]
}

/** One column of the row format, under way. */
interface Column {
  readonly metadata: TensorMetadata
  readonly array: ArrayReader
  rows: number
}

function readNamedRows(reader: JsonReader, side: Side, metadata: readonly TensorMetadata[]): Tensor[] {
  const byName = new Map(metadata.map((one) => [one.name, one]))
  const columns = new Map<string, Column>()
  let rows = 0
  for (let open = reader.openArray(); open; open = reader.nextElement()) {
    if (!isNamedValue(reader)) {
      throw invalid(`Expecting object but got list/primitive: ${side.rows}[${rows}] is ${reader.excerpt()}`)
    }
    for (let member = reader.openObject(); member; member = reader.nextMember()) {
      const name = reader.key()
      let column = columns.get(name)
      if (column === undefined) {
        column = startColumn(reader, byName.get(name) ?? unexpected(name, side, metadata), side)
        columns.set(name, column)
      }
      if (column.rows > rows) throw invalid(`${side.rows}[${rows}] names '${name}' twice`)
      column.array.read(1)
      column.rows += column.rows === rows ? 1 : 0
    }
    rows += 1
    for (const { name, isOptional } of metadata) {
      const given = columns.get(name)?.rows ?? 0
      if (given < rows && (isOptional !== true || given > 0)) {
        throw invalid(`${side.rows}[${rows - 1}] does not have named ${side.role}: ${name}`)
      }
    }
  }
  return Array.from(columns.values(), ({ metadata, array }) => {
    array.shape[0] = rows
    return finish(metadata, array)
  })
}

function startColumn(reader: JsonReader, metadata: TensorMetadata, side: Side): Column {
  const array = startArray(reader, metadata, side)
  array.shape.push(0) // the rows, counted by the caller
  return { metadata, array, rows: 0 }
}

function readOne(reader: JsonReader, side: Side, metadata: TensorMetadata): Tensor {
  const array = startArray(reader, metadata, side)
  array.read(0)
  return finish(metadata, array)
}

function startArray(reader: JsonReader, { name, datatype }: TensorMetadata, side: Side): ArrayReader {
  if (datatype === 'FP16' || datatype === 'BF16') {
    throw new InferenceError(
      'unimplemented',
      `${side.role} '${name}' has type ${typeNames[datatype]}, which V1 JSON cannot carry: use V2 binary data`,
    )
  }
  return new ArrayReader(reader, datatype, new DataComplaints(side.role, name, datatype), undefined)
}

function finish(metadata: TensorMetadata, array: ArrayReader): Tensor {
  return tensor(metadata.name, metadata.datatype, array.shape, array.finish() as never) // read for this datatype
}

/** An object, but not `{"b64": "…"}`, which is a value. */
function isNamedValue(reader: JsonReader): boolean {
  return reader.peek() === ascii.openBrace && !isBase64(reader)
}

/** The one tensor that a value without a name means. */
function onlyOne(metadata: readonly TensorMetadata[]): TensorMetadata | undefined {
  const required = metadata.filter((candidate) => candidate.isOptional !== true)
  return required.length === 1 ? required[0] : metadata.length === 1 ? metadata[0] : undefined
}

function unexpected(name: string, side: Side, metadata: readonly TensorMetadata[]): never {
  throw invalid(`unexpected inference ${side.role} '${name}'. Expected ${namesOf(metadata)}.`)
}

function namesOf(metadata: readonly TensorMetadata[]): string {
  return metadata.map(({ name }) => `'${name}'`).join(', ')
}

/** Datatypes as TensorFlow calls them. */
export const typeNames: { readonly [D in DataType]: string } = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP16: 'half',
  BF16: 'bfloat16',
  FP32: 'float',
  FP64: 'double',
  BYTES: 'string',
}

/** In TensorFlow Serving's words, with the name of the tensor behind them. */
class DataComplaints implements ArrayComplaints {
  readonly #role: string
  readonly #name: string
  readonly #datatype: JsonDataType

  constructor(role: string, name: string, datatype: JsonDataType) {
    this.#role = role
    this.#name = name
    this.#datatype = datatype
  }

  element(reader: JsonReader): InferenceError {
    const value = reader.excerpt()
    if (value.startsWith('{')) return invalid(`Expecting value/list but got object ${value} for ${this.#where()}`)
    return invalid(
      `JSON Value: ${value} Type: ${typeOf(value)} is not of expected type: ${typeNames[this.#datatype]} for ` +
        `${this.#where()}, which takes ${rangeOf(this.#datatype)}`,
    )
  }

  size(expected: number, got: number): InferenceError {
    return invalid(`Expecting tensor size: ${expected} but got: ${got} for ${this.#where()}`)
  }

  shape(expected: readonly number[], got: readonly number[]): InferenceError {
    return invalid(`Expecting shape ${shapeText(expected)} but got ${shapeText(got)} for ${this.#where()}`)
  }

  tooDeep(deepest: number): InferenceError {
    return invalid(`data is nested more than ${deepest} levels deep: ${this.#where()}`)
  }

  tooMany(): InferenceError {
    return invalid(`too many elements for ${this.#where()}`)
  }

  #where(): string {
    return `${this.#role} '${this.#name}'`
  }
}

/** The type of a JSON value as TensorFlow Serving calls it. */
function typeOf(value: string): string {
  if (value.startsWith('"')) return 'String'
  if (value.startsWith('[')) return 'Array'
  if (value === 'null') return 'Null'
  return value === 'true' || value === 'false' ? 'Bool' : 'Number'
}

/** Sizes that are not known yet are left open. */
function shapeText(shape: readonly number[]): string {
  return `[${shape.map((dimension) => (dimension < 0 ? '?' : dimension)).join(',')}]`
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
