/** Made-up inputs that fit a signature. */
import { elementCount } from '../../src/runtime/index.ts'
import type { Tensor, TensorMetadata } from '../../src/runtime/index.ts'
import { constantTensor } from './convert.ts'

/** A model with larger inputs is not warmed up. */
const mostElements = 16_777_216

/**
 * Inputs of `rows` rows: a free first dimension is `rows`, other free dimensions are 1.
 *
 * @param integer value of integers and texts; floating point is always 0
 * @returns undefined where there is no row dimension to set (`rows` > 1), or the inputs would be very large
 */
export function sampleInputs(
  inputs: readonly TensorMetadata[],
  rows: number,
  integer: 0 | 1,
): readonly Tensor[] | undefined {
  if (rows > 1 && !inputs.some((input) => input.isAnyRank !== true && input.shape[0] === -1)) return undefined
  const samples: Tensor[] = []
  for (const { name, datatype, shape, isAnyRank } of inputs) {
    const concrete = isAnyRank === true ? [1] : shape.map((size, axis) => (size >= 0 ? size : axis === 0 ? rows : 1))
    if (elementCount(concrete) > mostElements) return undefined
    const isFloat = datatype.startsWith('FP')
    samples.push(constantTensor(name, datatype, concrete, isFloat ? 0 : integer))
  }
  return samples
}
