/** Requests and responses of the V1 protocol (TensorFlow Serving, KServe) in row and columnar format. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse, ModelRef } from '../core/inference.ts'
import type { TensorMetadata } from '../core/model.ts'
import { choosing, findSignature, signatureList, signatureParameter } from '../core/named-signature.ts'
import type { Signatures } from '../core/named-signature.ts'
import type { Signature } from '../core/signature.ts'
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

/**
 * Reads the body of `POST /v1/models/M:predict`. Shapes are as the data has them; whether the model takes them is not
 * looked at here. Scalars for an input of shape `[-1, 1]` become `[n, 1]`.
 *
 * @param inputs names and datatypes; where empty both are taken from the data, the name of a single one being `input-0`
 * @param signatures of the model: `signature_name` chooses one, whose inputs then count
 * @throws InferenceError `invalid_argument` in TensorFlow Serving's words; `unimplemented` for FP16 and BF16
 */
export function decodeV1Request(
  body: Uint8Array,
  model: ModelRef,
  inputs: readonly TensorMetadata[],
  signatures: Signatures = { inputs, outputs: [] },
): V1Call {
  const isOne = (signatures.signatures ?? []).length < 2
  const read = readBody(body, requestSide, isOne ? inputs : (name) => signatureOf(signatures, name).inputs)
  const { tensors, format, signatureName, isFlat } = read
  const chosen = signatureName === undefined ? signatures : signatureOf(signatures, signatureName)
  const request = { model, inputs: tensors, ...choosing(signatures, chosen) }
  return { request, format, ...(isFlat ? { isFlat } : {}), ...(signatureName === undefined ? {} : { signatureName }) }
}

function signatureOf(signatures: Signatures, name: string): Signature {
  const found = findSignature(signatures, name)
  if (found !== undefined) return found
  const there = signatureList(signatures)
  throw invalid(`Serving signature name: "${name}" not found in signature def${there === '' ? '' : `.${there}`}`)
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

/** The tensors of a body, or what they are by the name of the signature that the body chooses; '' where it chooses none. */
type Expected = readonly TensorMetadata[] | ((signatureName: string) => readonly TensorMetadata[])

function readBody(body: Uint8Array, side: Side, known: Expected): V1Body {
  const reader = new JsonReader(body)
  if (reader.peek() !== ascii.openBrace) throw invalid(`JSON Value: ${reader.excerpt()} Is not object`)
  let rows: readonly Tensor[] | undefined
  let columns: readonly Tensor[] | undefined
  let signatureName: string | undefined
  let isChosen = false
  let expected = typeof known === 'function' ? [] : known
  for (let open = reader.openObject(); open; open = reader.nextMember()) {
    const key = reader.key()
    if (typeof known === 'function' && (key === side.rows || key === side.columns)) {
      if (!isChosen) signatureName ??= nameAhead(reader) // once: keys may come many times
      isChosen = true
      expected = known(signatureName ?? '')
    }
    if (key === side.rows) rows = readRows(reader, side, expected)
    else if (key === side.columns) columns = readColumns(reader, side, expected)
    else if (key === signatureParameter) signatureName = readSignatureName(reader)
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

/** The signature's name where it comes after the value at the position, which stays: what that value means depends on it. */
function nameAhead(reader: JsonReader): string | undefined {
  const { bytes, pos: start } = reader
  const isAhead = bytes.includes(signatureParameter, start) || bytes.includes('\\u', start) // or written by escapes
  if (!isAhead) return undefined
  let name: string | undefined
  reader.skipValue()
  while (name === undefined && reader.nextMember()) {
    if (reader.key() === signatureParameter) name = readSignatureName(reader)
    else reader.skipValue()
  }
  reader.pos = start
  return name
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
 * its name, and the signature that the parameter `signature_name` chooses.
 *
 * @throws InferenceError `invalid_argument` as {@link encodeV1Response} does
 */
export function encodeV1Request(request: InferenceRequest, format: V1Format): Uint8Array {
  const name = request.parameters?.[signatureParameter]
  return encode(request.inputs, format, requestSide, typeof name === 'string' ? name : undefined)
}

function encode(tensors: readonly Tensor[], format: V1Format, side: Side, signatureName?: string): Uint8Array {
  const writer = new JsonWriter()
  writer.raw('{"')
  if (signatureName !== undefined) {
    writer.raw('signature_name":')
    writer.string(signatureName)
    writer.raw(',"')
  }
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
