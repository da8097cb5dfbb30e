/** Classify and Regress of the V1 protocol in JSON: `examples` with their `context` in, `results` out. */
import { InferenceError } from '../core/errors.ts'
import { choosing } from '../core/named-signature.ts'
import type { Signatures } from '../core/named-signature.ts'
import { tensor } from '../core/tensor.ts'
import type { Parameters, Tensor } from '../core/tensor.ts'
import { exampleTarget, type ExampleResult, type ExampleVerb } from './classification.ts'
import { ExampleColumns, type Feature, type Features } from './features.ts'
import { readBase64 } from './json-elements.ts'
import { JsonReader } from './json-reader.ts'
import { ascii } from './json-string.ts'
import { JsonWriter } from './json-writer.ts'
import { encodeExample } from './tensorflow/example.ts'

/** The inputs that a body makes. */
export interface V1Examples {
  readonly inputs: readonly Tensor[]
  /** Number of examples. */
  readonly rows: number
  /** Which choose the signature, where it is not the model's first. */
  readonly parameters?: Parameters
}

/**
 * Reads the body of `POST /v1/models/M:classify` or `:regress`.
 *
 * @param model its signatures, of which `signature_name` chooses one; its inputs are taken from the first example where it has none
 * @throws InferenceError `invalid_argument` in TF Serving's words
 */
export function decodeV1Examples(body: Uint8Array, verb: ExampleVerb, model: Signatures): V1Examples {
  const reader = new JsonReader(body)
  if (reader.peek() !== ascii.openBrace) throw invalid(`JSON Value: ${reader.excerpt()} Is not object`)
  let context: Features = new Map()
  let signatureName = ''
  let examplesAt: number | undefined
  for (let open = reader.openObject(); open; open = reader.nextMember()) {
    const key = reader.key()
    if (key === 'signature_name') signatureName = readSignatureName(reader)
    else if (key === 'context') context = readFeatures(reader, 'context')
    else {
      if (key === 'examples') examplesAt = reader.pos // read when the context is known, wherever that stands
      reader.skipValue()
    }
  }
  reader.end()
  if (examplesAt === undefined) throw invalid("Missing 'examples' key: it must list one object of features per example")
  reader.pos = examplesAt
  const { signature, serialized } = exampleTarget(verb, model, signatureName)
  const columns =
    serialized === undefined ? new ExampleColumns(signature.inputs, context) : new ExampleStrings(serialized, context)
  readExamples(reader, columns)
  return { inputs: columns.finish(), rows: columns.rows, ...choosing(model, signature) }
}

/** Examples for an input that takes them serialized. */
class ExampleStrings {
  readonly #name: string
  readonly #context: Features
  readonly #examples: Uint8Array[] = []

  constructor(name: string, context: Features) {
    this.#name = name
    this.#context = context
  }

  get rows(): number {
    return this.#examples.length
  }

  add(example: Features): void {
    this.#examples.push(encodeExample(this.#context.size === 0 ? example : new Map([...this.#context, ...example])))
  }

