/** What can be said of an ONNX file without onnxruntime. */
import type { GraphValue, OnnxFile } from './model-file.ts'
import { readModelFile } from './model-file.ts'
import type { NativeValue } from './native-session.ts'
import type { OnnxSignature } from './signature.ts'
import { readSignature } from './signature.ts'

/** {@link OnnxFile} and its signature; `metadata` are the properties that the exporter wrote. */
export interface OnnxInspection extends Omit<OnnxFile, 'inputs' | 'outputs' | 'initializers'>, OnnxSignature {
  /** File and external files. */
  readonly weightBytes: number
}

/**
 * Reads a model file without its weights and without running it.
 * @throws InferenceError `failed_precondition` that says what is wrong with the file
 */
export function inspectOnnx(file: string): OnnxInspection {
  const { inputs, outputs, initializers, ...description } = readModelFile(file)
  const constant = new Set(initializers)
  const given = inputs.filter((input) => !constant.has(input.name))
  const session = { inputs: given.map(asNative), outputs: outputs.map(asNative) }
  const signature = readSignature(file, session, { ...description, inputs, outputs, initializers })
  const weightBytes = description.externalFiles.reduce((sum, { bytes }) => sum + bytes, description.fileBytes)
  return { ...description, ...signature, weightBytes }
}

function asNative({ name, elementType, dimensions = [] }: GraphValue): NativeValue {
  return { name, elementType, isTensor: elementType !== 0, shape: dimensions }
}
