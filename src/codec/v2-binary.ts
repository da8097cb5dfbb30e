/** The binary tensor extension of V2: raw tensors behind the JSON part of a body. */
import { InferenceError } from '../core/errors.ts'
import {
  byteLength,
  bytesOf,
  decodeByteStrings,
  elementBytes,
  elementCount,
  elementsOf,
  encodeByteStrings,
} from '../core/tensor.ts'
import type { DataType, Tensor } from '../core/tensor.ts'
import type { JsonWriter } from './json-writer.ts'

/** A body ready to send. */
export interface EncodedBody {
  /** Whole, or in parts to be sent one behind the other: raw tensors are not copied. */
  readonly body: Uint8Array | readonly Uint8Array[]
  /** Bytes of the JSON part, for `Inference-Header-Content-Length`; absent where there is nothing but JSON. */
  readonly headerLength?: number
}

/**
 * The JSON part of a body, and the rest.
 *
 * @param headerLength as the header tells; undefined where it is absent
 * @param model whose tensors these are, for messages
 * @throws InferenceError `invalid_argument` where the length is no integer from 1 to the length of the body
 */
export function splitBody(
  body: Uint8Array,
  headerLength: number | undefined,
  model: string,
): { readonly json: Uint8Array; readonly tail: BinaryTail } {
  if (headerLength === undefined) return { json: body, tail: new BinaryTail(body, body.length, model) }
  if (!Number.isInteger(headerLength) || headerLength < 1 || headerLength > body.length) {
    throw invalid(`inference header size should be in range (0, ${body.length}), got: ${headerLength}`)
  }
  return { json: body.subarray(0, headerLength), tail: new BinaryTail(body, headerLength, model) }
}

/** Raw tensors, taken one by one in the order of the JSON part. */
export class BinaryTail {
  readonly #body: Uint8Array
  readonly #model: string
  #offset: number

  constructor(body: Uint8Array, offset: number, model: string) {
    this.#body = body
    this.#offset = offset
    this.#model = model
  }

  /**
   * The elements of the next tensor, a view where its place allows.
   *
   * @param role `input` or `output`
   * @param size its `binary_data_size`
   * @throws InferenceError `invalid_argument` where size, shape and body do not agree
   */
  take(role: string, name: string, datatype: DataType, shape: readonly number[], size: number): Tensor['data'] {
    const count = elementCount(shape)
    const expected = datatype === 'BYTES' ? size : count * elementBytes(datatype)
    if (size !== expected) {
      throw invalid(
        `${role} byte size mismatch for ${role} '${name}' for model '${this.#model}'. Expected ${expected}, got ${size}`,
      )
    }
    const missing = this.#offset + size - this.#body.length
    if (missing > 0) {
      throw invalid(
        `unexpected size for ${role} '${name}', expecting ${missing} additional bytes for model '${this.#model}'`,
      )
    }
    const bytes = this.#body.subarray(this.#offset, this.#offset + size)
    this.#offset += size
    if (datatype === 'BYTES') return decodeByteStrings(bytes, count, `inference ${role} '${name}'`)
    return elementsOf(datatype, bytes)
  }

  /** @throws InferenceError `invalid_argument` where bytes are left */
  end(role: string): void {
    if (this.#offset < this.#body.length) {
      throw invalid(`unexpected additional ${role} data for model '${this.#model}'`)
    }
  }
}

/** Joins what {@link JsonWriter} wrote and the tensors that travel raw, in the order of the JSON part. */
export function assemble(writer: JsonWriter, raw: readonly Tensor[]): EncodedBody {
  const json = writer.finish()
  const parts = [json]
  for (const tensor of raw) {
    if (byteLength(tensor) > 0)
      parts.push(tensor.datatype === 'BYTES' ? encodeByteStrings(tensor.data) : bytesOf(tensor.data))
  }
  return parts.length === 1 ? { body: json } : { body: parts, headerLength: json.length }
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
