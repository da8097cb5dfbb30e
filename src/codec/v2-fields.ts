/** The fields of a V2 tensor: name, datatype, shape and data, each checked and named in errors. */
import { InferenceError } from '../core/errors.ts'
import { allocate, dataTypes, elementCount, isDataType } from '../core/tensor.ts'
import type { DataType, Tensor } from '../core/tensor.ts'
import { ArrayReader, deepestData } from './json-array.ts'
import type { ArrayComplaints } from './json-array.ts'
import { rangeOf } from './json-elements.ts'
import type { JsonDataType } from './json-elements.ts'
import type { JsonReader } from './json-reader.ts'
import { ascii } from './json-string.ts'

/** Which side of a model a tensor is on, as errors name it. */
export type Role = 'input' | 'output'

/** By what an error names a tensor: text is made of it only where there is an error. */
export interface Label {
  readonly role: Role
  readonly index: number
  /** Undefined while the tensor has not told it. */
  name: string | undefined
}

export function labelOf({ role, name, index }: Label): string {
  return name === undefined ? `'${role}s[${index}]'` : `${role} '${name}'`
}

/** @throws InferenceError `invalid_argument` where it is not a string */
export function readName(reader: JsonReader, role: Role, index: number): string {
  if (reader.peek() !== ascii.quote) throw invalid(`'name' of '${role}s[${index}]' must be a string`)
  const name = reader.string()
  if (name === '') throw invalid(`'name' of '${role}s[${index}]' is empty`)
  return name
}

/** In MLServer's words; BF16 is Triton's, and binary only. */
export const allowedDatatypes = `Input should be ${dataTypes
  .filter((datatype) => datatype !== 'BYTES' && datatype !== 'BF16')
  .map((datatype) => `'${datatype}'`)
  .join(', ')} or 'BYTES' (or 'BF16' as binary data)`

/** @throws InferenceError `invalid_argument` listing the datatypes there are */
export function readDatatype(reader: JsonReader, label: Label): DataType {
  if (reader.peek() !== ascii.quote)
    throw invalid(`'datatype' of ${labelOf(label)} must be a string. ${allowedDatatypes}`)
  const text = reader.string()
  if (!isDataType(text)) throw invalid(`${labelOf(label)} has the unknown datatype '${text}'. ${allowedDatatypes}`)
  return text
}

/**
 * A concrete shape: `[]` for a scalar, 0 where a dimension is empty.
 *
 * @throws InferenceError `invalid_argument` for anything but non-negative integers, and where their product is no exact number
 */
export function readShape(reader: JsonReader, label: Label): readonly number[] {
  if (reader.peek() !== ascii.openBracket)
    throw invalid(`'shape' of ${labelOf(label)} must be an array of non-negative integers`)
  const shape: number[] = []
  let product = 1
  for (let open = reader.openArray(); open; open = reader.nextElement()) {
    const dimension = readDimension(reader)
    if (dimension === undefined) {
      throw invalid(
        `'shape' of ${labelOf(label)} must be an array of non-negative integers, got ${reader.excerpt()} at [${shape.length}]`,
      )
    }
    shape.push(dimension)
    if (dimension > 0) product *= dimension
    if (product > Number.MAX_SAFE_INTEGER) {
      throw invalid(
        `'shape' of ${labelOf(label)} causes total element count to exceed maximum size of ${Number.MAX_SAFE_INTEGER}, at [${shape.length - 1}]`,
      )
    }
    if (shape.length > deepestData)
      throw invalid(`'shape' of ${labelOf(label)} has more than ${deepestData} dimensions`)
  }
  return shape
}

/** A non-negative integer; undefined, with nothing read, for anything else. */
function readDimension(reader: JsonReader): number | undefined {
  const first = reader.peek()
  const { bytes, pos: start } = reader
  let pos = start
  let byte = first
  let value = 0
  while (byte >= ascii.zero && byte <= ascii.nine) {
    value = value * 10 + (byte - ascii.zero)
    byte = bytes[++pos] ?? 0
  }
  const isInteger = pos > start && (first !== ascii.zero || pos === start + 1)
  if (!isInteger || byte === ascii.dot || (byte | 0x20) === ascii.lowerE) return undefined
  reader.pos = pos
  return value
}

/**
 * The elements of a tensor, given flat or nested as its shape is.
 *
 * @throws InferenceError `invalid_argument` naming the tensor and the element
 */
export function readData(
  reader: JsonReader,
  role: Role,
  name: string,
  datatype: DataType,
  shape: readonly number[],
): Tensor['data'] {
  const count = elementCount(shape)
  if (datatype === 'FP16' || datatype === 'BF16') {
    if (count > 0) {
      throw invalid(
        `receiving ${datatype} data via JSON is not supported. Please use the binary data format for ${role} ${name}`,
      )
    }
    reader.skipValue()
    return allocate(datatype, 0)
  }
  const complaints = new DataComplaints(role, name, datatype, shape)
  if (reader.peek() !== ascii.openBracket && shape.length > 0) {
    throw invalid(`'data' of ${role} '${name}' must be an array, got ${reader.excerpt()}`)
  }
  // Each element takes a byte and a comma at least: nothing is allocated for a shape that the body cannot fill.
  const most = (reader.bytes.length - reader.pos) / 2
  if (count > most + 1) throw complaints.size(count, Math.floor(most))
  const array = new ArrayReader(reader, datatype, complaints, count)
  array.read(0)
  if (array.shape.length > 1 ? !isSameShape(array.shape, shape) : array.length !== count) {
    throw array.length === count ? complaints.shape() : complaints.size(count, array.length)
  }
  return array.finish()
}

function isSameShape(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((dimension, axis) => dimension === right[axis])
}

/** In Triton's words, with the name of the tensor behind them. */
class DataComplaints implements ArrayComplaints {
  readonly #role: Role
  readonly #name: string
  readonly #datatype: JsonDataType
  readonly #shape: readonly number[]

  constructor(role: Role, name: string, datatype: JsonDataType, shape: readonly number[]) {
    this.#role = role
    this.#name = name
    this.#datatype = datatype
    this.#shape = shape
  }

  element(reader: JsonReader, index: number): InferenceError {
    const takes = `${this.#datatype} takes ${rangeOf(this.#datatype)}`
    return invalid(`${this.#role} '${this.#name}': data[${index}] is ${reader.excerpt()}, but ${takes}`)
  }

  size(expected: number, got: number): InferenceError {
    return got < expected
      ? invalid(`Failed to parse 'data' field: shape does not match true shape: ${this.#where()}`)
      : this.tooMany()
  }

  tooDeep(deepest: number): InferenceError {
    return invalid(`data is nested more than ${deepest} levels deep: ${this.#where()}`)
  }

  tooMany(): InferenceError {
    return invalid(`Unable to parse 'data': Shape does not match true shape of 'data' field: ${this.#where()}`)
  }

  shape(): InferenceError {
    return invalid(
      `Unable to parse 'data': Shape does not match true shape of 'data' field: ${this.#where()}, flat or nested like the shape`,
    )
  }

  #where(): string {
    const count = elementCount(this.#shape)
    return `${this.#role} '${this.#name}' of shape [${this.#shape.join(',')}] needs ${count} elements`
  }
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
