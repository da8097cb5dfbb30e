/** ONNX's element types and the V2 datatypes. */
import type { DataType } from '../../src/runtime/index.ts'

interface ElementType {
  readonly datatype: DataType
  /** As onnxruntime-node spells it. */
  readonly name: string
}

/** By TensorProto.DataType, what onnxruntime-node takes and gives. */
const supported: ReadonlyMap<number, ElementType> = new Map([
  [1, { datatype: 'FP32', name: 'float32' }],
  [2, { datatype: 'UINT8', name: 'uint8' }],
  [3, { datatype: 'INT8', name: 'int8' }],
  [4, { datatype: 'UINT16', name: 'uint16' }],
  [5, { datatype: 'INT16', name: 'int16' }],
  [6, { datatype: 'INT32', name: 'int32' }],
  [7, { datatype: 'INT64', name: 'int64' }],
  [8, { datatype: 'BYTES', name: 'string' }],
  [9, { datatype: 'BOOL', name: 'bool' }],
  [10, { datatype: 'FP16', name: 'float16' }],
  [11, { datatype: 'FP64', name: 'float64' }],
  [12, { datatype: 'UINT32', name: 'uint32' }],
  [13, { datatype: 'UINT64', name: 'uint64' }],
])

/** Element types that ONNX knows and onnxruntime-node cannot hand over, for messages. */
const unsupportedNames: Readonly<Record<number, string>> = {
  14: 'COMPLEX64',
  15: 'COMPLEX128',
  16: 'BF16',
  17: 'FLOAT8E4M3FN',
  18: 'FLOAT8E4M3FNUZ',
  19: 'FLOAT8E5M2',
  20: 'FLOAT8E5M2FNUZ',
  21: 'UINT4',
  22: 'INT4',
  23: 'FLOAT4E2M1',
}

const byDatatype = new Map<DataType, string>([...supported.values()].map(({ datatype, name }) => [datatype, name]))
const byName = new Map([...supported].map(([number, { name }]) => [name, number]))

/** The V2 datatype of an ONNX element type, or undefined where onnxruntime-node does not take it. */
export function datatypeOf(elementType: number): DataType | undefined {
  return supported.get(elementType)?.datatype
}

/** How onnxruntime-node spells a datatype; undefined for BF16. */
export function ortTypeOf(datatype: DataType): string | undefined {
  return byDatatype.get(datatype)
}

/** ONNX's number for onnxruntime-node's spelling; 0 where unknown. */
export function elementTypeOf(ortType: string): number {
  return byName.get(ortType) ?? 0
}

/** An element type in words. */
export function elementTypeName(elementType: number): string {
  return datatypeOf(elementType) ?? unsupportedNames[elementType] ?? `element type ${elementType}`
}
