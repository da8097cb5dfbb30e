/** Tensors into the addon and out of it, whatever their datatype. */
import { InferenceError, bytesOf, elementCount, elementsOf, tensor } from '../../src/runtime/index.ts'
import { dtypeOf } from '../../src/codec/index.ts'
import type { DataType, FixedDataType, Tensor } from '../../src/runtime/index.ts'
import type { Binding, Result } from './native.ts'

/**
 * Types that the addon takes and gives by itself. The others travel as one of them with the same bits: TensorFlow's Bitcast
 * costs a copy of the handle, not of the data.
 */
const direct: ReadonlySet<DataType> = new Set(['FP32', 'INT32', 'INT64', 'BOOL', 'BYTES'])

const widths: { readonly [D in FixedDataType]: 1 | 2 | 4 | 8 } = {
  ...{ BOOL: 1, UINT8: 1, INT8: 1, UINT16: 2, INT16: 2, FP16: 2, BF16: 2 },
  ...{ UINT32: 4, INT32: 4, FP32: 4, UINT64: 8, INT64: 8, FP64: 8 },
}

/** @returns the addon's number of the tensor, which the caller deletes */
export function send(binding: Binding, input: Tensor): number {
  const { datatype, shape, data } = input
  if (datatype === 'BYTES') return binding.createTensor(shape, dtypeOf('BYTES'), data)
  const bytes = bytesOf(data)
  if (datatype === 'FP32' || datatype === 'INT32') return binding.createTensor(shape, dtypeOf(datatype), data)
  if (datatype === 'BOOL' || datatype === 'UINT8') return binding.createTensor(shape, dtypeOf(datatype), bytes)
  const width = widths[datatype]
  if (width === 8) {
    const id = binding.createTensor(shape, dtypeOf('INT64'), elementsOf('INT32', bytes))
    return datatype === 'INT64' ? id : replaced(binding, id, (from) => bitcast(binding, from, 'INT64', datatype))
  }
  if (width === 4) {
    const id = binding.createTensor(shape, dtypeOf('INT32'), elementsOf('INT32', bytes))
    return replaced(binding, id, (from) => bitcast(binding, from, 'INT32', datatype))
  }
  const id = binding.createTensor(width === 1 ? shape : [...shape, width], dtypeOf('UINT8'), bytes)
  return replaced(binding, id, (from) => bitcast(binding, from, 'UINT8', datatype))
}

/**
 * Takes an output, and deletes it there.
 *
 * @throws InferenceError `internal` where the model gives another datatype than its signature says
 */
export function receive(binding: Binding, name: string, datatype: DataType, { id, shape, dtype }: Result): Tensor {
  if (dtype !== dtypeOf(datatype)) {
    binding.deleteTensor(id)
    const text = `output '${name}' has TensorFlow's datatype ${dtype}, its signature says ${datatype}`
    throw new InferenceError('internal', text)
  }
  const readable = direct.has(datatype) ? id : replaced(binding, id, (from) => asReadable(binding, from, datatype))
  try {
    const data = elementCount(shape) === 0 ? [] : binding.tensorDataSync(readable)
    return tensor(name, datatype, shape, decode(datatype, data, elementCount(shape)) as never) // decoded for this datatype
  } finally {
    binding.deleteTensor(readable)
  }
}

function decode(datatype: DataType, data: unknown, count: number): Tensor['data'] {
  if (datatype === 'BYTES') {
    const items: readonly unknown[] = Array.isArray(data) ? data : []
    return items.map((item) => (item instanceof Uint8Array ? new Uint8Array(item) : Buffer.from(String(item))))
  }
  if (count === 0) return elementsOf(datatype, new Uint8Array(0))
  if (!ArrayBuffer.isView(data)) throw new InferenceError('internal', 'the addon gave no array')
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const width = widths[datatype]
  if (width >= 4 || datatype === 'BOOL') return elementsOf(datatype, bytes.slice())
  const wide = elementsOf('INT32', bytes) // each element in the low bits of 32
  const narrow = width === 1 ? Uint8Array.from(wide) : Uint16Array.from(wide)
  return elementsOf(datatype, bytesOf(narrow))
}

function asReadable(binding: Binding, id: number, datatype: DataType): number {
  if (datatype === 'FP64' || datatype === 'UINT64') return bitcast(binding, id, datatype, 'INT64')
  if (datatype === 'UINT32') return bitcast(binding, id, datatype, 'INT32')
  if (datatype === 'UINT8' || datatype === 'INT8' || datatype === 'INT16' || datatype === 'UINT16') {
    return cast(binding, id, datatype)
  }
  return replaced(binding, bitcast(binding, id, datatype, 'INT16'), (bits) => cast(binding, bits, 'INT16'))
}

function bitcast(binding: Binding, id: number, from: DataType, to: DataType): number {
  const { TF_ATTR_TYPE: type } = binding
  const attributes = [
    { name: 'T', type, value: dtypeOf(from) },
    { name: 'type', type, value: dtypeOf(to) },
  ]
  return single(binding.executeOp('Bitcast', attributes, [id], 1))
}

function cast(binding: Binding, id: number, from: DataType): number {
  const { TF_ATTR_TYPE: type } = binding
  const attributes = [
    { name: 'SrcT', type, value: dtypeOf(from) },
    { name: 'DstT', type, value: dtypeOf('INT32') },
    { name: 'Truncate', type: binding.TF_ATTR_BOOL, value: false },
  ]
  return single(binding.executeOp('Cast', attributes, [id], 1))
}

function single([result]: readonly Result[]): number {
  if (result === undefined) throw new InferenceError('internal', 'TensorFlow gave no output')
  return result.id
}

function replaced(binding: Binding, id: number, make: (id: number) => number): number {
  try {
    return make(id)
  } finally {
    binding.deleteTensor(id)
  }
}
