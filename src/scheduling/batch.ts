/** Requests into one run and its outputs back: joined and split along the first dimension. */
import { InferenceError } from '../core/errors.ts'
import type { Batch } from '../core/model.ts'
import type { DataType, FixedDataType, Tensor, TensorData } from '../core/tensor.ts'
import { allocate, tensor } from '../core/tensor.ts'

/**
 * Joins requests along the first dimension.
 *
 * @param batches at least one; names, datatypes, shapes behind the first dimension, outputs and parameters are those of the
 *   first, in its order: the caller has checked
 * @param rows sum of the first dimensions
 * @returns per input one tensor `[rows, ...rest]` that owns its buffer
 */
export function join(batches: readonly Batch[], rows: number): Batch {
  const [first] = batches
  if (first === undefined) throw new InferenceError('internal', 'a run needs at least one request')
  return { ...first, inputs: first.inputs.map((input, index) => joinInput(input, index, batches, rows)) }
}

function joinInput(first: Tensor, index: number, batches: readonly Batch[], rows: number): Tensor {
  const shape = [rows, ...first.shape.slice(1)]
  const joined =
    first.datatype === 'BYTES'
      ? tensor('', 'BYTES', shape, joinStrings(index, batches))
      : tensor<FixedDataType>('', first.datatype, shape, joinNumbers(first.datatype, shape, index, batches))
  return { ...joined, name: first.name, ...(first.parameters === undefined ? {} : { parameters: first.parameters }) }
}

function joinStrings(index: number, batches: readonly Batch[]): readonly Uint8Array[] {
  const joined: Uint8Array[] = []
  for (const { inputs } of batches) {
    const input = inputs[index]
    if (input?.datatype !== 'BYTES') throw mismatch(index, 'BYTES')
    for (const element of input.data) joined.push(element)
  }
  return joined
}

function joinNumbers(
  datatype: FixedDataType,
  shape: readonly number[],
  index: number,
  batches: readonly Batch[],
): TensorData[FixedDataType] {
  let count = 1
  for (const dimension of shape) count *= dimension
  const joined = allocate(datatype, count)
  let offset = 0
  for (const { inputs } of batches) {
    const input = inputs[index]
    if (input?.datatype !== datatype) throw mismatch(index, datatype)
    setAt(joined, input.data, offset)
    offset += input.data.length
  }
  if (offset !== count) throw new InferenceError('internal', `input ${index}: ${offset} elements joined, not ${count}`)
  return joined
}

function setAt(target: TensorData[FixedDataType], source: TensorData[DataType], offset: number): void {
  // both are the array of one fixed datatype, as checked above; which one does not matter to set()
  ;(target as Float32Array).set(source as Float32Array, offset)
}

function mismatch(index: number, datatype: DataType): InferenceError {
  return new InferenceError('internal', `input ${index} of a request is not the ${datatype} tensor of the others`)
}

/**
 * The outputs of a joined run for each of its requests: views, nothing is copied.
 *
 * @param rows of each request
 * @returns per request its outputs, `[its rows, ...rest]`
 * @throws InferenceError `internal` where an output has not as many rows as all requests together
 */
export function split(outputs: readonly Tensor[], rows: readonly number[]): readonly (readonly Tensor[])[] {
  let total = 0
  for (const count of rows) total += count
  const parts: Tensor[][] = rows.map(() => [])
  for (const output of outputs) {
    if (output.shape[0] !== total) {
      const shape = output.shape.join(',')
      throw new InferenceError(
        'internal',
        `output '${output.name}' of a run of ${total} rows has the shape [${shape}], not [${total},…]: its rows cannot be told apart`,
      )
    }
    splitOutput(output, total, rows, parts)
  }
  return parts
}

function splitOutput(output: Tensor, total: number, rows: readonly number[], parts: readonly Tensor[][]): void {
  const width = output.data.length / total
  const rest = output.shape.slice(1)
  let shape: readonly number[] = []
  let start = 0
  for (let index = 0; index < rows.length; index += 1) {
    const count = rows[index] ?? 0
    if (shape[0] !== count) shape = [count, ...rest]
    const end = start + count * width
    parts[index]?.push(viewOf(output, shape, start, end))
    start = end
  }
}

function viewOf(output: Tensor, shape: readonly number[], start: number, end: number): Tensor {
  const { name, parameters } = output
  const view =
    output.datatype === 'BYTES'
      ? tensor(name, 'BYTES', shape, output.data.slice(start, end))
      : tensor<FixedDataType>(name, output.datatype, shape, output.data.subarray(start, end))
  return parameters === undefined ? view : { ...view, parameters }
}
