/** `tensorflow.serving.Input`: examples (`tf.Example`) with features in common or without, both ways. */
import type { TensorMetadata } from '../../core/model.ts'
import { InferenceError } from '../../core/errors.ts'
import { bytesOf, elementsOf, tensor } from '../../core/tensor.ts'
import type { Tensor } from '../../core/tensor.ts'
import { ExampleColumns, type Feature, type Features } from '../features.ts'
import { ProtoReader, wire } from '../protobuf-reader.ts'
import { ProtoWriter } from '../protobuf-writer.ts'

/** Most features of one example: an attacker's byte must not become a kilobyte of ours. */
const maxFeatures = 65_536

const noFeatures: Features = new Map()

/**
 * Decodes an Input as the inputs of a model.
 *
 * @param input the message
 * @param expected inputs of the model; taken from the first example where empty
 * @throws InferenceError `invalid_argument`, in TensorFlow's words where it has any
 */
export function decodeInput(input: Uint8Array, expected: readonly TensorMetadata[]): ExampleInputs {
  const { list, hasContext } = listOf(input)
  const context = hasContext ? contextOf(list) : noFeatures
  const columns = new ExampleColumns(expected, context)
  const reader = new ProtoReader(list, 'ExampleList')
  while (reader.next()) {
    if (reader.field === 1 && reader.wireType === wire.bytes) columns.add(readExample(reader))
    else reader.skip()
  }
  return { tensors: columns.finish(), rows: columns.rows }
}

/** Most bytes that examples with features in common may become: each repeats them. */
const maxSerializedBytes = 256 * 1024 * 1024

/**
 * Decodes an Input for a model that parses examples itself: a BYTES tensor `[rows]` of serialized examples. Features in common stand
 * in front of each example's own, which replace them where they have the same name.
 *
 * @param name of the tensor
 * @throws InferenceError `invalid_argument`
 */
export function decodeSerializedInput(input: Uint8Array, name: string): ExampleInputs {
  const { list } = listOf(input)
  const examples: Uint8Array[] = []
  let context: Uint8Array = new Uint8Array(0)
  const reader = new ProtoReader(list, 'ExampleList')
  while (reader.next()) {
    if (reader.wireType !== wire.bytes || reader.field > 2) reader.skip()
    else if (reader.field === 2) context = reader.bytes()
    else {
      reader.countEntry()
      examples.push(reader.bytes())
    }
  }
  if (examples.length === 0) throw new InferenceError('invalid_argument', 'Input is empty.')
  if (context.length * examples.length > maxSerializedBytes) {
    throw new InferenceError('invalid_argument', `the context is too large for ${examples.length} examples`)
  }
  const data = context.length === 0 ? examples : examples.map((example) => Buffer.concat([context, example]))
  return { tensors: [tensor(name, 'BYTES', [data.length], data)], rows: data.length }
}

/** The inputs that examples make. */
export interface ExampleInputs {
  readonly tensors: readonly Tensor[]
  /** Number of examples. */
  readonly rows: number
}

/** The one list that an Input holds; an absent one is empty. */
function listOf(input: Uint8Array): { readonly list: Uint8Array; readonly hasContext: boolean } {
  const reader = new ProtoReader(input, 'Input')
  let list: Uint8Array = new Uint8Array(0)
  let hasContext = false
  while (reader.next()) {
    if (reader.wireType === wire.bytes && (reader.field === 1 || reader.field === 2)) {
      hasContext = reader.field === 2
      list = reader.bytes()
    } else reader.skip()
  }
  return { list, hasContext }
}

function contextOf(list: Uint8Array): Features {
  const reader = new ProtoReader(list, 'ExampleListWithContext')
  let context = noFeatures
  while (reader.next()) {
    if (reader.field === 2 && reader.wireType === wire.bytes) context = readExample(reader)
    else reader.skip()
  }
  return context
}

/** Example { Features features = 1 }, Features { map<string, Feature> feature = 1 }. */
function readExample(reader: ProtoReader): Features {
  const features = new Map<string, Feature>()
  const outer = reader.enter()
  while (reader.next()) {
    if (reader.field !== 1 || reader.wireType !== wire.bytes) {
      reader.skip()
      continue
    }
    const example = reader.enter()
    while (reader.next()) {
      if (reader.field === 1 && reader.wireType === wire.bytes) readEntry(reader, features)
      else reader.skip()
    }
    reader.leave(example)
  }
  reader.leave(outer)
  return features
}

