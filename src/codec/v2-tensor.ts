/** One tensor of the V2 protocol: an entry of `inputs` or `outputs`, its data in JSON or behind it. */
import { InferenceError } from '../core/errors.ts'
import { allocate, byteLength, elementCount, tensor } from '../core/tensor.ts'
import type { DataType, Tensor } from '../core/tensor.ts'
import type { JsonReader } from './json-reader.ts'
import { ascii } from './json-string.ts'
import type { JsonWriter } from './json-writer.ts'
import type { BinaryTail } from './v2-binary.ts'
import { allowedDatatypes, readData, readDatatype, readName, readShape } from './v2-fields.ts'
import type { Label, Role } from './v2-fields.ts'
import { parametersOf, readParameters, takeSize, writeParameters } from './v2-parameters.ts'
import type { ParameterMap } from './v2-parameters.ts'

/** A tensor as far as its JSON tells. */
export interface TensorEntry {
  name: string
  datatype: DataType
  shape: readonly number[]
  parameters: ParameterMap | undefined
  /** The elements, where they came as JSON. */
  data: Tensor['data'] | undefined
}

/**
 * Reads one entry of `inputs` or `outputs`. `data` is read in passing where name, datatype and shape are known by then,
 * else once they are.
 *
 * @throws InferenceError `invalid_argument` naming the tensor
 */
export function readTensorEntry(reader: JsonReader, role: Role, index: number): TensorEntry {
  const label: Label = { role, index, name: undefined }
  let datatype: DataType | undefined
  let shape: readonly number[] | undefined
  let parameters: ParameterMap | undefined
  let data: Tensor['data'] | undefined
  let dataAt = -1
  if (reader.peek() !== ascii.openBrace) throw invalid(`'${role}s[${index}]' must be an object`)
  for (let open = reader.openObject(); open; open = reader.nextMember()) {
    switch (reader.key()) {
      case 'name':
        label.name = readName(reader, role, index)
        break
      case 'datatype':
        datatype = readDatatype(reader, label)
        data = undefined
        break
      case 'shape':
        shape = readShape(reader, label)
        data = undefined
        break
      case 'parameters':
        parameters = readParameters(reader, role === 'output')
        break
      case 'data':
        data = undefined
        dataAt = -1
        if (reader.isNull()) break
        dataAt = reader.pos
        if (label.name === undefined || datatype === undefined || shape === undefined) reader.skipValue()
        else data = readData(reader, role, label.name, datatype, shape)
        break
      default:
        reader.skipValue()
    }
  }
  const { name } = label
  if (name === undefined) throw invalid(`'${role}s[${index}]' lacks 'name'`)
  if (datatype === undefined) throw invalid(`${role} '${name}' lacks 'datatype'. ${allowedDatatypes}`)
  if (shape === undefined) throw invalid(`${role} '${name}' lacks 'shape'`)
  if (dataAt >= 0 && data === undefined) {
    const end = reader.pos
    reader.pos = dataAt
    data = readData(reader, role, name, datatype, shape)
    reader.pos = end
  }
  return { name, datatype, shape, parameters, data }
}

/**
 * The tensor of an entry, its elements from the JSON or from behind it.
 *
 * @throws InferenceError `invalid_argument` where it has both or none
 */
export function finishTensor(entry: TensorEntry, role: Role, tail: BinaryTail): Tensor {
  const { name, datatype, shape } = entry
  let { data, parameters } = entry
  if (parameters !== undefined || data === undefined) {
    const size = takeSize(parameters, 'binary_data_size')
    checkSource(entry, role, size)
    data ??=
      size !== undefined
        ? tail.take(role, name, datatype, shape, size)
        : datatype === 'BYTES'
          ? []
          : allocate(datatype, elementCount(shape))
    if (parameters?.size === 0) parameters = undefined
  }
  const made = tensor(name, datatype, shape, data as never) // `data` was read for this datatype
  return parameters === undefined ? made : { ...made, parameters: parametersOf(parameters) ?? {} }
}

/** Data comes from one place; a tensor without elements needs none. */
function checkSource(entry: TensorEntry, role: Role, size: number | undefined): void {
  const found: string[] = []
  if (entry.data !== undefined) found.push(`'data'`)
  if (size !== undefined) found.push(`'binary_data_size'`)
  if (entry.parameters?.has('shared_memory_region') === true) found.push(`'shared_memory_region'`)
  if (found.length > 1 || (found.length === 0 && elementCount(entry.shape) > 0)) {
    const what = found.length === 0 ? 'no field is set' : `set ${found.join(' ')}`
    throw invalid(
      `${role === 'input' ? 'Input' : 'Output'} must set only one of the following fields: 'data', 'binary_data_size' in ` +
        `'parameters', 'shared_memory_region' in 'parameters'. But ${what} for ${role} '${entry.name}'`,
    )
  }
  if (found[0] === `'shared_memory_region'`) {
    throw new InferenceError(
      'unimplemented',
      `${role} '${entry.name}': shared memory is not supported, send 'data' or binary data`,
    )
  }
}

/** Writes one entry of `inputs` or `outputs`; the elements of a `isBinary` one are left to be sent behind the JSON. */
export function writeTensor(writer: JsonWriter, tensor: Tensor, role: Role, isBinary: boolean): void {
  writer.raw('{"name":')
  writer.string(tensor.name)
  writer.raw(',"datatype":"')
  writer.raw(tensor.datatype)
  writer.raw('","shape":')
  writer.integers(tensor.shape)
  if (isBinary) {
    writeParameters(writer, { ...tensor.parameters, binary_data_size: byteLength(tensor) })
    writer.raw('}')
    return
  }
  writeParameters(writer, tensor.parameters)
  writer.raw(',"data":[')
  writeData(writer, tensor, role)
  writer.raw(']}')
}

/** Writes the elements, with commas between. @throws InferenceError `invalid_argument` where JSON cannot hold them */
export function writeData(writer: JsonWriter, tensor: Tensor, role: Role): void {
  if (tensor.datatype === 'FP16' || tensor.datatype === 'BF16') {
    throw invalid(
      `sending ${tensor.datatype} data via JSON is not supported. Please use the binary data format for ${role} ${tensor.name}`,
    )
  }
  if (tensor.datatype !== 'BYTES') {
    writer.elements(tensor, 0, tensor.data.length)
    return
  }
  tensor.data.forEach((element, index) => {
    if (index > 0) writer.raw(',')
    if (!writer.utf8(element)) {
      throw invalid(
        `${role} '${tensor.name}': element ${index} is not UTF-8 and cannot be sent as JSON. ` +
          `Please use the binary data format: 'binary_data': true`,
      )
    }
  })
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
