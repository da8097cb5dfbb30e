/** Inputs and outputs of a model: a graph's signature, or what the library knows of the layers. */
import { InferenceError } from '../../src/runtime/index.ts'
import type { DataType, InferenceRequest, TensorMetadata } from '../../src/runtime/index.ts'
import type { GraphModel, LayersModel, SymbolicTensor } from './library.ts'
import type { Artifacts } from './model-file.ts'

/** A tensor as callers see it; without a datatype where the file tells none, which a run then tells. */
export type Described = Omit<TensorMetadata, 'datatype'> & { readonly datatype?: DataType }

/** Plain data: it crosses a thread border. */
export interface Signature {
  readonly inputs: readonly TensorMetadata[]
  readonly outputs: readonly Described[]
}

/** The library computes in these; other types of TensorFlow become the nearest of them when a model is converted. */
const byLibrary: Readonly<Record<string, DataType>> = { float32: 'FP32', int32: 'INT32', bool: 'BOOL', string: 'BYTES' }
const byTensorflow: Readonly<Record<string, DataType>> = {
  ...{ DT_FLOAT: 'FP32', DT_HALF: 'FP32', DT_BFLOAT16: 'FP32', DT_DOUBLE: 'FP32' },
  ...{ DT_INT32: 'INT32', DT_INT64: 'INT32', DT_INT16: 'INT32', DT_INT8: 'INT32' },
  ...{ DT_UINT8: 'INT32', DT_UINT16: 'INT32', DT_BOOL: 'BOOL', DT_STRING: 'BYTES' },
}

/** Of a graph: its signature; where it has none, the names of its placeholders and of its last nodes. */
export function graphSignature({ signature, userDefinedMetadata }: Artifacts, model: GraphModel): Signature {
  const own = [signature, userDefinedMetadata?.['signature']].find((one) => isObject(one) && isObject(one['outputs']))
  const outputs = isObject(own) ? readSide(own['outputs'], 'output') : []
  if (!isObject(own) || outputs.length === 0) {
    return {
      inputs: model.inputs.map((input) => known(symbolic(input.name, input, 'input'))),
      outputs: model.outputNodes.map((name) => ({ name, shape: [-1], isAnyRank: true })),
    }
  }
  return { inputs: readSide(own['inputs'] ?? {}, 'input').map(known), outputs }
}

/** Of layers: the names by which Keras knows them. */
export function layersSignature(model: LayersModel): Signature {
  const { inputNames, outputNames, inputs, outputs } = model
  return {
    inputs: inputNames.map((name, index) => known(symbolic(name, inputs[index], 'input'))),
    outputs: outputNames.map((name, index) => symbolic(name, outputs[index], 'output')),
  }
}

/**
 * Names of nodes for those of the signature: the library takes both.
 *
 * @returns undefined where both are the same
 */
export function renaming(
  inputs: readonly TensorMetadata[],
): ((request: InferenceRequest) => InferenceRequest) | undefined {
  const names = new Map<string, string>()
  for (const { name, graphName = '' } of inputs) {
    const node = graphName.replace(/:0$/, '')
    if (node !== '' && !inputs.some((input) => input.name === node)) names.set(node, name)
  }
  if (names.size === 0) return undefined
  return (request) => {
    if (!request.inputs.some(({ name }) => names.has(name))) return request
    return {
      ...request,
      inputs: request.inputs.map((input) => ({ ...input, name: names.get(input.name) ?? input.name })),
    }
  }
}

function symbolic(name: string, tensor: SymbolicTensor | undefined, side: string): Described {
  const { dtype, shape } = tensor ?? {}
  const datatype = dtype === undefined ? undefined : byLibrary[dtype]
  if (dtype !== undefined && datatype === undefined) throw unserved(`${side} '${name}'`, dtype)
  const sizes: Pick<Described, 'shape' | 'isAnyRank'> =
    shape === undefined || shape === null ? { shape: [-1], isAnyRank: true } : { shape: shape.map((one) => one ?? -1) }
  return { name, ...sizes, ...(datatype === undefined ? {} : { datatype }) }
}

/** Tensors that the library captured itself have a resource, and callers never see them. */
function readSide(side: unknown, what: string): Described[] {
  if (!isObject(side)) throw broken(`signature.${what}s must map names to tensors`)
  return Object.entries(side).flatMap(([name, info]) => {
    const label = `signature: ${what} '${name}'`
    if (!isObject(info)) throw broken(`${label} must have name, dtype and tensorShape`)
    if (info['resourceId'] !== undefined && info['resourceId'] !== null) return []
    const { dtype } = info
    const datatype = typeof dtype === 'string' ? byTensorflow[dtype] : undefined
    if (datatype === undefined) throw unserved(label, String(dtype))
    const graphName = info['name']
    const known = { name, datatype, ...readShape(info['tensorShape'], label) }
    return [typeof graphName === 'string' && graphName !== '' ? { ...known, graphName } : known]
  })
}

function readShape(shape: unknown, label: string): Pick<Described, 'shape' | 'isAnyRank'> {
  if (!isObject(shape) || shape['unknownRank'] === true) return { shape: [-1], isAnyRank: true }
  const dimensions: unknown = shape['dim'] ?? []
  if (!Array.isArray(dimensions)) throw broken(`${label}: tensorShape.dim must be a list`)
  return {
    shape: dimensions.map((dimension: unknown) => {
      const size = Number(isObject(dimension) ? (dimension['size'] ?? 0) : NaN) // protobuf's JSON leaves zeros out
      if (!Number.isSafeInteger(size)) throw broken(`${label}: tensorShape.dim must hold sizes`)
      return Math.max(-1, size)
    }),
  }
}

/** What takes no datatype takes what most models take. */
function known(tensor: Described): TensorMetadata {
  return { ...tensor, datatype: tensor.datatype ?? 'FP32' }
}

function unserved(label: string, dtype: string): InferenceError {
  return broken(`${label} has dtype ${dtype}; served are float32, int32, bool and string`)
}

function broken(text: string): InferenceError {
  return new InferenceError('failed_precondition', `model.json: ${text}`)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
