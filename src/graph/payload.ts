/**
 * What travels between steps: bytes from a socket or tensors from a model, each turned into the other only where somebody
 * asks for it, and once.
 */
import type { InferenceRequest, InferenceResponse, ModelRef } from '../core/inference.ts'
import type { TensorMetadata } from '../core/model.ts'
import type { Signatures } from '../core/named-signature.ts'
import type { Tensor } from '../core/tensor.ts'
import {
  decodeV1Request,
  decodeV1Response,
  decodeV2Request,
  decodeV2Response,
  encodeV1Request,
  encodeV1Response,
  encodeV2Request,
  encodeV2Response,
} from '../codec/index.ts'
import type { EncodedBody, OutputEncoding } from '../codec/index.ts'
import { isValidJson } from './gjson.ts'

/** How tensors stand in a body: KServe's and TensorFlow Serving's rows or columns, or the Open Inference Protocol. */
export type WireFormat = 'v1-row' | 'v1-columnar' | 'v2'

/** A request in tensors for one model, and how its answer is to be encoded. */
export interface TensorCall {
  readonly request: InferenceRequest
  readonly format: WireFormat
  /** Of a V2 answer. */
  readonly outputs: OutputEncoding
  /** Columns came as lists of scalars, and go so. */
  readonly isFlat?: boolean
}

/** The model that a payload is read for. */
export interface PayloadTarget {
  readonly model: ModelRef
  /** Names, datatypes and shapes that the model takes. */
  readonly inputs: readonly TensorMetadata[]
  /** Its signatures, where it has several to choose from. */
  readonly signatures?: Signatures
}

type Content =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array; readonly headerLength?: number }
  | {
      readonly kind: 'request'
      readonly request: InferenceRequest
      readonly format: WireFormat
      /** Made of an answer: datatypes are those of another model, and a single tensor goes to whatever one input there is. */
      readonly isMapped: boolean
    }
  | {
      readonly kind: 'response'
      readonly response: InferenceResponse
      readonly format: WireFormat
      readonly outputs: OutputEncoding
    }

interface Encoded {
  readonly bytes: Uint8Array
  readonly headerLength?: number
}

const plainJson: OutputEncoding = { isBinary: false }
const allBinary: OutputEncoding = { isBinary: true }

export class Payload {
  readonly #content: Content
  #encoded: Encoded | undefined
  #text: string | undefined
  #isJson: boolean | undefined
  #response: InferenceResponse | undefined

  private constructor(content: Content) {
    this.#content = content
    if (content.kind === 'bytes') this.#encoded = content
  }

  /** @param headerLength bytes of the JSON part, where raw tensors stand behind it */
  static ofBytes(bytes: Uint8Array, headerLength?: number): Payload {
    return new Payload({ kind: 'bytes', bytes, ...(headerLength === undefined ? {} : { headerLength }) })
  }

  static ofText(text: string): Payload {
    const payload = Payload.ofBytes(Buffer.from(text, 'utf8'))
    payload.#text = text
    return payload
  }

  /** @param isMapped made of an answer: names and datatypes may have to be fitted to the model */
  static ofRequest(request: InferenceRequest, format: WireFormat, isMapped = false): Payload {
    return new Payload({ kind: 'request', request, format, isMapped })
  }

  /** @param outputs how a V2 answer is encoded where bytes are asked for; JSON where absent */
  static ofResponse(response: InferenceResponse, format: WireFormat, outputs: OutputEncoding = plainJson): Payload {
    return new Payload({ kind: 'response', response, format, outputs })
  }

  /** True where tensors are at hand and bytes are not. */
  get isTensors(): boolean {
    return this.#content.kind !== 'bytes'
  }

  /**
   * The body as it goes over a wire.
   *
   * @throws InferenceError `invalid_argument` where V1 cannot carry a tensor: FP16, BF16, no rows
   */
  asBytes(): Uint8Array {
    return this.#encode().bytes
  }

  /** Bytes of the JSON part; undefined where the whole body is JSON, or none of it. */
  get headerLength(): number | undefined {
    return this.#encode().headerLength
  }

