/** Tensors that are kept: copies in and copies out, so that nobody's changes reach anybody else. */
import {
  allocate,
  byteLength,
  bytesOf,
  decodeByteStrings,
  encodeByteStrings,
  type FixedDataType,
  type Tensor,
} from '../core/tensor.ts'

/** BYTES lie in one piece of memory, not in one per element. */
export type Kept =
  | { readonly kind: 'fixed'; readonly tensor: Tensor<FixedDataType> }
  | {
      readonly kind: 'bytes'
      readonly tensor: Omit<Tensor<'BYTES'>, 'data'>
      readonly count: number
      readonly encoded: Uint8Array
    }

/** Memory that a kept tensor takes, in bytes, besides a few objects. */
export function keptBytes(tensor: Tensor): number {
  return byteLength(tensor) + 2 * tensor.name.length + 8 * tensor.shape.length
}

export function keep(tensor: Tensor): Kept {
  if (tensor.datatype !== 'BYTES') return { kind: 'fixed', tensor: copyOf(tensor) }
  const { data, ...rest } = tensor
  return {
    kind: 'bytes',
    tensor: { ...rest, shape: [...rest.shape] },
    count: data.length,
    encoded: encodeByteStrings(data),
  }
}

export function take(kept: Kept): Tensor {
  if (kept.kind === 'fixed') return copyOf(kept.tensor)
  const { tensor, count, encoded } = kept
  const data = decodeByteStrings(new Uint8Array(encoded), count, `output '${tensor.name}'`)
  return { ...tensor, shape: [...tensor.shape], data }
}

/** Not by `slice`: that of a Buffer is a view. */
function copyOf(tensor: Tensor<FixedDataType>): Tensor<FixedDataType> {
  const data = allocate(tensor.datatype, tensor.data.length)
  bytesOf(data).set(bytesOf(tensor.data))
  // The array is of the datatype that the tensor has.
  return { ...tensor, shape: [...tensor.shape], data } as Tensor<FixedDataType>
}