function readEntry(reader: ProtoReader, features: Map<string, Feature>): void {
  let name = ''
  let feature: Feature | undefined
  const outer = reader.enter()
  while (reader.next()) {
    if (reader.wireType !== wire.bytes) reader.skip()
    else if (reader.field === 1) name = reader.string()
    else if (reader.field === 2) feature = readFeature(reader)
    else reader.skip()
  }
  reader.leave(outer)
  if (feature === undefined) return // a feature without a kind is an absent one
  features.set(name, feature)
  if (features.size > maxFeatures) throw reader.malformed(`an example has more than ${maxFeatures} features`)
}

function readFeature(reader: ProtoReader): Feature | undefined {
  let feature: Feature | undefined
  const outer = reader.enter()
  while (reader.next()) {
    if (reader.wireType !== wire.bytes || reader.field > 3) {
      reader.skip()
      continue
    }
    const { field } = reader
    const runs = readList(reader, field === 1 ? wire.bytes : field === 2 ? wire.fixed32 : wire.varint)
    if (field === 1) feature = { kind: 'bytes', values: runs }
    else if (field === 2) feature = { kind: 'float', values: floatsOf(joined(runs), reader) }
    else feature = { kind: 'int64', values: integersOf(joined(runs)) }
  }
  reader.leave(outer)
  return feature
}

/** The values of a BytesList, FloatList or Int64List: packed runs, or one run for each. */
function readList(reader: ProtoReader, wireType: number): readonly Uint8Array[] {
  const runs: Uint8Array[] = []
  const outer = reader.enter()
  while (reader.next()) {
    if (reader.field !== 1) reader.skip()
    else {
      if (runs.length === maxFeatures) throw reader.malformed(`a feature has more than ${maxFeatures} single values`)
      if (reader.wireType === wire.bytes) runs.push(reader.bytes())
      else {
        reader.expect(wireType)
        const start = reader.offset
        reader.skip()
        runs.push(reader.since(start))
      }
    }
  }
  reader.leave(outer)
  return runs
}

function joined(runs: readonly Uint8Array[]): Uint8Array {
  const [first] = runs
  return runs.length === 1 && first !== undefined ? first : Buffer.concat(runs)
}

function floatsOf(run: Uint8Array, reader: ProtoReader): Float32Array {
  if (run.byteLength % 4 !== 0) throw reader.malformed('a FloatList ends inside a value')
  return elementsOf('FP32', run)
}

function integersOf(run: Uint8Array): BigInt64Array {
  let count = 0
  for (const byte of run) if (byte < 0x80) count += 1
  const values = new BigInt64Array(count)
  const reader = new ProtoReader(run, 'Int64List')
  for (let index = 0; index < count; index += 1) values[index] = reader.uint64() // modulo 2^64
  return values
}

/** Encodes an Input, for a client. @param context with it the examples go as ExampleListWithContext */
export function encodeInput(examples: readonly Features[], context?: Features): Uint8Array {
  const writer = new ProtoWriter(256)
  if (context !== undefined) writeExample(writer, 2, context)
  for (const example of examples.toReversed()) writeExample(writer, 1, example)
  writer.embed(context === undefined ? 1 : 2, 0)
  return writer.finish()
}

/** Encodes one Example. */
export function encodeExample(example: Features): Uint8Array {
  const writer = new ProtoWriter(64)
  writeFeatures(writer, example)
  return writer.finish()
}

function writeExample(writer: ProtoWriter, field: number, example: Features): void {
  const start = writer.length
  writeFeatures(writer, example)
  writer.embed(field, start)
}

/** As the message Features, field 1 of an Example. */
function writeFeatures(writer: ProtoWriter, example: Features): void {
  const start = writer.length
  for (const [name, feature] of [...example].reverse()) {
    const entry = writer.length
    writeFeature(writer, feature)
    writer.embed(2, entry)
    writer.string(1, name)
    writer.embed(1, entry)
  }
  writer.embed(1, start)
}

function writeFeature(writer: ProtoWriter, { kind, values }: Feature): void {
  const start = writer.length
  if (kind === 'bytes') for (const value of values.toReversed()) writer.bytes(1, value)
  else if (kind === 'float') writer.bytes(1, bytesOf(Float32Array.from(values)))
  else {
    for (let index = values.length - 1; index >= 0; index -= 1) writer.int64(values[index] ?? 0n)
    writer.embed(1, start)
  }
  writer.embed(kind === 'bytes' ? 1 : kind === 'float' ? 2 : 3, start)
}
