/** Inputs as a program has them at hand, made tensors. */
import type { TensorDescription } from '../codec/description.ts'
import { InferenceError } from '../core/errors.ts'
import { elementCount, tensor, type DataType, type Tensor } from '../core/tensor.ts'
import { elementsFrom, type Scalar, type TypedArray } from './elements.ts'
import { fitShape, flatten, type Nested } from './shape.ts'

/** A typed array or plain values, nested as the tensor or flat. */
export type InputData = TypedArray | Nested<Scalar>

/** Data with what it does not say itself; a whole {@link Tensor} is one, too. */
export interface ShapedInput {
  readonly datatype?: DataType
  /** Product equals the number of elements; one dimension may be -1. */
  readonly shape?: readonly number[]
  readonly data: InputData
}

export type Input = InputData | ShapedInput

export interface TensorOptions {
  readonly datatype?: DataType
  readonly shape?: readonly number[]
}

/**
 * A tensor from values or a typed array. Without a datatype the array's own is taken (UINT8, UINT16 for unsigned bytes
 * and words), FP32 for numbers, INT64 for bigints, BOOL for booleans, BYTES for texts. Without a shape the values' nesting
 * counts.
 *
 * @throws InferenceError `invalid_argument` where values do not fit the datatype or the shape
 */
export function tensorOf(name: string, data: InputData, options: TensorOptions = {}): Tensor {
  return build(name, data, options, options.shape)
}

/**
 * A tensor from an input, completed from what the server says of it. What the input says itself wins; a described shape
 * that does not fit is left to the server to judge, since not all of them mean it (TF Serving, models of any rank).
 *
 * @param isUntyped where nobody tells the datatype of plain numbers, they become INT64 or FP64 and not FP32
 * @throws InferenceError `invalid_argument`
 */
export function inputTensor(
  name: string,
  input: Input,
  description: TensorDescription | undefined,
  isUntyped = false,
): Tensor {
  const given = isShaped(input) ? input : { data: input }
  const datatype = given.datatype ?? description?.datatype
  const options = { ...(datatype === undefined ? {} : { datatype }), isUntyped }
  if (given.shape !== undefined) return build(name, given.data, options, given.shape)
  const made = build(name, given.data, options, undefined)
  const isFlat = !Array.isArray(given.data) || made.shape.length <= 1
  const fitted = description?.shape && fitShape(made.shape, description.shape)
  // On the wire a value that stands alone is a list of one: some servers take no rank 0.
  const shape = fitted ?? (isFlat && made.shape.length === 0 ? [1] : made.shape)
  return { ...made, shape }
}

/** True where a tensor can be made without asking the server for its datatype and shape. */
export function isComplete(input: Input): boolean {
  if (!isShaped(input) || input.shape === undefined || input.shape.includes(-1)) return false
  return input.datatype !== undefined || (isTypedArray(input.data) && datatypesOf(input.data).length === 1)
}

interface BuildOptions extends TensorOptions {
  readonly isUntyped?: boolean
}

function build(name: string, data: InputData, options: BuildOptions, wanted: readonly number[] | undefined): Tensor {
  const label = `input '${name}'`
  const { shape, datatype, elements } = isTypedArray(data)
    ? fromArray(data, options.datatype, label)
    : fromValues(data, options, label)
  if (wanted === undefined) return tensor(name, datatype, shape, elements)
  const count = elementCount(shape)
  const fitted = fitShape([count], wanted)
  if (fitted === undefined) {
    throw new InferenceError(
      'invalid_argument',
      `${label}: shape [${wanted.join(',')}] does not hold ${count} elements`,
    )
  }
  return tensor(name, datatype, fitted, elements)
}

function fromArray(data: TypedArray, wanted: DataType | undefined, label: string) {
  const own = datatypesOf(data)
  const datatype = wanted ?? own[0] ?? 'UINT8'
  const shape = [data.length]
  if (own.includes(datatype)) return { shape, datatype, elements: data }
  if (datatype === 'BYTES' && data instanceof Uint8Array) return { shape: [1], datatype, elements: [data] }
  const values: readonly Scalar[] = Array.from<number | bigint>(data)
  return { shape, datatype, elements: elementsFrom(datatype, values, label) }
}

function fromValues(data: Nested<Scalar>, options: BuildOptions, label: string) {
  const { shape, values } = flatten(data, label)
  const datatype = options.datatype ?? datatypeOf(values, options.isUntyped === true)
  return { shape, datatype, elements: elementsFrom(datatype, values, label) }
}

function datatypeOf(values: readonly Scalar[], isUntyped: boolean): DataType {
  const [first] = values
  if (typeof first === 'string' || first instanceof Uint8Array) return 'BYTES'
  if (typeof first === 'boolean') return 'BOOL'
  if (typeof first === 'bigint') return 'INT64'
  if (!isUntyped) return 'FP32'
  // TF Serving takes 1 for a float, and 1.0 for no integer.
  return values.every((value) => typeof value === 'bigint' || Number.isSafeInteger(value)) ? 'INT64' : 'FP64'
}

function isShaped(input: Input): input is ShapedInput {
  return typeof input === 'object' && 'data' in input
}

function isTypedArray(data: InputData): data is TypedArray {
  return ArrayBuffer.isView(data)
}

/** The datatypes that an array holds as it is, the likeliest first. */
function datatypesOf(array: TypedArray): readonly DataType[] {
  if (array instanceof Float32Array) return ['FP32']
  if (array instanceof Float64Array) return ['FP64']
  if (array instanceof Int32Array) return ['INT32']
  if (array instanceof BigInt64Array) return ['INT64']
  if (array instanceof BigUint64Array) return ['UINT64']
  if (array instanceof Uint8Array) return ['UINT8', 'BOOL']
  if (array instanceof Uint16Array) return ['UINT16', 'FP16', 'BF16']
  if (array instanceof Uint32Array) return ['UINT32']
  return array instanceof Int8Array ? ['INT8'] : ['INT16']
}
