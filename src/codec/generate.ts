/** Bodies of Triton's generate extension: flat JSON objects, a member for each tensor and parameter. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse, ModelRef } from '../core/inference.ts'
import type { TensorMetadata } from '../core/model.ts'
import { elementCount, tensor, type Tensor } from '../core/tensor.ts'
import { ArrayReader, type ArrayComplaints } from './json-array.ts'
import { rangeOf, type JsonDataType } from './json-elements.ts'
import { JsonReader } from './json-reader.ts'
import { ascii } from './json-string.ts'
import { JsonWriter } from './json-writer.ts'
import { checkReservedParameters } from './reserved-parameters.ts'
import { openAnswer } from './v2-head.ts'
import { readParameter, writeMembers, type ParameterMap } from './v2-parameters.ts'
import { writeData } from './v2-tensor.ts'

interface Parts {
  id: string | undefined
  readonly tensors: Map<string, Tensor>
  readonly parameters: ParameterMap
}

/**
 * Reads the body of `POST /v2/models/M/generate`. A member with the name of an input becomes that tensor, `id` the id,
 * anything else a parameter; the members of `parameters` follow the same rule.
 *
 * @param inputs of the model. Of their free dimensions the innermost takes what the fixed ones leave, the others are 1
 * @throws InferenceError `invalid_argument` naming the member
 */
export function decodeGenerateRequest(
  body: Uint8Array,
  model: ModelRef,
  inputs: readonly TensorMetadata[],
): InferenceRequest {
  const reader = new JsonReader(body)
  if (reader.peek() !== ascii.openBrace) throw invalid('the body must be a JSON object')
  const parts: Parts = { id: undefined, tensors: new Map(), parameters: new Map() }
  readMembers(reader, inputs, parts, true)
  reader.end()
  checkReservedParameters(parts.parameters)
  return {
    ...(parts.id === undefined ? {} : { id: parts.id }),
    model,
    inputs: [...parts.tensors.values()],
    ...(parts.parameters.size === 0 ? {} : { parameters: Object.fromEntries(parts.parameters) }),
  }
}

/** True for the body of an inference, which MLServer's clients send here: its `inputs` are a list of tensors. */
export function isInferenceBody(body: Uint8Array, inputs: readonly TensorMetadata[]): boolean {
  if (inputs.some(({ name }) => name === 'inputs')) return false
  const reader = new JsonReader(body)
  if (reader.peek() !== ascii.openBrace) return false
  for (let open = reader.openObject(); open; open = reader.nextMember()) {
    if (reader.key() === 'inputs') return reader.peek() === ascii.openBracket
    reader.skipValue()
  }
  return false
}

/** Writes one response: `id`, the model, the parameters, and each output by its name, a single element bare. */
export function encodeGenerateResponse(response: InferenceResponse): Uint8Array {
  const writer = new JsonWriter()
  openAnswer(writer, response)
  if (response.parameters !== undefined && Object.keys(response.parameters).length > 0) {
    writer.raw(',')
    writeMembers(writer, response.parameters)
  }
  for (const output of response.outputs) {
    const isBare = elementCount(output.shape) === 1
    writer.raw(',')
    writer.string(output.name)
    writer.raw(isBare ? ':' : ':[')
    writeData(writer, output, 'output')
    if (!isBare) writer.raw(']')
  }
  writer.raw('}')
  return writer.finish()
}

function readMembers(reader: JsonReader, inputs: readonly TensorMetadata[], parts: Parts, isOutermost: boolean): void {
  for (let open = reader.openObject(); open; open = reader.nextMember()) {
    const key = reader.key()
    const input = inputs.find(({ name }) => name === key)
    if (input !== undefined) {
      if (parts.tensors.has(key)) throw invalid(`input '${key}' already exists in request`)
      parts.tensors.set(key, readFlatTensor(reader, input))
    } else if (isOutermost && key === 'id') {
      if (reader.peek() !== ascii.quote) throw invalid(`'id' must be a string, got ${reader.excerpt()}`)
      parts.id = reader.string() || undefined
    } else if (isOutermost && key === 'parameters' && reader.peek() === ascii.openBrace) {
      readMembers(reader, inputs, parts, false)
    } else parts.parameters.set(key, readParameter(reader, key))
  }
}

/** Reads a list, nested or flat, or a single element bare; the elements fill the free dimensions of the shape. */
export function readFlatTensor(reader: JsonReader, { name, datatype, shape, isAnyRank }: TensorMetadata): Tensor {
  if (datatype === 'FP16' || datatype === 'BF16') {
    throw invalid(
      `receiving ${datatype} data via JSON is not supported. Please use the binary data format for input ${name}`,
    )
  }
  const array = new ArrayReader(reader, datatype, complaintsOf(name, datatype), undefined)
  array.read(0)
  const count = array.length
  const data = array.finish()
  const filled = isAnyRank === true ? [count] : filledShape(name, shape, count)
  return tensor(name, datatype, filled, data as never) // read for this datatype
}

function filledShape(name: string, declared: readonly number[], count: number): readonly number[] {
  const fixed = declared.reduce((product, dimension) => (dimension === -1 ? product : product * dimension), 1)
  const innermost = declared.lastIndexOf(-1)
  const rest = fixed === 0 ? 0 : count / fixed
  if (!Number.isInteger(rest) || (innermost === -1 && count !== fixed)) {
    throw invalid(`input '${name}': ${count} elements do not fill the shape [${declared.join(',')}]`)
  }
  return declared.map((dimension, axis) => (axis === innermost ? rest : dimension === -1 ? 1 : dimension))
}

function complaintsOf(name: string, datatype: JsonDataType): ArrayComplaints {
  const uneven = (): InferenceError => invalid(`input '${name}': its lists are not all of one length and depth`)
  return {
    element: (reader, index) =>
      invalid(`input '${name}': element ${index} is ${reader.excerpt()}, but ${datatype} takes ${rangeOf(datatype)}`),
    size: uneven,
    shape: uneven,
    tooDeep: (deepest) => invalid(`input '${name}' is nested more than ${deepest} levels deep`),
    tooMany: uneven,
  }
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
