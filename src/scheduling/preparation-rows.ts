/** Rows of tensors: stacked to a batch, and compared with what the same rows gave alone. */
import { allocate, bytesOf, elementCount, tensor, type DataType, type Tensor } from '../core/tensor.ts'

/** Kernels sum in another order for another number of rows: differences up to this share of a value are none. */
const relativeTolerance = 1e-4
/** Small values next to large ones carry the error of the large ones: this share of the largest is none. */
const scaleTolerance = 1e-5
/** Half precision has 11 bits, and BF16 8, where single has 24. */
const coarseness: Partial<Record<DataType, number>> = { FP16: 100, BF16: 300 }

/**
 * Joins requests of equal form, whatever their rows.
 *
 * @param requests per request its inputs, all of the same names, datatypes and `rest` of `[rows, ...rest]`
 * @returns one tensor per input, `[Σ rows, ...rest]`
 */
export function stack(requests: readonly (readonly Tensor[])[]): readonly Tensor[] {
  const [first = []] = requests
  return first.map((input, index) =>
    join(
      requests.flatMap((inputs) => inputs[index] ?? []),
      input,
    ),
  )
}

function join(parts: readonly Tensor[], { name, datatype, shape }: Tensor): Tensor {
  const rows = parts.reduce((sum, part) => sum + (part.shape[0] ?? 1), 0)
  const joinedShape = [rows, ...shape.slice(1)]
  if (datatype === 'BYTES') {
    const data = parts.flatMap((part) => (part.datatype === 'BYTES' ? part.data : []))
    return tensor(name, datatype, joinedShape, data)
  }
  const data = allocate(datatype, elementCount(joinedShape))
  const bytes = bytesOf(data)
  let offset = 0
  for (const part of parts) {
    if (part.datatype === 'BYTES') continue // all parts have the datatype of the first
    bytes.set(bytesOf(part.data), offset)
    offset += part.data.byteLength
  }
  return tensor(name, datatype, joinedShape, data)
}

/** One row of every input, or undefined where one has fewer. */
export function rowOf(inputs: readonly Tensor[], row: number): readonly Tensor[] | undefined {
  const rows: Tensor[] = []
  for (const input of inputs) {
    const [count = 0, ...rest] = input.shape
    if (row >= count) return undefined
    const length = elementCount(rest)
    const data = input.data.slice(row * length, (row + 1) * length)
    rows.push({ ...input, shape: [1, ...rest], data } as Tensor) // a part of the same array
  }
  return rows
}

/** True where both have the same names, datatypes and shapes. */
export function haveEqualForm(left: readonly Tensor[], right: readonly Tensor[]): boolean {
  return (
    left.length === right.length &&
    left.every((input, index) => {
      const other = right[index]
      return (
        other !== undefined &&
        input.name === other.name &&
        input.datatype === other.datatype &&
        input.shape.join() === other.shape.join()
      )
    })
  )
}

/**
 * How the outputs of a batch differ from those of its rows alone.
 *
 * @param singles per row of the batch the outputs of a run with that row alone
 * @returns undefined where they are equal but for what floating point may differ, else what differs
 */
export function differenceOf(outputs: readonly Tensor[], singles: readonly (readonly Tensor[])[]): string | undefined {
  for (const output of outputs) {
    const [rows, ...rest] = output.shape
    if (rows !== singles.length) {
      return `output '${output.name}' of ${singles.length} rows has the shape [${output.shape.join(',')}]`
    }
    const length = elementCount(rest)
    for (const [row, single] of singles.entries()) {
      const alone = single.find(({ name }) => name === output.name)
      if (alone === undefined || alone.datatype !== output.datatype)
        return `output '${output.name}' is not always given`
      if (alone.shape.join() !== [1, ...rest].join()) {
        return `output '${output.name}' has the shape [${alone.shape.join(',')}] for one row and [${output.shape.join(',')}] for ${rows}`
      }
      if (!areEqual(output, row * length, alone)) {
        return `output '${output.name}' of a row is another one when other rows are in the same run`
      }
    }
  }
  return undefined
}

/** True where all outputs of two runs of one row are equal, within what floating point may differ. */
export function areAlike(left: readonly Tensor[], right: readonly Tensor[]): boolean {
  return differenceOf(left, [right]) === undefined
}

/** True where the elements of `output` from `start` on are those of `alone`. */
function areEqual(output: Tensor, start: number, alone: Tensor): boolean {
  if (output.datatype === 'BYTES') {
    if (alone.datatype !== 'BYTES') return false
    return alone.data.every((element, index) => Buffer.compare(element, output.data[start + index] ?? element) === 0)
  }
  const valueOf = readerOf(output)
  if (valueOf === undefined) {
    for (let index = 0; index < alone.data.length; index += 1) {
      if (output.data[start + index] !== alone.data[index]) return false
    }
    return true
  }
  const expected = readerOf(alone)
  const tolerance = coarseness[output.datatype] ?? 1
  let largest = 0
  for (let index = 0; index < alone.data.length; index += 1) {
    const size = Math.abs(expected?.(index) ?? 0)
    if (size > largest && size !== Infinity) largest = size
  }
  for (let index = 0; index < alone.data.length; index += 1) {
    const is = valueOf(start + index)
    const was = expected?.(index) ?? NaN
    if (Object.is(is, was) || is === was) continue
    const allowed = tolerance * (relativeTolerance * Math.abs(was) + scaleTolerance * largest)
    if (!(Math.abs(is - was) <= allowed)) return false
  }
  return true
}

/** @returns the floating-point values of a tensor by index; undefined for other datatypes */
function readerOf(source: Tensor): ((index: number) => number) | undefined {
  const { datatype, data } = source
  if (datatype === 'FP32' || datatype === 'FP64') return (index) => data[index] ?? NaN
  if (datatype === 'FP16') return (index) => halfValue(data[index] ?? 0)
  if (datatype === 'BF16') return (index) => brainValue(data[index] ?? 0)
  return undefined
}

function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15))
}

const word = new Uint32Array(1)
const float = new Float32Array(word.buffer)

function brainValue(bits: number): number {
  word[0] = bits << 16
  return float[0] ?? 0
}
