/** The one leniency of V1 with shapes: a list of scalars passes for a column. */
import type { TensorMetadata } from '../core/model.ts'
import type { Tensor } from '../core/tensor.ts'

/**
 * The shape under which a tensor goes to its input: `[n]` becomes `[n, 1]` where the input declares `[-1, 1]`. TF Serving
 * does not enforce the shapes of a signature, so its clients send either.
 */
export function columnShape(shape: readonly number[], metadata: TensorMetadata): readonly number[] {
  const trailing = metadata.shape.slice(1)
  const isFixed = metadata.isAnyRank !== true && metadata.isShapeHint !== true
  const isColumn = shape.length === 1 && isFixed && trailing.every((dimension) => dimension === 1)
  return isColumn ? [...shape, ...trailing] : shape
}

/** The way back: what answers lists of scalars are lists of scalars, as they are where no shape is enforced. */
export function flatColumn(tensor: Tensor): Tensor {
  const [rows = 0, ...trailing] = tensor.shape
  return trailing.length > 0 && trailing.every((size) => size === 1) ? { ...tensor, shape: [rows] } : tensor
}