  /** @throws InferenceError `invalid_argument` where there is no example, in TF Serving's words */
  finish(): readonly Tensor[] {
    if (this.rows === 0) throw invalid('Input is empty.')
    return [tensor(this.#name, 'BYTES', [this.rows], this.#examples)]
  }
}

/** Most values of one body: each is an object of ours, and two bytes of JSON make one. */
const maxValues = 4 * 1024 * 1024

function readExamples(reader: JsonReader, columns: ExampleColumns | ExampleStrings): void {
  let values = 0
  if (reader.peek() !== ascii.openBracket) throw invalid('Example list must be an array: examples')
  for (let open = reader.openArray(); open; open = reader.nextElement()) {
    const features = readFeatures(reader, `examples[${columns.rows}]`)
    for (const feature of features.values()) values += feature.values.length
    if (values > maxValues) throw invalid(`the examples hold more than ${maxValues} values`)
    columns.add(features)
  }
}

function readSignatureName(reader: JsonReader): string {
  if (reader.peek() !== ascii.quote) throw invalid(`'signature_name' key must be a string value.`)
  return reader.string()
}

function readFeatures(reader: JsonReader, where: string): Features {
  if (reader.peek() !== ascii.openBrace) {
    throw invalid(`Example must be JSON object but got: ${reader.excerpt()} at ${where}`)
  }
  const features = new Map<string, Feature>()
  for (let open = reader.openObject(); open; open = reader.nextMember()) {
    const name = reader.key()
    const feature = readFeature(reader, name)
    if (feature !== undefined) features.set(name, feature)
  }
  return features
}

/** One value or a list of them, all of the kind of the first. @returns undefined for an empty list, which has no kind */
function readFeature(reader: JsonReader, name: string): Feature | undefined {
  const isList = reader.peek() === ascii.openBracket
  if (isList && !reader.openArray()) return undefined
  const first = readValue(reader, name)
  const values = [first]
  while (isList && reader.nextElement()) {
    const value = readValue(reader, name)
    if (kindOf(value) !== kindOf(first)) throw invalid(`feature: ${name} expecting type: ${kindOf(first)}`)
    if (values.push(value) > maxValues) throw invalid(`feature: ${name} holds more than ${maxValues} values`)
  }
  // Every value is of the kind of the first.
  if (typeof first === 'bigint') return { kind: 'int64', values: values as bigint[] }
  if (typeof first === 'number') return { kind: 'float', values: values as number[] }
  return { kind: 'bytes', values: values as Uint8Array[] }
}

type Value = bigint | number | Uint8Array

function kindOf(value: Value): string {
  return typeof value === 'bigint' ? 'int64' : typeof value === 'number' ? 'float' : 'string'
}

const maxInt64 = 2n ** 63n - 1n

function readValue(reader: JsonReader, name: string): Value {
  const byte = reader.peek()
  if (byte === ascii.quote) return reader.utf8()
  const bytes = byte === ascii.openBrace ? readBase64(reader) : undefined
  if (bytes !== undefined) return bytes
  if (byte !== ascii.minus && (byte < ascii.zero || byte > ascii.nine) && !isNumberName(byte)) {
    throw invalid(
      `feature: ${name} has value ${reader.excerpt()}, expecting a number, a string, {"b64": "..."} or a list of one kind`,
    )
  }
  const text = reader.numberText()
  if (!/^-?\d+$/.test(text)) return Number(text)
  const integer = text.length > longestInteger ? maxInt64 + 1n : BigInt(text)
  if (integer > maxInt64 || integer < -maxInt64 - 1n) {
    throw invalid(`feature: ${name} has value ${text.slice(0, longestInteger)}. Only int64_t is supported`)
  }
  return integer
}

/** Digits and sign of the smallest int64: longer texts are not worth parsing. */
const longestInteger = 20

/** `NaN` or `Infinity` */
function isNumberName(byte: number): boolean {
  return byte === ascii.upperN || byte === ascii.upperI
}

/** Writes the body of an answer: `{"results": [[["label", score], …], …]}` or `{"results": [value, …]}`. */
export function encodeV1Results(result: ExampleResult): Uint8Array {
  const writer = new JsonWriter()
  writer.raw('{"results":[')
  if (result.kind === 'regress') writer.elements(floatsOf(result.values), 0, result.values.length)
  else {
    const scores = floatsOf(result.classes.flatMap((classes) => classes.map(({ score }) => score)))
    let index = 0
    for (const [row, classes] of result.classes.entries()) {
      writer.raw(row === 0 ? '[' : ',[')
      for (const [column, { label }] of classes.entries()) {
        writer.raw(column === 0 ? '[' : ',[')
        writer.string(label)
        writer.raw(',')
        writer.elements(scores, index, index + 1)
        writer.raw(']')
        index += 1
      }
      writer.raw(']')
    }
  }
  writer.raw(']}')
  return writer.finish()
}

/** TF Serving's results are float32, whatever the model computes in. */
function floatsOf(values: readonly number[]): Tensor<'FP32'> {
  return tensor('results', 'FP32', [values.length], Float32Array.from(values))
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
