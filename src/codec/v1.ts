/** Requests and responses of the V1 protocol (TensorFlow Serving, KServe) in row and columnar format. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse, ModelRef } from '../core/inference.ts'
import type { TensorMetadata } from '../core/model.ts'
import type { Tensor } from '../core/tensor.ts'
import { columnShape, flatColumn } from './column.ts'
import { JsonReader } from './json-reader.ts'
import { ascii } from './json-string.ts'
import { JsonWriter } from './json-writer.ts'
import { readColumns, readRows, requestSide, responseSide } from './v1-tensors.ts'
import type { Side } from './v1-tensors.ts'
import { writeColumns, writeRows } from './v1-write.ts'

/** `row`: `instances` and `predictions`; `columnar`: `inputs` and `outputs`. */
export type V1Format = 'row' | 'columnar'

/** A V1 request, and how its answer shall be encoded. */
export interface V1Call {
  readonly request: InferenceRequest
  readonly format: V1Format
  readonly signatureName?: string
  /** Columns came as lists of scalars, and go so. */
  readonly isFlat?: boolean
}

/** The one signature of a model, under the names that TensorFlow Serving and KServe know it by. */
const signatures = ['', 'serving_default', 'predict']

/**
 * Reads the body of `POST /v1/models/M:predict`. Shapes are as the data has them; whether the model takes them is not
 * looked at here. Scalars for an input of shape `[-1, 1]` become `[n, 1]`.
 *
 * @param inputs names and datatypes; where empty both are taken from the data, the name of a single one being `input-0`
 * @throws InferenceError `invalid_argument` in TensorFlow Serving's words; `unimplemented` for FP16 and BF16
 */
export function decodeV1Request(body: Uint8Array, model: ModelRef, inputs: readonly TensorMetadata[]): V1Call {
  const { tensors, format, signatureName, isFlat } = readBody(body, requestSide, inputs)
  if (signatureName !== undefined && !signatures.includes(signatureName)) {
    throw invalid(`Serving signature name: "${signatureName}" not found in signature def`)
  }
  const request = { model, inputs: tensors }
  return { request, format, ...(isFlat ? { isFlat } : {}), ...(signatureName === undefined ? {} : { signatureName }) }
}

/**
 * Reads the body of an answer, for a client or a proxy.
 *
 * @param model what answered
 * @param outputs names and datatypes; where empty both are taken from the data, the name of a single one being `output-0`
 * @throws InferenceError `invalid_argument`
 */
export function decodeV1Response(
  body: Uint8Array,
  model: Required<ModelRef>,
  outputs: readonly TensorMetadata[] = [],
): InferenceResponse {
  return { model, outputs: readBody(body, responseSide, outputs).tensors }
}

interface V1Body {
  readonly tensors: readonly Tensor[]
  readonly format: V1Format
  readonly signatureName: string | undefined
  readonly isFlat: boolean
}

function readBody(body: Uint8Array, side: Side, expected: readonly TensorMetadata[]): V1Body {
  const reader = new JsonReader(body)
  if (reader.peek() !== ascii.openBrace) throw invalid(`JSON Value: ${reader.excerpt()} Is not object`)
  let rows: readonly Tensor[] | undefined
  let columns: readonly Tensor[] | undefined
  let signatureName: string | undefined
  for (let open = reader.openObject(); open; open = reader.nextMember()) {
    const key = reader.key()
    if (key === side.rows) rows = readRows(reader, side, expected)
    else if (key === side.columns) columns = readColumns(reader, side, expected)
    else if (key === 'signature_name') signatureName = readSignatureName(reader)
    else reader.skipValue()
    if (rows !== undefined && columns !== undefined) {
      throw invalid(`Not formatted correctly: expecting either '${side.columns}' or '${side.rows}', got both`)
    }
  }
  reader.end()
  const tensors = rows ?? columns
  if (tensors === undefined) throw invalid(`Missing '${side.columns}' or '${side.rows}' key`)
  const columned = tensors.map((tensor) => asColumn(tensor, expected))
  const isFlat = tensors.length > 0 && columned.every((tensor, index) => tensor !== tensors[index])
  return { tensors: columned, format: rows === undefined ? 'columnar' : 'row', signatureName, isFlat }
}

function asColumn(tensor: Tensor, expected: readonly TensorMetadata[]): Tensor {
  const metadata = expected.find(({ name }) => name === tensor.name)
  const shape = metadata === undefined ? tensor.shape : columnShape(tensor.shape, metadata)
  return shape === tensor.shape ? tensor : { ...tensor, shape }
}

function readSignatureName(reader: JsonReader): string {
  if (reader.peek() !== ascii.quote) throw invalid(`'signature_name' key must be a string value.`)
  return reader.string()
}

/**
 * Writes the body of an answer: `{"predictions": …}` or `{"outputs": …}`, a single output without its name.
 *
 * @param isFlat columns go as lists of scalars
 * @throws InferenceError `invalid_argument` where an output is FP16 or BF16, or has no rows though rows are asked for
 */
export function encodeV1Response({ outputs }: InferenceResponse, format: V1Format, isFlat = false): Uint8Array {
  return encode(isFlat ? outputs.map(flatColumn) : outputs, format, responseSide)
}

/**
 * Writes the body of a request, for a client or a proxy: `{"instances": …}` or `{"inputs": …}`, a single input without
 * its name.
 *
 * @throws InferenceError `invalid_argument` as {@link encodeV1Response} does
 */
export function encodeV1Request(request: InferenceRequest, format: V1Format): Uint8Array {
  return encode(request.inputs, format, requestSide)
}

function encode(tensors: readonly Tensor[], format: V1Format, side: Side): Uint8Array {
  const writer = new JsonWriter()
  writer.raw('{"')
  writer.raw(format === 'row' ? side.rows : side.columns)
  writer.raw('":')
  if (format === 'row') writeRows(writer, tensors)
  else writeColumns(writer, tensors)
  writer.raw('}')
  return writer.finish()
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
