/** The one leniency of V1 with shapes: a list of scalars passes for a column. */
import type { TensorMetadata } from '../core/model.ts'

/**
 * The shape under which a tensor goes to its input: `[n]` becomes `[n, 1]` where the input declares `[-1, 1]`. TF Serving
 * does not enforce the shapes of a signature, so its clients send either.
 */
export function columnShape(shape: readonly number[], metadata: TensorMetadata): readonly number[] {
  const trailing = metadata.shape.slice(1)
  const isColumn = shape.length === 1 && metadata.isAnyRank !== true && trailing.every((dimension) => dimension === 1)
  return isColumn ? [...shape, ...trailing] : shape
}
