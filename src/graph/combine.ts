/** Combiners of an Ensemble: several answers of the same outputs as one. Pure functions on tensors. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceResponse } from '../core/inference.ts'
import { allocate, elementCount } from '../core/tensor.ts'
import type { FixedDataType, Tensor } from '../core/tensor.ts'
import type { CombineMethod, CombineOptions } from './spec.ts'

/** The answer of one member, by the key of its step. */
export interface MemberResponse {
  readonly key: string
  readonly response: InferenceResponse
}

/**
 * Combines answers output by output, in the order of the first one's outputs.
 *
 * @param members at least one
 * @throws InferenceError `invalid_argument` where a member lacks an output, or datatypes or shapes do not go together
 */
export function combine(members: readonly MemberResponse[], options: CombineOptions): InferenceResponse {
  const first = members[0]?.response
  if (first === undefined) throw invalid('there is no answer to combine')
  const weights = members.map(({ key }) => options.weights.get(key) ?? 1)
  const outputs = first.outputs.map(({ name }) => {
    const tensors = members.map((member) => outputOf(member, name))
    return combineTensors(tensors, weights, options.outputs.get(name) ?? options.method, options.axis)
  })
  return { ...first, outputs }
}

function outputOf({ key, response }: MemberResponse, name: string): Tensor {
  const found = response.outputs.find((output) => output.name === name)
  if (found !== undefined) return found
  const has = response.outputs.map((output) => `'${output.name}'`).join(', ')
  throw invalid(`the answer of step '${key}' has no output '${name}', but ${has === '' ? 'none' : has}`)
}

/**
 * Combines tensors of one name.
 *
 * @param tensors at least one; of one shape but for `concat`, where the dimension `axis` may differ
 * @param weights one per tensor; they count for `weightedMean`, and break ties of `vote`
 * @throws InferenceError `invalid_argument`
 */
export function combineTensors(
  tensors: readonly Tensor[],
  weights: readonly number[],
  method: CombineMethod,
  axis: number,
): Tensor {
  const [first] = tensors
  if (first === undefined) throw invalid('there is no tensor to combine')
  if (method === 'concat') return concat(tensors, first, axis)
  for (const tensor of tensors) {
    if (tensor.shape.length === first.shape.length && tensor.shape.every((size, at) => size === first.shape[at]))
      continue
    throw invalid(`output '${first.name}' has the shapes [${first.shape.join(',')}] and [${tensor.shape.join(',')}]`)
  }
  switch (method) {
    case 'vote':
      return choose(tensors, first, (at) => winner(tensors, weights, at))
    case 'max':
      refuseBytes(first, 'max')
      return choose(tensors, first, (at) => largest(tensors, at))
    case 'mean':
      return mean(
        tensors,
        first,
        tensors.map(() => 1),
      )
    case 'weightedMean':
      return mean(tensors, first, weights)
  }
}

type Element = number | bigint | Uint8Array

/** A tensor whose elements are those of the tensors chosen, place by place. */
function choose(tensors: readonly Tensor[], first: Tensor, pick: (at: number) => number): Tensor {
  sameDatatype(tensors, first)
  if (first.datatype === 'BYTES') {
    const data = first.data.map((own, at) => {
      const chosen = tensors[pick(at)]
      return chosen?.datatype === 'BYTES' ? (chosen.data[at] ?? own) : own
    })
    return { ...first, data }
  }
  const data = allocate(first.datatype, first.data.length)
  for (let at = 0; at < data.length; at += 1) {
    const value = elementOf(tensors[pick(at)] ?? first, at)
    if (!(value instanceof Uint8Array)) data[at] = value
  }
  return { ...first, data } as Tensor // the array is the one of this datatype
}

function elementOf({ data }: Tensor, at: number): Element {
  return data[at] ?? 0
}

/** The tensor with the most frequent value; of equally frequent ones the heavier, then the earlier. */
function winner(tensors: readonly Tensor[], weights: readonly number[], at: number): number {
  const votes = new Map<string, { readonly index: number; count: number; weight: number }>()
  tensors.forEach((tensor, index) => {
    const value = elementOf(tensor, at)
    const key = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value)
    const own = votes.get(key) ?? { index, count: 0, weight: 0 }
    own.count += 1
    own.weight += weights[index] ?? 1
    votes.set(key, own)
  })
  let best: { readonly index: number; readonly count: number; readonly weight: number } | undefined
  for (const own of votes.values()) {
    const isBetter =
      best === undefined || own.count > best.count || (own.count === best.count && own.weight > best.weight)
    if (isBetter) best = own
  }
  return best?.index ?? 0
}

