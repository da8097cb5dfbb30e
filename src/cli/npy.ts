/** Reads NumPy's .npy files (NEP 1, versions 1 to 3): one array, made a tensor's elements in row-major, little-endian order. */
import { InferenceError } from '../core/errors.ts'
import {
  elementBytes,
  elementCount,
  elementsOf,
  isDataType,
  type DataType,
  type FixedDataType,
  type TensorData,
} from '../core/tensor.ts'

export interface NumpyArray {
  readonly datatype: DataType
  /** `[]` for a scalar. */
  readonly shape: readonly number[]
  readonly data: TensorData[DataType]
}

/** Kind and width of NumPy's type strings. */
const datatypes: Readonly<Record<string, FixedDataType>> = {
  b1: 'BOOL',
  u1: 'UINT8',
  u2: 'UINT16',
  u4: 'UINT32',
  u8: 'UINT64',
  i1: 'INT8',
  i2: 'INT16',
  i4: 'INT32',
  i8: 'INT64',
  f2: 'FP16',
  f4: 'FP32',
  f8: 'FP64',
}

interface Header {
  readonly isBigEndian: boolean
  /** 'f4', 'S12', 'U7': kind and width. */
  readonly type: string
  readonly isFortranOrder: boolean
  readonly shape: readonly number[]
}

/**
 * Fixed-width text (`S`, `U`) becomes BYTES, without its padding.
 *
 * @param label how errors name the file
 * @throws InferenceError `invalid_argument` where the file is no .npy, is cut off, or holds a type that no tensor has
 */
export function decodeNpy(bytes: Uint8Array, label: string): NumpyArray {
  const refuse = (text: string): never => {
    throw new InferenceError('invalid_argument', `${label}: ${text}`)
  }
  const isNpy = bytes.length >= 12 && Buffer.from(bytes.subarray(0, 6)).toString('latin1') === '\x93NUMPY'
  if (!isNpy) return refuse('no .npy file, save the array with numpy.save')
  const major = bytes[6] ?? 0
  if (major < 1 || major > 3) return refuse(`version ${major} of .npy is not known, expected 1, 2 or 3`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const headerStart = major === 1 ? 10 : 12
  const dataStart = headerStart + (major === 1 ? view.getUint16(8, true) : view.getUint32(8, true))
  const text = Buffer.from(bytes.subarray(headerStart, dataStart)).toString(major === 3 ? 'utf8' : 'latin1')
  const header = parseHeader(text, refuse)
  const width = widthOf(header.type, refuse)
  const count = elementCount(header.shape)
  if (!Number.isSafeInteger(count) || bytes.length - dataStart < count * width) {
    return refuse(`cut off: shape [${header.shape.join(',')}] of ${width} bytes each needs ${count * width} bytes`)
  }
  const elements = new Uint8Array(count * width)
  elements.set(bytes.subarray(dataStart, dataStart + count * width))
  const ordered = header.isFortranOrder ? rowMajor(elements, header.shape, width) : elements
  return { ...elementsWith(header, ordered, width), shape: header.shape }
}

function parseHeader(text: string, refuse: (text: string) => never): Header {
  const descr = /'descr'\s*:\s*'([<>|=]?)([a-zA-Z]\d*)'/.exec(text)
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)
  const shape = /'shape'\s*:\s*\(([\d,\sL]*)\)/.exec(text)
  if (descr === null) return refuse(`type ${/'descr'\s*:\s*([^,]+)/.exec(text)?.[1] ?? ''} has no place in a tensor`)
  if (order === null || shape === null) return refuse('the header names no order or no shape')
  const dimensions = (shape[1] ?? '').split(',').map((part) => part.replace('L', '').trim())
  return {
    isBigEndian: descr[1] === '>',
    type: descr[2] ?? '',
    isFortranOrder: order[1] === 'True',
    shape: dimensions.filter((part) => part !== '').map(Number),
  }
}

function widthOf(type: string, refuse: (text: string) => never): number {
  const datatype = datatypes[type]
  if (datatype !== undefined) return elementBytes(datatype)
  if (/^S[1-9]\d*$/.test(type)) return Number(type.slice(1))
  if (/^U[1-9]\d*$/.test(type)) return 4 * Number(type.slice(1))
  const known = 'expected bool, int8 to uint64, float16, float32, float64, or fixed-width text'
  return refuse(`type '${type}' has no place in a tensor, ${known}`)
}

function elementsWith(header: Header, bytes: Uint8Array, width: number): Omit<NumpyArray, 'shape'> {
  const datatype = datatypes[header.type]
  if (datatype !== undefined && isDataType(datatype)) {
    if (header.isBigEndian) swapBytes(bytes, width)
    return { datatype, data: elementsOf(datatype, bytes) }
  }
  const isUnicode = header.type.startsWith('U')
  if (isUnicode && header.isBigEndian) swapBytes(bytes, 4)
  const elements = Array.from({ length: elementCount(header.shape) }, (_, index) => {
    const element = bytes.subarray(index * width, (index + 1) * width)
    return isUnicode ? fromUtf32(element) : element.subarray(0, element.findLastIndex((byte) => byte !== 0) + 1)
  })
  return { datatype: 'BYTES', data: elements }
}

function fromUtf32(bytes: Uint8Array): Uint8Array {
  const points = elementsOf('UINT32', bytes)
  const length = points.findLastIndex((point) => point !== 0) + 1
  return new TextEncoder().encode(
    Array.from(points.subarray(0, length), (point) =>
      point <= 0x10ffff ? String.fromCodePoint(point) : '\ufffd',
    ).join(''),
  )
}

function swapBytes(bytes: Uint8Array, width: number): void {
  if (width === 1) return
  for (let start = 0; start < bytes.length; start += width) bytes.subarray(start, start + width).reverse()
}

/** Column-major to row-major: the first index runs fastest in the source, the last in the result. */
function rowMajor(bytes: Uint8Array, shape: readonly number[], width: number): Uint8Array {
  const ordered = new Uint8Array(bytes.length)
  const strides = shape.map((_, axis) => elementCount(shape.slice(0, axis)))
  const index = shape.map(() => 0)
  let source = 0
  for (let target = 0; target < bytes.length; target += width) {
    ordered.set(bytes.subarray(source * width, (source + 1) * width), target)
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      const next = (index[axis] ?? 0) + 1
      const stride = strides[axis] ?? 0
      const isCarry = next === shape[axis]
      index[axis] = isCarry ? 0 : next
      source += isCarry ? -(next - 1) * stride : stride
      if (!isCarry) break
    }
  }
  return ordered
}
