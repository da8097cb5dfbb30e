/** TensorFlow's TensorProto to and from neutral form. */
import type { DataType } from '../../src/core/tensor.ts'
import type { Message } from '../grpc/support.ts'
import type { AnsweredTensor } from '../grpc/tfserving-client.ts'
import { elementOf, octets, pack, unpack } from './bytes.ts'
import type { Element, NeutralTensor } from './neutral.ts'

/** Name of the type, and the field that holds its elements where they are not packed. */
const types: Readonly<Record<DataType, readonly [string, string]>> = {
  BOOL: ['DT_BOOL', 'bool_val'],
  UINT8: ['DT_UINT8', 'int_val'],
  UINT16: ['DT_UINT16', 'int_val'],
  UINT32: ['DT_UINT32', 'uint32_val'],
  UINT64: ['DT_UINT64', 'uint64_val'],
  INT8: ['DT_INT8', 'int_val'],
  INT16: ['DT_INT16', 'int_val'],
  INT32: ['DT_INT32', 'int_val'],
  INT64: ['DT_INT64', 'int64_val'],
  FP16: ['DT_HALF', 'half_val'],
  BF16: ['DT_BFLOAT16', 'half_val'],
  FP32: ['DT_FLOAT', 'float_val'],
  FP64: ['DT_DOUBLE', 'double_val'],
  BYTES: ['DT_STRING', 'string_val'],
}

export function tensorProto({ datatype, shape, data }: NeutralTensor): Message {
  return {
    dtype: types[datatype][0],
    tensor_shape: { dim: shape.map((size) => ({ size: String(size) })) },
    ...(datatype === 'BYTES' ? { string_val: data.map(octets) } : { tensor_content: pack({ datatype, data }) }),
  }
}

export function neutralTensor(name: string, proto: AnsweredTensor): NeutralTensor {
  const found = Object.entries(types).find(([, [dtype]]) => dtype === proto.dtype)
  if (found === undefined) throw new Error(`output '${name}' has the dtype ${proto.dtype}`)
  const datatype = found[0] as DataType // the keys of `types`
  const shape = proto.tensor_shape.dim.map(({ size }) => Number(size))
  if (proto.tensor_content.length > 0) return { name, datatype, shape, data: unpack(datatype, proto.tensor_content) }
  const values = proto[found[1][1]] as readonly unknown[] // a repeated field
  return { name, datatype, shape, data: values.map((value) => elementFrom(datatype, value)) }
}

function elementFrom(datatype: DataType, value: unknown): Element {
  if (value instanceof Uint8Array) return elementOf(value)
  if (datatype === 'INT64' || datatype === 'UINT64') return BigInt(String(value))
  return typeof value === 'boolean' ? value : Number(value)
}