function largest(tensors: readonly Tensor[], at: number): number {
  let best = 0
  tensors.forEach((tensor, index) => {
    const value = elementOf(tensor, at)
    if (value > elementOf(tensors[best] ?? tensor, at)) best = index
  })
  return best
}

/** FP32 where all are FP32, else FP64. */
function mean(tensors: readonly Tensor[], first: Tensor, weights: readonly number[]): Tensor {
  for (const tensor of tensors) refuseBytes(tensor, 'mean')
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  if (!(total > 0))
    throw invalid(`the weights for output '${first.name}' sum to ${total}: they must sum to more than 0`)
  const datatype = tensors.every((tensor) => tensor.datatype === 'FP32') ? 'FP32' : 'FP64'
  const sums = new Float64Array(first.data.length)
  tensors.forEach(({ data }, index) => {
    const weight = weights[index] ?? 1
    for (let at = 0; at < sums.length; at += 1) sums[at] = (sums[at] ?? 0) + Number(data[at] ?? 0) * weight
  })
  const data = allocate(datatype, sums.length)
  for (let at = 0; at < sums.length; at += 1) data[at] = (sums[at] ?? 0) / total
  return { name: first.name, datatype, shape: first.shape, data } as Tensor // the array is the one of this datatype
}

function refuseBytes({ name, datatype }: Tensor, method: string): void {
  if (datatype === 'BYTES' || datatype === 'FP16' || datatype === 'BF16') {
    throw invalid(`output '${name}' is ${datatype}, of which there is no ${method}`)
  }
}

function sameDatatype(tensors: readonly Tensor[], first: Tensor): void {
  const other = tensors.find(({ datatype }) => datatype !== first.datatype)
  if (other !== undefined) {
    throw invalid(`output '${first.name}' is ${first.datatype} in one answer and ${other.datatype} in another`)
  }
}

function concat(tensors: readonly Tensor[], first: Tensor, axis: number): Tensor {
  sameDatatype(tensors, first)
  if (axis >= first.shape.length) {
    throw invalid(`output '${first.name}' of shape [${first.shape.join(',')}] has no dimension ${axis} to join`)
  }
  for (const { shape } of tensors) {
    if (shape.length === first.shape.length && shape.every((size, at) => at === axis || size === first.shape[at]))
      continue
    throw invalid(
      `output '${first.name}' has the shapes [${first.shape.join(',')}] and [${shape.join(',')}], which do not join along dimension ${axis}`,
    )
  }
  const shape = first.shape.map((size, at) =>
    at === axis ? tensors.reduce((sum, tensor) => sum + (tensor.shape[axis] ?? 0), 0) : size,
  )
  const rows = elementCount(first.shape.slice(0, axis))
  if (first.datatype === 'BYTES') return { ...first, shape, data: joinBytes(tensors, rows) }
  return { ...first, shape, data: joinFixed(tensors, rows, first.datatype, elementCount(shape)) } as Tensor // as above
}

function joinBytes(tensors: readonly Tensor[], rows: number): Uint8Array[] {
  const data: Uint8Array[] = []
  for (let row = 0; row < rows; row += 1) {
    for (const tensor of tensors) {
      if (tensor.datatype !== 'BYTES') continue
      const size = tensor.data.length / rows
      data.push(...tensor.data.slice(row * size, (row + 1) * size))
    }
  }
  return data
}

function joinFixed<D extends FixedDataType>(tensors: readonly Tensor[], rows: number, datatype: D, count: number) {
  const data = allocate(datatype, count)
  let pos = 0
  for (let row = 0; row < rows; row += 1) {
    for (const tensor of tensors) {
      const size = tensor.data.length / rows
      for (let at = row * size; at < (row + 1) * size; at += 1) {
        const value: Element = elementOf(tensor, at)
        if (!(value instanceof Uint8Array)) data[pos] = value
        pos += 1
      }
    }
  }
  return data
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
