/** The caller's side of Triton's generate extension: requests out, responses in. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse } from '../core/inference.ts'
import type { TensorMetadata } from '../core/model.ts'
import { elementCount, tensor, type Tensor } from '../core/tensor.ts'
import { readFlatTensor } from './generate.ts'
import { JsonReader } from './json-reader.ts'
import { ascii } from './json-string.ts'
import { JsonWriter } from './json-writer.ts'
import { isScalar, readParameter, writeMembers, type ParameterMap } from './v2-parameters.ts'
import { writeData } from './v2-tensor.ts'

/**
 * Writes the body of `POST /v2/models/M/generate`: each input by its name, a single element bare.
 *
 * @throws InferenceError `invalid_argument` for half precision and for bytes that are no text
 */
export function encodeGenerateRequest({ id, inputs, parameters }: InferenceRequest): Uint8Array {
  const writer = new JsonWriter()
  let separator = '{'
  const member = (name: string): void => {
    writer.raw(separator)
    writer.string(name)
    writer.raw(':')
    separator = ','
  }
  if (id !== undefined && id !== '') {
    member('id')
    writer.string(id)
  }
  for (const input of inputs) {
    member(input.name)
    const isBare = elementCount(input.shape) === 1
    if (!isBare) writer.raw('[')
    writeData(writer, input, 'input')
    if (!isBare) writer.raw(']')
  }
  if (parameters !== undefined && Object.keys(parameters).length > 0) {
    writer.raw(separator)
    writeMembers(writer, parameters)
    separator = ','
  }
  writer.raw(separator === '{' ? '{}' : '}')
  return writer.finish()
}

/**
 * Reads one response.
 *
 * @param outputs of the model. Members of other names are parameters; where nothing is known of the model, a text is an
 *   output and the rest are parameters
 * @throws InferenceError `invalid_argument` where the bytes are no such response; `internal` with the text of an `error`
 */
export function decodeGenerateResponse(body: Uint8Array, outputs: readonly TensorMetadata[]): InferenceResponse {
  const reader = new JsonReader(body)
  if (reader.peek() !== ascii.openBrace) throw new InferenceError('invalid_argument', 'the body must be a JSON object')
  const texts = { id: '', model_name: '', model_version: '', error: '' }
  const tensors: Tensor[] = []
  const parameters: ParameterMap = new Map()
  for (let open = reader.openObject(); open; open = reader.nextMember()) {
    const key = reader.key()
    const output = outputs.find(({ name }) => name === key)
    const isText = reader.peek() === ascii.quote
    if (output !== undefined) tensors.push(readFlatTensor(reader, output))
    else if (isText && isOneOf(texts, key)) texts[key] = reader.string()
    else if (isText && outputs.length === 0) tensors.push(tensor(key, 'BYTES', [1], [Buffer.from(reader.string())]))
    else if (isScalar(reader.peek())) parameters.set(key, readParameter(reader, key))
    else reader.skipValue()
  }
  reader.end()
  if (texts.error !== '') throw new InferenceError('internal', texts.error)
  return {
    ...(texts.id === '' ? {} : { id: texts.id }),
    model: { name: texts.model_name, version: texts.model_version },
    outputs: tensors,
    ...(parameters.size === 0 ? {} : { parameters: Object.fromEntries(parameters) }),
  }
}

function isOneOf<T extends object>(texts: T, key: PropertyKey): key is keyof T {
  return Object.hasOwn(texts, key)
}
