/** Whether the first dimension of a model counts rows, and how many a request has. */
import type { TensorMetadata } from './model.ts'
import type { Signature } from './signature.ts'
import type { Tensor } from './tensor.ts'

/** True where the first dimension of every input and output is free: what Triton takes for a batch. */
export function hasBatchDimension({ inputs, outputs }: Signature): boolean {
  const isFree = ({ shape, isAnyRank }: TensorMetadata): boolean => isAnyRank !== true && shape[0] === -1
  return inputs.length > 0 && outputs.length > 0 && inputs.every(isFree) && outputs.every(isFree)
}

/** Rows of one request; 1 where the first dimension does not count them. */
export function rowsOf(inputs: readonly Tensor[], signature: Signature): number {
  return hasBatchDimension(signature) ? (inputs[0]?.shape[0] ?? 1) : 1
}
