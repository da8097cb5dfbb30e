/** Made-up inputs that fit a signature. */
import { elementCount } from '../../src/runtime/index.ts'
import type { Tensor, TensorMetadata } from '../../src/runtime/index.ts'
import { constantTensor } from './convert.ts'

export interface Sample {
  /** Value of integers and texts; floating point is always 0. */
  readonly integer: 0 | 1
  /** Free dimensions besides the first are as large as they usually are, instead of 1. */
  readonly isTypical: boolean
}

/** A model with larger inputs is not warmed up. */
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
  sample: Sample,
): readonly Tensor[] | undefined {
  if (rows > 1 && !inputs.some((input) => input.isAnyRank !== true && input.shape[0] === -1)) return undefined
  const samples: Tensor[] = []
  for (const metadata of inputs) {
    const shape = concreteShape(metadata, rows, sample)
    if (elementCount(shape) > mostElements) return undefined
    const { name, datatype } = metadata
    samples.push(constantTensor(name, datatype, shape, datatype.startsWith('FP') ? 0 : sample.integer))
  }
  return samples
}

function concreteShape({ shape, isAnyRank }: TensorMetadata, rows: number, { isTypical }: Sample): number[] {
  if (isAnyRank === true) return [1]
  const typical = shape.length === 4 ? typicalSide : typicalLength
  return shape.map((size, axis) => (size >= 0 ? size : axis === 0 ? rows : isTypical ? typical : 1))
}
