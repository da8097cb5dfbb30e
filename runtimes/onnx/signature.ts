/** The signature that callers see, from what onnxruntime says and what the file says. */
import { InferenceError } from '../../src/runtime/index.ts'
import type { TensorMetadata } from '../../src/runtime/index.ts'
import { datatypeOf, elementTypeName } from './datatypes.ts'
import type { GraphValue, OnnxFile } from './model-file.ts'
import type { NativeSession, NativeValue } from './native-session.ts'

export interface OnnxSignature {
  readonly inputs: readonly TensorMetadata[]
  readonly outputs: readonly TensorMetadata[]
  /** Outputs that are no tensors (sequences, maps): never computed. */
  readonly hiddenOutputs: readonly string[]
  /** Inputs that have an initializer: onnxruntime-node ignores values for them, hence they cannot be given. */
  readonly constantInputs: readonly string[]
}

/** @throws InferenceError `failed_precondition` naming an input or output that has no V2 datatype */
export function readSignature(
  file: string,
  session: Pick<NativeSession, 'inputs' | 'outputs'>,
  description: OnnxFile,
): OnnxSignature {
  const tensors = session.outputs.filter((output) => output.isTensor)
  const hiddenOutputs = session.outputs.filter((output) => !output.isTensor).map((output) => output.name)
  if (tensors.length === 0) {
    const names = hiddenOutputs.map((name) => `'${name}'`).join(', ')
    const text = `none of the outputs (${names}) is a tensor: convert it again with zipmap=False (skl2onnx: options={'zipmap': False})`
    throw bad(file, text)
  }
  return {
    inputs: session.inputs.map((input) => metadataOf(file, 'input', input, description.inputs)),
    outputs: tensors.map((output) => metadataOf(file, 'output', output, description.outputs)),
    hiddenOutputs,
    constantInputs: constantInputs(session.inputs, description),
  }
}

/** Before IR version 4 every weight was listed as an input: none of them is one that somebody meant to give. */
function constantInputs(given: readonly NativeValue[], { irVersion, inputs }: OnnxFile): readonly string[] {
  if (irVersion < 4) return []
  return inputs.filter((input) => !given.some(({ name }) => name === input.name)).map((input) => input.name)
}

function metadataOf(
  file: string,
  kind: 'input' | 'output',
  value: NativeValue,
  declared: readonly GraphValue[],
): TensorMetadata {
  const { name, shape } = value
  if (!value.isTensor) throw bad(file, `input '${name}' is a sequence or a map: only tensors can be given`)
  const elementType = value.elementType !== 0 ? value.elementType : elementTypeIn(declared, name)
  const datatype = datatypeOf(elementType)
  if (datatype === undefined) {
    const text = `${kind} '${name}' has datatype ${elementTypeName(elementType)}, which onnxruntime-node does not support: cast it to FP32 or FP16 inside the model`
    throw bad(file, text)
  }
  // An unknown rank looks like a scalar to onnxruntime; only the file tells them apart.
  const isAnyRank =
    shape.length === 0 && declared.some((entry) => entry.name === name && entry.dimensions === undefined)
  if (isAnyRank) return { name, datatype, shape: [-1], isAnyRank }
  const sizes = shape.map((dimension) => (typeof dimension === 'number' ? dimension : -1))
  const dimensionNames = shape.map((dimension) => (typeof dimension === 'number' ? '' : dimension))
  const hasNames = dimensionNames.some((dimension) => dimension !== '')
  return { name, datatype, shape: sizes, ...(hasNames ? { dimensionNames } : {}) }
}

function elementTypeIn(declared: readonly GraphValue[], name: string): number {
  return declared.find((entry) => entry.name === name)?.elementType ?? 0
}

function bad(file: string, what: string): InferenceError {
  return new InferenceError('failed_precondition', `model file '${file}': ${what}`)
}