  /** The JSON part as text, whether it is JSON or not. @throws InferenceError as {@link asBytes} does */
  asText(): string {
    if (this.#text === undefined) {
      const { bytes, headerLength } = this.#encode()
      this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, headerLength ?? bytes.byteLength).toString('utf8')
    }
    return this.#text
  }

  /** True where {@link asText} is JSON. */
  get isJson(): boolean {
    return (this.#isJson ??= isValidJson(this.asText()))
  }

  /**
   * The payload as a request for a model. Tensors are passed on as they are, mapped ones where datatypes and shapes fit; bytes
   * are decoded, and so is an answer that is passed on without a mapping: it is as good a request as its bytes are.
   *
   * @param protocol what bytes are read as
   * @throws InferenceError `invalid_argument` as the codec of that protocol does
   */
  asTensors(protocol: 'v1' | 'v2', target: PayloadTarget): TensorCall {
    const content = this.#content
    if (content.kind === 'request') {
      const request = content.isMapped ? fit(content.request, target) : { ...content.request, model: target.model }
      return { request, format: content.format, outputs: plainJson }
    }
    if (protocol === 'v2') {
      const { bytes, headerLength } = this.#encode()
      const { request, outputs } = decodeV2Request(bytes, headerLength, target.model)
      return { request, format: 'v2', outputs }
    }
    const { request, format, isFlat } = decodeV1Request(this.asBytes(), target.model, target.inputs, target.signatures)
    return {
      request,
      format: format === 'row' ? 'v1-row' : 'v1-columnar',
      outputs: plainJson,
      ...(isFlat === true ? { isFlat } : {}),
    }
  }

  /** How the tensors of an answer stand in it; undefined where the payload is no answer of any known protocol. */
  get responseFormat(): WireFormat | undefined {
    if (this.#content.kind === 'response') return this.#content.format
    if (this.#content.kind === 'request' || !this.isJson) return undefined
    return formatOf(JSON.parse(this.asText()))
  }

  /**
   * The tensors of an answer.
   *
   * @throws InferenceError `invalid_argument` where the payload is no answer
   */
  asResponse(): InferenceResponse {
    if (this.#content.kind === 'response') return this.#content.response
    if (this.#response === undefined) {
      const { bytes, headerLength } = this.#encode()
      this.#response =
        this.responseFormat === 'v2'
          ? decodeV2Response(bytes, headerLength)
          : decodeV1Response(bytes, { name: '', version: '' })
    }
    return this.#response
  }

  #encode(): Encoded {
    return (this.#encoded ??= encode(this.#content))
  }
}

/** V2 names the datatype of each output. */
function formatOf(answer: unknown): WireFormat | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined
  if ('predictions' in answer) return 'v1-row'
  if (!('outputs' in answer)) return undefined
  const first: unknown = Array.isArray(answer.outputs) ? answer.outputs[0] : undefined
  return typeof first === 'object' && first !== null && 'datatype' in first ? 'v2' : 'v1-columnar'
}

function encode(content: Content): Encoded {
  switch (content.kind) {
    case 'bytes':
      return content
    case 'request': {
      const { request, format } = content
      if (format !== 'v2') return { bytes: encodeV1Request(request, format === 'v1-row' ? 'row' : 'columnar') }
      return joined(encodeV2Request(request, { binary: request.inputs.some(needsBinary) }))
    }
    case 'response': {
      const { response, format, outputs } = content
      if (format !== 'v2') return { bytes: encodeV1Response(response, format === 'v1-row' ? 'row' : 'columnar') }
      return joined(encodeV2Response(response, response.outputs.some(needsBinary) ? allBinary : outputs))
    }
  }
}

/** JSON has no half floats. */
function needsBinary({ datatype }: Tensor): boolean {
  return datatype === 'FP16' || datatype === 'BF16'
}

function joined({ body, headerLength }: EncodedBody): Encoded {
  const bytes = body instanceof Uint8Array ? body : Buffer.concat(body)
  return headerLength === undefined ? { bytes } : { bytes, headerLength }
}

/** A request made of an answer, for another model: data is read anew, as V1 does, where datatypes or ranks differ. */
function fit(request: InferenceRequest, { model, inputs: expected }: PayloadTarget): InferenceRequest {
  const [first] = request.inputs
  let { inputs } = request
  const required = expected.filter(({ isOptional }) => isOptional !== true)
  const only = required.length === 1 ? required[0] : expected.length === 1 ? expected[0] : undefined
  if (first !== undefined && inputs.length === 1 && only !== undefined && only.name !== first.name) {
    inputs = [{ ...first, name: only.name }]
  }
  if (inputs.every((input) => isWelcome(input, expected))) return { ...request, model, inputs }
  const body = encodeV1Request({ model, inputs }, 'columnar')
  return { ...request, model, inputs: decodeV1Request(body, model, expected).request.inputs }
}

function isWelcome(input: Tensor, expected: readonly TensorMetadata[]): boolean {
  const metadata = expected.find(({ name }) => name === input.name)
  if (metadata === undefined) return true // the check against the signature tells what is wrong
  if (metadata.datatype !== input.datatype) return false
  return metadata.isAnyRank === true || metadata.shape.length === input.shape.length
}
