/** Plain JavaScript values as the elements of a tensor, checked, and back. */
import { InferenceError } from '../core/errors.ts'
import { allocate, type DataType, type FixedDataType, type Tensor, type TensorData } from '../core/tensor.ts'
import { fromBf16, fromFp16, toBf16, toFp16 } from './half.ts'

/** An array that holds tensor elements as they are. */
export type TypedArray = TensorData[FixedDataType]

/** One element. A string or a byte array is one BYTES element. */
export type Scalar = number | bigint | boolean | string | Uint8Array

const integerRanges: Readonly<Partial<Record<DataType, readonly [min: bigint, max: bigint]>>> = {
  UINT8: [0n, 255n],
  UINT16: [0n, 65_535n],
  UINT32: [0n, 2n ** 32n - 1n],
  UINT64: [0n, 2n ** 64n - 1n],
  INT8: [-128n, 127n],
  INT16: [-32_768n, 32_767n],
  INT32: [-(2n ** 31n), 2n ** 31n - 1n],
  INT64: [-(2n ** 63n), 2n ** 63n - 1n],
}

/**
 * Elements of a datatype from values.
 *
 * @param label how an error names the tensor: `input 'x'`
 * @throws InferenceError `invalid_argument` that names the element where a value does not fit
 */
export function elementsFrom<D extends DataType>(datatype: D, values: readonly Scalar[], label: string): TensorData[D]
export function elementsFrom(datatype: DataType, values: readonly Scalar[], label: string): TensorData[DataType] {
  const refuse = (index: number): never => {
    const value = values[index]
    const shown = value instanceof Uint8Array ? `${value.byteLength} bytes` : describe(value)
    throw new InferenceError('invalid_argument', `${label}: element ${index} is ${shown}, which is no ${datatype}`)
  }
  const encoder = new TextEncoder()
  if (datatype === 'BYTES') {
    return values.map((value, index) => {
      if (value instanceof Uint8Array) return value
      return typeof value === 'string' ? encoder.encode(value) : refuse(index)
    })
  }
  if (datatype === 'INT64' || datatype === 'UINT64') {
    const wide = allocate(datatype, values.length)
    values.forEach((value, index) => (wide[index] = integerOf(datatype, value) ?? refuse(index)))
    return wide
  }
  const array = allocate(datatype, values.length)
  values.forEach((value, index) => (array[index] = numberOf(datatype, value) ?? refuse(index)))
  return array
}

function describe(value: Scalar | undefined): string {
  return typeof value === 'string' ? `'${value.slice(0, 40)}'` : String(value)
}

/** The number that the array of the datatype stores for a value. */
function numberOf(datatype: Exclude<FixedDataType, 'INT64' | 'UINT64'>, value: Scalar): number | undefined {
  if (datatype === 'BOOL') return value === true || value === 1 ? 1 : value === false || value === 0 ? 0 : undefined
  if (typeof value !== 'number' && typeof value !== 'bigint') return undefined
  if (datatype === 'FP32' || datatype === 'FP64') return Number(value)
  if (datatype === 'FP16') return toFp16(Number(value))
  if (datatype === 'BF16') return toBf16(Number(value))
  const integer = integerOf(datatype, value)
  return integer === undefined ? undefined : Number(integer)
}

function integerOf(datatype: DataType, value: Scalar): bigint | undefined {
  const [min, max] = integerRanges[datatype] ?? [0n, 0n]
  const integer = typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value
  return typeof integer === 'bigint' && integer >= min && integer <= max ? integer : undefined
}

/**
 * The elements of a tensor as plain values, flat and row-major: numbers (FP16 and BF16 too), bigints for INT64 and
 * UINT64, booleans for BOOL, and for BYTES texts, in which bytes that are no UTF-8 are replaced.
 */
export function valuesOf(tensor: Tensor): (number | bigint | boolean | string)[] {
  switch (tensor.datatype) {
    case 'BYTES': {
      const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
      return tensor.data.map((element) => decoder.decode(element))
    }
    case 'BOOL':
      return Array.from(tensor.data, (value) => value !== 0)
    case 'FP16':
      return Array.from(tensor.data, fromFp16)
    case 'BF16':
      return Array.from(tensor.data, fromBf16)
    case 'INT64':
    case 'UINT64':
      return Array.from(tensor.data)
    case 'UINT8':
    case 'UINT16':
    case 'UINT32':
    case 'INT8':
    case 'INT16':
    case 'INT32':
    case 'FP32':
    case 'FP64':
      return Array.from(tensor.data)
  }
}
