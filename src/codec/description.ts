/** What servers answer about themselves and their models, read with patience: fields may be missing, null or worded anew. */
import { isDataType, type DataType, type Parameters } from '../core/tensor.ts'

/** What a server tells of itself; servers that tell nothing leave the texts empty. */
export interface ServerMetadata {
  readonly name: string
  readonly version: string
  readonly extensions: readonly string[]
}

/** A tensor as a foreign server describes it: some leave out what they do not know. */
export interface TensorDescription {
  readonly name: string
  readonly datatype?: DataType
  /** -1 where a dimension is free. */
  readonly shape?: readonly number[]
  readonly isOptional?: boolean
  /** What TensorFlow calls it inside the model. */
  readonly graphName?: string
}

/** One of several signatures. */
export interface SignatureDescription {
  readonly name: string
  readonly methodName: string
  readonly inputs: readonly TensorDescription[]
  readonly outputs: readonly TensorDescription[]
}

export interface ModelDescription {
  readonly name: string
  readonly versions: readonly string[]
  readonly platform: string
  readonly inputs: readonly TensorDescription[]
  readonly outputs: readonly TensorDescription[]
  /** All of them, that of `inputs` and `outputs` first, where there are others than TensorFlow's `serving_default`. */
  readonly signatures?: readonly SignatureDescription[]
  readonly parameters: Parameters
}

/** A model that a server lists. */
export interface ListedModel {
  readonly name: string
  readonly version?: string
  /** As the server words it: `READY`, `UNAVAILABLE`, … */
  readonly state?: string
  readonly reason?: string
}

type JsonObject = Readonly<Record<string, unknown>>

export function parseServerMetadata(answer: unknown): ServerMetadata {
  const { name, version, extensions } = objectOf(answer)
  return { name: textOf(name), version: textOf(version), extensions: listOf(extensions).map(textOf) }
}

/** V2 model metadata. */
export function parseModelMetadata(answer: unknown, name: string): ModelDescription {
  const metadata = objectOf(answer)
  const { versions, platform, inputs, outputs, parameters, properties } = metadata
  return {
    name: textOf(metadata['name']) || name,
    versions: listOf(versions).map(textOf),
    platform: textOf(platform),
    inputs: listOf(inputs).flatMap(parseTensor),
    outputs: listOf(outputs).flatMap(parseTensor),
    parameters: Object.fromEntries(
      Object.entries({ ...objectOf(properties), ...objectOf(parameters) }).flatMap(([key, value]) =>
        typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? [[key, value]] : [],
      ),
    ),
  }
}

function parseTensor(answer: unknown): TensorDescription[] {
  const { name, datatype, shape } = objectOf(answer)
  if (typeof name !== 'string') return []
  const kind = textOf(datatype).toUpperCase()
  const dimensions = Array.isArray(shape) ? shape.map(Number) : undefined
  return [describeTensor(name, isDataType(kind) ? kind : undefined, dimensions)]
}

function describeTensor(
  name: string,
  datatype: DataType | undefined,
  shape: readonly number[] | undefined,
): TensorDescription {
  const isKnown = shape?.every((dimension) => Number.isInteger(dimension)) === true
  return { name, ...(datatype === undefined ? {} : { datatype }), ...(isKnown ? { shape } : {}) }
}

/** TF Serving's `GET /v1/models/M/metadata`: the inputs and outputs of its `serving_default` signature, or its first. */
export function parseSignatureDef(answer: unknown, name: string): ModelDescription {
  const { model_spec: spec, metadata } = objectOf(answer)
  const entries = Object.entries(objectOf(objectOf(objectOf(metadata)['signature_def'])['signature_def']))
  const signatures = entries.map(([key, given]) => {
    const { method_name: method, inputs, outputs } = objectOf(given)
    return {
      ...{ name: key, methodName: textOf(method) },
      inputs: Object.entries(objectOf(inputs)).map(parseTensorInfo),
      outputs: Object.entries(objectOf(outputs)).map(parseTensorInfo),
    }
  })
  const version = textOf(objectOf(spec)['version'])
  return {
    name: textOf(objectOf(spec)['name']) || name,
    versions: version === '' ? [] : [version],
    platform: '',
    ...describeSignatures(signatures),
    parameters: {},
  }
}

/** `serving_default`, or the first, and all of them where that says more. */
export function describeSignatures(
  signatures: readonly SignatureDescription[],
): Pick<ModelDescription, 'inputs' | 'outputs' | 'signatures'> {
  const own = signatures.find(({ name }) => name === 'serving_default') ?? signatures[0]
  if (own === undefined) return { inputs: [], outputs: [] }
  const { inputs, outputs } = own
  if (signatures.length === 1 && own.name === 'serving_default') return { inputs, outputs }
  return { inputs, outputs, signatures: [own, ...signatures.filter((signature) => signature !== own)] }
}

const servingTypes: Readonly<Record<string, DataType>> = {
  DT_FLOAT: 'FP32',
  DT_DOUBLE: 'FP64',
  DT_HALF: 'FP16',
  DT_BFLOAT16: 'BF16',
  DT_INT8: 'INT8',
  DT_INT16: 'INT16',
  DT_INT32: 'INT32',
  DT_INT64: 'INT64',
  DT_UINT8: 'UINT8',
  DT_UINT16: 'UINT16',
  DT_UINT32: 'UINT32',
  DT_UINT64: 'UINT64',
  DT_BOOL: 'BOOL',
  DT_STRING: 'BYTES',
}

function parseTensorInfo([name, info]: [string, unknown]): TensorDescription {
  const { dtype, tensor_shape: tensorShape, name: graphName } = objectOf(info)
  const { dim, unknown_rank: isAnyRank } = objectOf(tensorShape)
  const shape = isAnyRank === true ? undefined : listOf(dim).map((dimension) => Number(objectOf(dimension)['size']))
  return { ...describeTensor(name, servingTypes[textOf(dtype)], shape), ...inGraph(name, textOf(graphName)) }
}

/** The name in the graph, where it is another than the one that everybody would give it. */
export function inGraph(name: string, graphName: string): { readonly graphName?: string } {
  return graphName === '' || graphName === name || graphName === `${name}:0` ? {} : { graphName }
}

/** A list of names (KServe), or of entries as in Triton's repository index. */
export function parseModels(answer: unknown): ListedModel[] {
  const models = Array.isArray(answer) ? listOf(answer) : listOf(objectOf(answer)['models'])
  return models.flatMap((model) => {
    if (typeof model === 'string') return [{ name: model }]
    const { name, version, state, reason } = objectOf(model)
    if (typeof name !== 'string') return []
    return [{ name, ...optional('version', version), ...optional('state', state), ...optional('reason', reason) }]
  })
}

/** True unless the status document of a model says no: KServe's `ready`, TF Serving's states. */
export function isReadyDocument(answer: unknown): boolean {
  const { ready, model_version_status: versions } = objectOf(answer)
  if (Array.isArray(versions)) return listOf(versions).some((version) => objectOf(version)['state'] === 'AVAILABLE')
  return ready !== false && ready !== 'False'
}

function optional<K extends string>(key: K, value: unknown): { [P in K]?: string } {
  const text = textOf(value)
  // An object with one computed key is typed by an index signature; here the key is exactly K.
  return (text === '' ? {} : { [key]: text }) as { [P in K]?: string }
}

function objectOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''
}
