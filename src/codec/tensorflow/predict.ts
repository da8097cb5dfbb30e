/** `PredictRequest` and `PredictResponse` of TF Serving, both ways. */
import { InferenceError } from '../../core/errors.ts'
import { byteLength } from '../../core/tensor.ts'
import type { Tensor } from '../../core/tensor.ts'
import { ProtoReader, wire } from '../protobuf-reader.ts'
import { ProtoWriter } from '../protobuf-writer.ts'
import { readModelSpec, writeModelSpec, type ModelSpec } from './model-spec.ts'
import { readTensor, writeTensor } from './tensor.ts'
import { TensorBudget } from './values.ts'

export interface PredictCall {
  readonly spec: ModelSpec
  readonly inputs: readonly Tensor[]
  /** Names of the outputs wanted; empty: all of them. */
  readonly outputFilter: readonly string[]
}

export interface PredictAnswer {
  readonly spec: ModelSpec
  readonly outputs: readonly Tensor[]
}

/**
 * Decodes a PredictRequest. `tensor_content` becomes a view on `bytes` where its offset is aligned, else a copy.
 *
 * @throws InferenceError `invalid_argument`
 */
export function decodePredictRequest(bytes: Uint8Array): PredictCall {
  const reader = new ProtoReader(bytes, 'PredictRequest')
  const tensors = new TensorMap('input')
  const outputFilter: string[] = []
  let spec: ModelSpec | undefined
  while (reader.next()) {
    if (reader.field === 1) spec = readModelSpec(reader)
    else if (reader.field === 2) tensors.read(reader)
    else if (reader.field === 3) {
      reader.expect(wire.bytes)
      reader.countEntry()
      outputFilter.push(reader.string())
    } else reader.skip()
  }
  if (spec === undefined) throw missingModelSpec()
  return { spec, inputs: tensors.all, outputFilter }
}

/** Encodes a PredictRequest, for a client or a proxy. */
export function encodePredictRequest({ spec, inputs, outputFilter }: PredictCall): Uint8Array {
  const writer = new ProtoWriter(roughSize(inputs))
  for (const name of outputFilter.toReversed()) writer.string(3, name)
  writeTensorMap(writer, 2, inputs)
  writeModelSpec(writer, 1, spec)
  return writer.finish()
}

/** Decodes a PredictResponse, for a client or a proxy. @throws InferenceError `invalid_argument` */
export function decodePredictResponse(bytes: Uint8Array): PredictAnswer {
  const reader = new ProtoReader(bytes, 'PredictResponse')
  const tensors = new TensorMap('output')
  let spec: ModelSpec = { name: '', signatureName: '' }
  while (reader.next()) {
    if (reader.field === 1) tensors.read(reader)
    else if (reader.field === 2) spec = readModelSpec(reader)
    else reader.skip()
  }
  return { spec, outputs: tensors.all }
}

/** Encodes a PredictResponse: elements in typed fields, as TF Serving's; see `tensor.ts` for large ones. */
export function encodePredictResponse({ spec, outputs }: PredictAnswer): Uint8Array {
  const writer = new ProtoWriter(roughSize(outputs))
  writeModelSpec(writer, 2, spec)
  writeTensorMap(writer, 1, outputs)
  return writer.finish()
}

/** A `map<string, TensorProto>` under way: a name that comes twice counts as it comes last. */
class TensorMap {
  readonly #role: string
  readonly #tensors = new Map<string, Tensor>()
  readonly #budget = new TensorBudget()

  constructor(role: 'input' | 'output') {
    this.#role = role
  }

  get all(): readonly Tensor[] {
    return [...this.#tensors.values()]
  }

  /** Reads the entry that comes next. */
  read(reader: ProtoReader): void {
    reader.expect(wire.bytes)
    reader.countEntry()
    const bytes = reader.bytes()
    const name = keyOf(bytes)
    const label = `${this.#role} '${name}'`
    let value: Tensor | undefined
    const entry = new ProtoReader(bytes, label)
    while (entry.next()) {
      if (entry.field === 2) value = readTensor(entry, name, label, this.#budget)
      else entry.skip()
    }
    if (value === undefined) throw new InferenceError('invalid_argument', `${label} has no tensor`)
    this.#tensors.set(name, value)
  }
}

/** The key of a map entry, looked for first: errors name the tensor wherever its key stands. */
function keyOf(bytes: Uint8Array): string {
  const entry = new ProtoReader(bytes, 'map entry')
  while (entry.next()) {
    if (entry.field === 1 && entry.wireType === wire.bytes) return entry.string()
    entry.skip()
  }
  return ''
}

function writeTensorMap(writer: ProtoWriter, field: number, tensors: readonly Tensor[]): void {
  for (const source of tensors.toReversed()) {
    const entry = writer.length
    writeTensor(writer, source)
    writer.embed(2, entry)
    writer.string(1, source.name)
    writer.embed(field, entry)
  }
}

function roughSize(tensors: readonly Tensor[]): number {
  let size = 128
  for (const source of tensors) size += 64 + byteLength(source)
  return size
}

/** In TF Serving's words. */
export function missingModelSpec(): InferenceError {
  return new InferenceError('invalid_argument', 'Missing ModelSpec')
}
