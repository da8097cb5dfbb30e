/** Made-up inputs that fit a signature: all equal for a first run, or rows that differ for a proof. */
import type { TensorMetadata } from './model.ts'
import { allocate, elementCount, tensor, type DataType, type FixedDataType, type Tensor } from './tensor.ts'

export interface Sample {
  /** Value of integers and texts; floating point is always 0. */
  readonly integer: 0 | 1
  /** Free dimensions besides the first are as large as they usually are, instead of 1. */
  readonly isTypical: boolean
}

/** What the elements of {@link variedRow} are. */
export interface Variety {
  /** Integers and Booleans; the first element of a row is the one that its number counts off. */
  readonly integers: readonly number[]
  /** Elements of BYTES, chosen like `integers`. */
  readonly texts: readonly string[]
  /** Range of floating point. */
  readonly least: number
  readonly most: number
  /** As in {@link Sample}. */
  readonly isTypical: boolean
}

/** Larger inputs are not made up. */
const mostElements = 16_777_216
/** Height and width of a picture, as most vision models take it. */
const typicalSide = 224
/** A short text, or a few features. */
const typicalLength = 16

/**
 * Inputs of `rows` rows: a free first dimension is `rows`.
 *
 * @returns undefined where there is no row dimension to set (`rows` > 1), or the inputs would be very large
 */
export function sampleInputs(
  inputs: readonly TensorMetadata[],
  rows: number,
  { integer, isTypical }: Sample,
): readonly Tensor[] | undefined {
  if (rows > 1 && !inputs.some((input) => input.isAnyRank !== true && input.shape[0] === -1)) return undefined
  const samples: Tensor[] = []
  for (const metadata of inputs) {
    const shape = concreteShape(metadata, rows, isTypical)
    if (elementCount(shape) > mostElements) return undefined
    const { name, datatype } = metadata
    samples.push(constantTensor(name, datatype, shape, datatype.startsWith('FP') ? 0 : integer))
  }
  return samples
}

/**
 * One row of made-up inputs, always the same for the same number: rows 0 and 1 differ in every input that has elements.
 *
 * @returns undefined where the inputs would be very large
 */
export function variedRow(
  inputs: readonly TensorMetadata[],
  row: number,
  variety: Variety,
): readonly Tensor[] | undefined {
  const random = randomFrom(row + 1)
  const samples: Tensor[] = []
  for (const metadata of inputs) {
    const shape = concreteShape(metadata, 1, variety.isTypical)
    if (elementCount(shape) > mostElements) return undefined
    samples.push(variedTensor(metadata, shape, row, variety, random))
  }
  return samples
}

/** A tensor of zeros (or ones); BYTES: of `0` or `1` as text. */
export function constantTensor(name: string, datatype: DataType, shape: readonly number[], value: 0 | 1): Tensor {
  const count = elementCount(shape)
  if (datatype === 'BYTES')
    return tensor(name, datatype, shape, new Array<Uint8Array>(count).fill(new TextEncoder().encode(`${value}`)))
  const data = allocate(datatype, count)
  if (value === 1) {
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data.fill(1n)
    else data.fill(1)
  }
  return tensor(name, datatype, shape, data)
}

/**
 * A tensor of random elements, always the same for the same seed: floating point from 0 to 1, Booleans, integers from 0
 * to 100, texts of lower-case letters.
 */
export function randomTensor(name: string, datatype: DataType, shape: readonly number[], seed: number): Tensor {
  const random = randomFrom(seed)
  const count = elementCount(shape)
  if (datatype === 'BYTES') {
    const letter = (): number => 97 + Math.floor(random() * 26)
    return tensor(
      name,
      datatype,
      shape,
      Array.from({ length: count }, () => Uint8Array.from({ length: 8 }, letter)),
    )
  }
  const most = datatype === 'BOOL' ? 2 : 101
  return filled(name, datatype, shape, () => (isFloat(datatype) ? random() : Math.floor(random() * most)))
}

function concreteShape({ shape, isAnyRank }: TensorMetadata, rows: number, isTypical: boolean): number[] {
  if (isAnyRank === true) return [1]
  const typical = shape.length === 4 ? typicalSide : typicalLength
  return shape.map((size, axis) => (size >= 0 ? size : axis === 0 ? rows : isTypical ? typical : 1))
}

function variedTensor(
  { name, datatype }: TensorMetadata,
  shape: readonly number[],
  row: number,
  variety: Variety,
  random: () => number,
): Tensor {
  const { integers, texts, least, most } = variety
  const pick = (choices: number, index: number): number =>
    (index === 0 ? row : Math.floor(random() * choices)) % choices
  if (datatype === 'BYTES') {
    const encoder = new TextEncoder()
    const data = Array.from({ length: elementCount(shape) }, (_, index) =>
      encoder.encode(texts[pick(texts.length, index)] ?? ''),
    )
    return tensor(name, datatype, shape, data)
  }
  // A picture has all values of a byte; elsewhere an integer may be a count, an index or a size, and small ones are safe.
  const isByte = datatype === 'UINT8'
  const isBoolean = datatype === 'BOOL'
  return filled(name, datatype, shape, (index) => {
    if (isFloat(datatype)) return least + random() * (most - least)
    if (isByte && index > 0) return Math.floor(random() * 256)
    const value = integers[pick(integers.length, index)] ?? 0
    return isBoolean ? value % 2 : value
  })
}

function isFloat(datatype: DataType): boolean {
  return datatype.startsWith('FP') || datatype === 'BF16'
}

function filled(
  name: string,
  datatype: FixedDataType,
  shape: readonly number[],
  valueAt: (index: number) => number,
): Tensor {
  const data = allocate(datatype, elementCount(shape))
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    for (let index = 0; index < data.length; index += 1) data[index] = BigInt(valueAt(index))
  } else {
    const encode = datatype === 'FP16' ? halfBits : datatype === 'BF16' ? brainBits : Number
    for (let index = 0; index < data.length; index += 1) data[index] = encode(valueAt(index))
  }
  return tensor(name, datatype, shape, data)
}

const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** FP16 bits of a number below 65504, cut off; tiny ones become 0. */
function halfBits(value: number): number {
  float[0] = value
  const word = bits[0] ?? 0
  const exponent = ((word >>> 23) & 0xff) - 112
  return exponent <= 0 ? 0 : ((word >>> 16) & 0x8000) | (exponent << 10) | ((word >>> 13) & 0x3ff)
}

function brainBits(value: number): number {
  float[0] = value
  return (bits[0] ?? 0) >>> 16
}

/** Numbers from 0 to 1 that a seed, at least 1, determines: Marsaglia's xorshift of 32 bits. */
function randomFrom(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1)
  const next = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  for (let skipped = 0; skipped < 8; skipped += 1) next() // seeds that are near begin alike
  return next
}
