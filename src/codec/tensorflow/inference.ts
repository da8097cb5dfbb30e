/** Classify, Regress and MultiInference of TF Serving: requests in, results out. */
import { ProtoReader, wire } from '../protobuf-reader.ts'
import { ProtoWriter } from '../protobuf-writer.ts'
import type { ExampleResult } from '../classification.ts'
import { readModelSpec, writeModelSpec, type ModelSpec } from './model-spec.ts'
import { missingModelSpec } from './predict.ts'

/** ClassificationRequest or RegressionRequest: their fields are the same. */
export interface ExampleCall {
  readonly spec: ModelSpec
  /** The Input, not yet decoded: that takes the inputs of the model. */
  readonly input: Uint8Array
}

/** One InferenceTask. */
export interface InferenceTask {
  readonly spec: ModelSpec
  /** `tensorflow/serving/classify` or `tensorflow/serving/regress`. */
  readonly methodName: string
}

export interface MultiInferenceCall {
  readonly tasks: readonly InferenceTask[]
  readonly input: Uint8Array
}

/** @throws InferenceError `invalid_argument` */
export function decodeExampleRequest(bytes: Uint8Array, message: string): ExampleCall {
  const reader = new ProtoReader(bytes, message)
  let spec: ModelSpec | undefined
  let input: Uint8Array = new Uint8Array(0)
  while (reader.next()) {
    if (reader.field === 1) spec = readModelSpec(reader)
    else if (reader.field === 2 && reader.wireType === wire.bytes) input = reader.bytes()
    else reader.skip()
  }
  if (spec === undefined) throw missingModelSpec()
  return { spec, input }
}

/** @throws InferenceError `invalid_argument` */
export function decodeMultiInferenceRequest(bytes: Uint8Array): MultiInferenceCall {
  const reader = new ProtoReader(bytes, 'MultiInferenceRequest')
  const tasks: InferenceTask[] = []
  let input: Uint8Array = new Uint8Array(0)
  while (reader.next()) {
    if (reader.field === 1) tasks.push(readTask(reader))
    else if (reader.field === 2 && reader.wireType === wire.bytes) input = reader.bytes()
    else reader.skip()
  }
  return { tasks, input }
}

function readTask(reader: ProtoReader): InferenceTask {
  let spec: ModelSpec = { name: '', signatureName: '' }
  let methodName = ''
  reader.expect(wire.bytes)
  reader.countEntry()
  const outer = reader.enter()
  while (reader.next()) {
    if (reader.field === 1) spec = readModelSpec(reader)
    else if (reader.field === 2 && reader.wireType === wire.bytes) methodName = reader.string()
    else reader.skip()
  }
  reader.leave(outer)
  return { spec, methodName }
}

/** ClassificationResponse or RegressionResponse. */
export function encodeExampleResponse(result: ExampleResult, spec: ModelSpec): Uint8Array {
  const writer = new ProtoWriter(256)
  writeModelSpec(writer, 2, spec)
  writeResult(writer, 1, result)
  return writer.finish()
}

/** MultiInferenceResponse. */
export function encodeMultiInferenceResponse(
  results: readonly { readonly spec: ModelSpec; readonly result: ExampleResult }[],
): Uint8Array {
  const writer = new ProtoWriter(256)
  for (const { spec, result } of results.toReversed()) {
    const start = writer.length
    writeResult(writer, result.kind === 'classify' ? 2 : 3, result)
    writeModelSpec(writer, 1, spec)
    writer.embed(1, start)
  }
  return writer.finish()
}

function writeResult(writer: ProtoWriter, field: number, result: ExampleResult): void {
  const start = writer.length
  if (result.kind === 'classify') {
    for (const classes of result.classes.toReversed()) {
      const classification = writer.length
      for (const { label, score } of classes.toReversed()) {
        const one = writer.length
        writeFloat(writer, 2, score)
        writer.optionalString(1, label)
        writer.embed(1, one)
      }
      writer.embed(1, classification)
    }
  } else {
    for (const value of result.values.toReversed()) {
      const regression = writer.length
      writeFloat(writer, 1, value)
      writer.embed(1, regression)
    }
  }
  writer.embed(field, start)
}

const floats = new Float32Array(1)
const bits = new Uint32Array(floats.buffer)

function writeFloat(writer: ProtoWriter, field: number, value: number): void {
  floats[0] = value
  const word = bits[0] ?? 0
  if (word === 0) return // proto3's default
  writer.fixed32(word)
  writer.tag(field, wire.fixed32)
}
