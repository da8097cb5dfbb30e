/** Tensors: the one data type that every protocol decodes into and every runtime computes on. */
import { InferenceError } from './errors.ts'

/**
 * What holds the elements of each V2 datatype, row-major.
 * FP16 and BF16 hold raw bits (JavaScript has no such number); BYTES holds one byte string per element.
 */
export interface TensorData {
  BOOL: Uint8Array
  UINT8: Uint8Array
  UINT16: Uint16Array
  UINT32: Uint32Array
  UINT64: BigUint64Array
  INT8: Int8Array
  INT16: Int16Array
  INT32: Int32Array
  INT64: BigInt64Array
  FP16: Uint16Array
  BF16: Uint16Array
  FP32: Float32Array
  FP64: Float64Array
  BYTES: readonly Uint8Array[]
}

export type DataType = keyof TensorData

/** Every datatype but BYTES: its elements have a fixed width. */
export type FixedDataType = Exclude<DataType, 'BYTES'>

/** A named n-dimensional array. `shape` is `[batch, ...]` where the model batches; its product is `data.length`. */
export type Tensor<D extends DataType = DataType> = {
  [K in D]: {
    readonly name: string
    readonly datatype: K
    readonly shape: readonly number[]
    readonly data: TensorData[K]
    readonly parameters?: Parameters
  }
}[D]

export type Parameters = Readonly<Record<string, string | number | boolean>>

type FixedArray = TensorData[FixedDataType]
interface FixedArrayConstructor {
  readonly BYTES_PER_ELEMENT: number
  new (length: number): FixedArray
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): FixedArray
}

const arrays: { readonly [D in FixedDataType]: FixedArrayConstructor } = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Uint16Array,
  BF16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
}

/** The V2 datatypes in the order of the specification, as error messages list them. */
export const dataTypes: readonly DataType[] = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'FP32',
  'FP64',
  'BYTES',
  'BF16',
]

export function isDataType(text: string): text is DataType {
  return text === 'BYTES' || Object.hasOwn(arrays, text)
}

/** Bytes of one element. */
export function elementBytes(datatype: FixedDataType): number {
  return arrays[datatype].BYTES_PER_ELEMENT
}

/** Elements of a concrete shape; 1 for a scalar (`[]`). */
export function elementCount(shape: readonly number[]): number {
  let count = 1
  for (const dimension of shape) count *= dimension
  return count
}

/** A tensor over elements that are already in the right array. The caller vouches for `data.length`. */
export function tensor<D extends DataType>(
  name: string,
  datatype: D,
  shape: readonly number[],
  data: TensorData[D],
): Tensor<D> {
  return { name, datatype, shape, data }
}

/** A zeroed array of `count` elements. */
export function allocate<D extends FixedDataType>(datatype: D, count: number): TensorData[D] {
  return new arrays[datatype](count) as TensorData[D] // the table holds the constructor of exactly this array
}

/**
 * Raw little-endian bytes as elements. A view without copying where the offset is aligned for the datatype, else a copy:
 * slices of a request body start anywhere.
 *
 * @param bytes exactly `count` × {@link elementBytes} bytes; the caller has checked
 * @param spare so many bytes right before `bytes` belong to the caller, who has no more use for them: where they are enough,
 *   the elements move down to an aligned place instead of into new memory, which costs several times as much
 */
export function elementsOf<D extends FixedDataType>(datatype: D, bytes: Uint8Array, spare = 0): TensorData[D] {
  const array = arrays[datatype]
  const width = array.BYTES_PER_ELEMENT
  const misfit = bytes.byteOffset % width
  if (misfit > spare) {
    const copy = new Uint8Array(bytes.byteLength)
    copy.set(bytes)
    return new array(copy.buffer, 0, bytes.byteLength / width) as TensorData[D]
  }
  const start = bytes.byteOffset - misfit
  if (misfit > 0) new Uint8Array(bytes.buffer, start, misfit + bytes.byteLength).copyWithin(0, misfit)
  return new array(bytes.buffer, start, bytes.byteLength / width) as TensorData[D]
}

/** The bytes of a fixed-width tensor's elements, little-endian, without copying. */
export function bytesOf(data: TensorData[FixedDataType]): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

/** Bytes of BYTES elements on the wire: each a 32-bit little-endian length and its bytes. */
export function byteStringsLength(elements: readonly Uint8Array[]): number {
  let length = 0
  for (const element of elements) length += 4 + element.byteLength
  return length
}

/** BYTES elements as raw bytes: each a 32-bit little-endian length and its bytes. */
export function encodeByteStrings(elements: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(byteStringsLength(elements))
  const view = new DataView(bytes.buffer)
  let offset = 0
  for (const element of elements) {
    view.setUint32(offset, element.byteLength, true)
    bytes.set(element, offset + 4)
    offset += 4 + element.byteLength
  }
  return bytes
}

/**
 * Raw bytes as BYTES elements, each a view.
 *
 * @param label how an error names the tensor: `inference input 'X'`
 * @throws InferenceError `invalid_argument` where a length is cut off or runs past the end, or the count differs
 */
export function decodeByteStrings(bytes: Uint8Array, count: number, label: string): Uint8Array[] {
  const elements: Uint8Array[] = []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let offset = 0
  while (offset < bytes.byteLength) {
    if (elements.length === count) {
      throw new InferenceError(
        'invalid_argument',
        `unexpected number of string elements for ${label}, expecting ${count}`,
      )
    }
    if (offset + 4 > bytes.byteLength) {
      throw new InferenceError('invalid_argument', `incomplete string length indicator for ${label}, expecting 4 bytes`)
    }
    const length = view.getUint32(offset, true)
    offset += 4
    if (offset + length > bytes.byteLength) {
      const rest = bytes.byteLength - offset
      throw new InferenceError(
        'invalid_argument',
        `incomplete string data for ${label}, expecting string of length ${length} but only ${rest} bytes available`,
      )
    }
    elements.push(bytes.subarray(offset, offset + length))
    offset += length
  }
  if (elements.length !== count) {
    throw new InferenceError(
      'invalid_argument',
      `expected ${count} string elements for ${label}, got ${elements.length}`,
    )
  }
  return elements
}

/** Bytes that a tensor's elements take on the wire. */
export function byteLength(tensor: Tensor): number {
  return tensor.datatype === 'BYTES' ? byteStringsLength(tensor.data) : tensor.data.byteLength
}
