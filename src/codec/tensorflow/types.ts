/** TensorFlow's datatypes: their numbers in `DataType`, their names, and ours beside them. */
import { InferenceError } from '../../core/errors.ts'
import type { DataType } from '../../core/tensor.ts'

/** Numbers of `tensorflow.DataType` (types.proto). */
const numbers: { readonly [D in DataType]: number } = {
  FP32: 1,
  FP64: 2,
  INT32: 3,
  UINT8: 4,
  INT16: 5,
  INT8: 6,
  BYTES: 7,
  INT64: 9,
  BOOL: 10,
  BF16: 14,
  UINT16: 17,
  FP16: 19,
  UINT32: 22,
  UINT64: 23,
}

const names = [
  ...['INVALID', 'FLOAT', 'DOUBLE', 'INT32', 'UINT8', 'INT16', 'INT8', 'STRING', 'COMPLEX64', 'INT64', 'BOOL'],
  ...['QINT8', 'QUINT8', 'QINT32', 'BFLOAT16', 'QINT16', 'QUINT16', 'UINT16', 'COMPLEX128', 'HALF', 'RESOURCE'],
  ...['VARIANT', 'UINT32', 'UINT64', 'FLOAT8_E5M2', 'FLOAT8_E4M3FN', 'FLOAT8_E4M3FNUZ', 'FLOAT8_E4M3B11FNUZ'],
  ...['FLOAT8_E5M2FNUZ', 'INT4', 'UINT4', 'INT2', 'UINT2'],
].map((name) => `DT_${name}`)

/** Numbers from here on mean references to the types 100 lower; no request holds them. */
const firstReference = 101

const dataTypesByNumber: readonly (DataType | undefined)[] = names.map((_name, number) => {
  for (const [datatype, own] of Object.entries(numbers)) if (own === number) return datatype as DataType // its keys
  return undefined
})

/** The number of a datatype in `tensorflow.DataType`. */
export function dtypeOf(datatype: DataType): number {
  return numbers[datatype]
}

/** `DT_FLOAT`, as TensorFlow names the datatype. */
export function dtypeName(datatype: DataType): string {
  return nameOf(numbers[datatype])
}

/**
 * The datatype of a number in `tensorflow.DataType`.
 *
 * @param label whose it is: `input 'x'`
 * @throws InferenceError `invalid_argument` that names a type that this server has not
 */
export function datatypeOf(number: number, label: string): DataType {
  const datatype = dataTypesByNumber[number]
  if (datatype !== undefined) return datatype
  throw new InferenceError(
    'invalid_argument',
    `${label}: dtype ${nameOf(number)} is not supported, expected one of ${Object.values(numbers).map(nameOf).join(', ')}`,
  )
}

function nameOf(number: number): string {
  if (number >= firstReference) {
    const base = names[number - firstReference + 1]
    if (base !== undefined) return `${base}_REF`
  }
  return names[number] ?? `${number}`
}
