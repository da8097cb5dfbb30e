/** Writes tensors as V1 has them: nested JSON, row by row or column by column. */
import { InferenceError } from '../core/errors.ts'
import { elementCount } from '../core/tensor.ts'
import type { Tensor } from '../core/tensor.ts'
import type { JsonWriter } from './json-writer.ts'
import { typeNames } from './v1-tensors.ts'

/**
 * One element per row: a value where there is one tensor, an object of named values where there are several.
 *
 * @throws InferenceError `invalid_argument` where a tensor is a scalar, or their first dimensions differ
 */
export function writeRows(writer: JsonWriter, tensors: readonly Tensor[]): void {
  const [first] = tensors
  const rows = first?.shape[0] ?? 0
  for (const { name, shape } of tensors) {
    const own = shape[0]
    if (own === undefined) throw invalid(`Tensor name: ${name} has no shape information`)
    if (own !== rows) throw invalid(`Tensor name: ${name} has inconsistent batch size: ${own} expecting: ${rows}`)
  }
  if (first !== undefined && tensors.length === 1) {
    writeValue(writer, first)
    return
  }
  writer.raw('[')
  for (let row = 0; row < rows; row += 1) {
    if (row > 0) writer.raw(',')
    writeNamed(writer, tensors, (tensor) => {
      const size = elementCount(tensor.shape.slice(1))
      writeNested(writer, tensor, 1, row * size, size)
    })
  }
  writer.raw(']')
}

/** A whole tensor where there is one, an object of named tensors where there are several. */
export function writeColumns(writer: JsonWriter, tensors: readonly Tensor[]): void {
  const [first] = tensors
  if (first !== undefined && tensors.length === 1) writeValue(writer, first)
  else writeNamed(writer, tensors, (tensor) => writeValue(writer, tensor))
}

function writeNamed(writer: JsonWriter, tensors: readonly Tensor[], write: (tensor: Tensor) => void): void {
  writer.raw('{')
  tensors.forEach((tensor, index) => {
    if (index > 0) writer.raw(',')
    writer.string(tensor.name)
    writer.raw(':')
    write(tensor)
  })
  writer.raw('}')
}

function writeValue(writer: JsonWriter, tensor: Tensor): void {
  writeNested(writer, tensor, 0, 0, elementCount(tensor.shape))
}

/**
 * The `size` elements from `start` on, as arrays over the dimensions from `axis` on.
 *
 * @throws InferenceError `invalid_argument` for FP16 and BF16
 */
function writeNested(writer: JsonWriter, tensor: Tensor, axis: number, start: number, size: number): void {
  const dimension = tensor.shape[axis]
  if (dimension === undefined) {
    writeElements(writer, tensor, start, start + 1)
    return
  }
  writer.raw('[')
  if (axis === tensor.shape.length - 1) writeElements(writer, tensor, start, start + dimension)
  else {
    const inner = dimension === 0 ? 0 : size / dimension
    for (let index = 0; index < dimension; index += 1) {
      if (index > 0) writer.raw(',')
      writeNested(writer, tensor, axis + 1, start + index * inner, inner)
    }
  }
  writer.raw(']')
}

function writeElements(writer: JsonWriter, tensor: Tensor, from: number, to: number): void {
  if (tensor.datatype === 'FP16' || tensor.datatype === 'BF16') {
    throw invalid(`Failed to write JSON value for tensor type: ${typeNames[tensor.datatype]}`)
  }
  if (tensor.datatype !== 'BYTES') {
    writer.elements(tensor, from, to)
    return
  }
  // Names that end in `_bytes` say so by TensorFlow Serving's convention; other bytes go as text where they are text.
  const isBinary = tensor.name.endsWith('_bytes')
  for (let index = from; index < to; index += 1) {
    const element = tensor.data[index] ?? new Uint8Array()
    if (index > from) writer.raw(',')
    if (isBinary || !writer.utf8(element)) writer.base64(element)
  }
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
