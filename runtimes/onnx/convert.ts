/** Our tensors and onnxruntime's. */
import { isUtf8 } from 'node:buffer'
import { InferenceError, tensor } from '../../src/runtime/index.ts'
import type { DataType, Tensor } from '../../src/runtime/index.ts'
import { datatypeOf, elementTypeOf, ortTypeOf } from './datatypes.ts'
import type { NativeTensor } from './native-session.ts'

/** @throws InferenceError `invalid_argument` naming the input, for what onnxruntime would cut, change or refuse */
export function toNative(input: Tensor): NativeTensor {
  const type = ortTypeOf(input.datatype)
  if (type === undefined) {
    throw invalid(`inference input '${input.name}': onnxruntime-node takes no ${input.datatype} inputs`)
  }
  const data = input.datatype === 'BYTES' ? toStrings(input.name, input.data) : input.data
  return { type, data, dims: input.shape, location: 'cpu' }
}

/** @throws InferenceError `internal` where the output has a type without a V2 datatype */
export function fromNative(name: string, output: NativeTensor): Tensor {
  const datatype = datatypeOf(elementTypeOf(output.type))
  if (datatype === undefined) {
    throw new InferenceError('internal', `output '${name}': onnxruntime gave the unknown type '${output.type}'`)
  }
  // Copied: `dims` is a live array of onnxruntime's object.
  return tensor(name, datatype, [...output.dims], elements(datatype, output))
}

function elements(datatype: DataType, output: NativeTensor): Tensor['data'] {
  const { data } = output
  if (datatype === 'BYTES') return (data as readonly string[]).map((text) => Buffer.from(text, 'utf8')) // type 'string'
  const array = data as Exclude<typeof data, readonly string[]> // every other type
  // Node 24 and later hand FP16 over as Float16Array; ours holds the bits.
  if (datatype === 'FP16' && !(array instanceof Uint16Array)) {
    const { buffer, byteOffset, length } = array as { buffer: ArrayBuffer; byteOffset: number; length: number }
    return new Uint16Array(buffer, byteOffset, length)
  }
  return array
}

/** onnxruntime holds UTF-8 texts that end at the first NUL: everything else would come out changed. */
function toStrings(name: string, elements: readonly Uint8Array[]): string[] {
  return elements.map((element, index) => {
    if (!isUtf8(element)) {
      throw invalid(`inference input '${name}': element ${index} is not valid UTF-8, and ONNX strings are text`)
    }
    if (element.includes(0)) {
      throw invalid(
        `inference input '${name}': element ${index} contains a NUL byte, where onnxruntime would cut it off`,
      )
    }
    return Buffer.from(element.buffer, element.byteOffset, element.byteLength).toString('utf8')
  })
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
