/** What tells two batches apart for the response cache: everything that the model can see, and nothing else. */
import { createHash } from 'node:crypto'
import type { Batch } from '../core/model.ts'
import { byteLength, bytesOf, encodeByteStrings, type Parameters, type Tensor } from '../core/tensor.ts'

/** Hashing 1 MiB takes 0.7 ms of the event loop (measured), several times that on a processor without SHA instructions. */
export const maxKeyedBytes = 2 ** 20

/**
 * A digest of names, datatypes, shapes and elements of the inputs, outputs wanted, and parameters; the order of inputs,
 * outputs and parameters does not count. SHA-256 over an unambiguous text: equal keys are equal batches.
 *
 * @returns undefined where the inputs are larger than {@link maxKeyedBytes}
 */
export function cacheKey({ inputs, outputs, parameters }: Batch): string | undefined {
  let bytes = 0
  for (const input of inputs) bytes += byteLength(input)
  if (bytes > maxKeyedBytes) return undefined
  const sorted = inputs.length < 2 ? inputs : inputs.toSorted(byName)
  const head = JSON.stringify([
    sorted.map(({ name, datatype, shape, parameters: own }) => [name, datatype, shape, described(own)]),
    outputs?.toSorted() ?? null,
    described(parameters),
  ])
  const hash = createHash('sha256').update(head)
  for (const { datatype, data } of sorted) hash.update(datatype === 'BYTES' ? encodeByteStrings(data) : bytesOf(data))
  return hash.digest('base64')
}

/** JSON has neither NaN nor -0. */
function described(parameters: Parameters = {}): readonly (readonly string[])[] {
  return Object.entries(parameters)
    .map(([name, value]) => [name, typeof value, Object.is(value, -0) ? '-0' : String(value)] as const)
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
}

function byName({ name: left }: Tensor, { name: right }: Tensor): number {
  return left < right ? -1 : left > right ? 1 : 0
}
