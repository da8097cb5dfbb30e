/** Random tensors of every datatype. */
import { allocate, bytesOf, dataTypes, elementCount, tensor } from '../../src/core/tensor.ts'
import type { DataType, Tensor } from '../../src/core/tensor.ts'
import { integer, pick } from './random.ts'
import type { Random } from './random.ts'

export const jsonTypes: readonly DataType[] = dataTypes.filter((datatype) => datatype !== 'FP16' && datatype !== 'BF16')

/** @param shape of any rank, `[]` and zero dimensions included, where absent */
export function randomTensor(random: Random, name: string, datatype: DataType, shape = randomShape(random)): Tensor {
  const count = elementCount(shape)
  if (datatype === 'BYTES')
    return tensor(
      name,
      datatype,
      shape,
      Array.from({ length: count }, () => randomText(random)),
    )
  const data = allocate(datatype, count)
  const raw = bytesOf(data)
  for (let index = 0; index < raw.length; index += 1) raw[index] = integer(random, datatype === 'BOOL' ? 2 : 256)
  if (datatype === 'FP32' || datatype === 'FP64') {
    for (let index = 0; index < count; index += 1) {
      // One bit pattern of NaN is as good as another: JSON has one only.
      if (Number.isNaN(data[index])) data[index] = pick(random, [NaN, Infinity, -Infinity, -0, 1, 0.1])
    }
  }
  return tensor(name, datatype, shape, data as never) // allocated for this datatype
}

export function randomShape(random: Random): number[] {
  return Array.from({ length: integer(random, 4) }, () => integer(random, 5))
}

function randomText(random: Random): Uint8Array {
  const parts = Array.from({ length: integer(random, 6) }, () =>
    pick(random, ['a', 'é', '😀', '"', '\\', '\n', '\0', '{', '\u007f']),
  )
  return new Uint8Array(Buffer.from(parts.join('')))
}
