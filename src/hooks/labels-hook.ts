/** Names for the classes of a classifier: the labels hook of a model.yaml. */
import { readFile, stat } from 'node:fs/promises'
import { InferenceError } from '../core/errors.ts'
import type { InferenceResponse } from '../core/inference.ts'
import type { Hooks, TensorMetadata } from '../core/model.ts'
import type { Signature } from '../core/signature.ts'
import { tensor, type Tensor } from '../core/tensor.ts'
import { decodeHalf } from './half.ts'
import { hookFile } from './hook-file.ts'
import type { LabelsOptions } from './labels-options.ts'

/** Far above any list of classes; keeps a wrong file from being read into memory. */
const maxBytes = 16_000_000

export interface LabelsFile {
  readonly options: LabelsOptions
  /** The file, absolute. */
  readonly path: string
  /** The model's directory, which the file must lie in. */
  readonly root: string
}

/**
 * Adds two outputs to those of the model: the labels of the `top_k` highest scores, best first, BYTES `[…, k]`, and these
 * scores, FP32 `[…, k]`. The scores come from the last dimension of one output, `[…, classes]`; equal ones keep the order
 * of the classes, NaN comes last. All outputs of the model stay as they are.
 *
 * @throws InferenceError `failed_precondition` where file, names or the number of classes do not fit the model
 */
export async function createLabelsHook(file: LabelsFile, inner: Signature): Promise<Hooks> {
  const { options, path } = file
  const source = sourceOutput(options, inner)
  const labels = await readLabels(await hookFile('labels', path, file.root))
  const classes = source.isAnyRank === true ? -1 : source.shape.at(-1)
  if (classes === undefined)
    throw broken(`labels: output '${source.name}' is a scalar; it needs a dimension of classes`)
  if (classes !== -1 && classes !== labels.length) {
    throw broken(`labels: ${path} has ${labels.length} labels, output '${source.name}' has ${classes} classes`)
  }
  for (const name of [options.label_output, options.score_output]) {
    if (inner.outputs.some((output) => output.name === name) || options.label_output === options.score_output) {
      const keys = 'label_output and score_output'
      throw broken(`labels: '${name}' is the name of another output already; choose others with ${keys}`)
    }
  }
  const k = Math.min(options.top_k, labels.length)
  const encoded = labels.map((label) => new TextEncoder().encode(label))
  const shape = [...source.shape.slice(0, -1), k]
  return {
    outputs: [
      ...inner.outputs,
      { ...shapeOf(source, shape), name: options.label_output, datatype: 'BYTES' },
      { ...shapeOf(source, shape), name: options.score_output, datatype: 'FP32' },
    ],
    labels: new Map([[source.name, labels]]),
    postprocess: async (response) => withLabels(response, { name: source.name, k, labels: encoded, options }),
  }
}

/**
 * Names the classes of every output whose last dimension has as many of them, for callers that ask for classes. Outputs stay
 * as they are.
 *
 * @throws InferenceError `failed_precondition` where no output has as many classes as the file has labels
 */
export async function createClassNames(
  { path, root }: Pick<LabelsFile, 'path' | 'root'>,
  inner: Signature,
): Promise<Hooks> {
  const labels = await readLabels(await hookFile('labels', path, root))
  const named = inner.outputs.filter(({ shape, isAnyRank }) => {
    const classes = shape.at(-1)
    return isAnyRank !== true && (classes === labels.length || (classes === -1 && shape.length > 1))
  })
  if (named.length === 0) throw broken(`labels: ${path} has ${labels.length} labels, but no output has as many classes`)
  return { labels: new Map(named.map(({ name }) => [name, labels])) }
}

function shapeOf({ isAnyRank, dimensionNames }: TensorMetadata, shape: readonly number[]) {
  if (isAnyRank === true) return { shape: [-1], isAnyRank }
  return dimensionNames === undefined ? { shape } : { shape, dimensionNames: [...dimensionNames.slice(0, -1), ''] }
}

function sourceOutput({ output }: LabelsOptions, { outputs }: Signature): TensorMetadata {
  const names = outputs.map(({ name }) => `'${name}'`).join(', ')
  if (output !== undefined) {
    const named = outputs.find(({ name }) => name === output)
    if (named === undefined) throw broken(`labels: the model has no output '${output}'; it has ${names}`)
    if (named.datatype === 'BYTES') throw broken(`labels: output '${output}' is BYTES; scores must be numbers`)
    return named
  }
  const fitting = outputs.filter(({ datatype, shape }) => /^(FP|BF)/.test(datatype) && shape.length > 0)
  const [only, ...others] = fitting
  if (only !== undefined && others.length === 0) return only
  throw broken(`labels: say which output holds the scores, as output: <name>; the model has ${names}`)
}

interface Labelling {
  readonly name: string
  readonly k: number
  readonly labels: readonly Uint8Array[]
  readonly options: LabelsOptions
}

function withLabels(response: InferenceResponse, { name, k, labels, options }: Labelling): InferenceResponse {
  const source = response.outputs.find((output) => output.name === name)
  if (source === undefined) throw new InferenceError('internal', `labels: the model did not give output '${name}'`)
  const classes = source.shape.at(-1)
  if (classes !== labels.length) {
    const text = `labels: output '${name}' has ${classes ?? 0} classes, there are ${labels.length} labels`
    throw new InferenceError('internal', text)
  }
  const scores = numbersOf(source)
  const rows = scores.length / classes
  const names: Uint8Array[] = []
  const best = new Float32Array(rows * k)
  for (let row = 0; row < rows; row += 1) {
    const ranked = rank(scores.subarray(row * classes, (row + 1) * classes))
    for (let place = 0; place < k; place += 1) {
      const index = ranked[place] ?? 0
      names.push(labels[index] ?? new Uint8Array())
      best[row * k + place] = scores[row * classes + index] ?? NaN
    }
  }
  const shape = [...source.shape.slice(0, -1), k]
  return {
    ...response,
    outputs: [
      ...response.outputs,
      tensor(options.label_output, 'BYTES', shape, names),
      tensor(options.score_output, 'FP32', shape, best),
    ],
  }
}

/** Indices by falling score. */
function rank(scores: Float64Array): Uint32Array {
  const order = (index: number) => {
    const score = scores[index] ?? NaN
    return Number.isNaN(score) ? -Infinity : score
  }
  return Uint32Array.from(scores.keys()).sort((left, right) => {
    const [a, b] = [order(left), order(right)]
    return a === b ? left - right : b - a
  })
}

function numbersOf(source: Tensor): Float64Array {
  switch (source.datatype) {
    case 'BYTES':
      throw new InferenceError('internal', `labels: output '${source.name}' is BYTES; scores must be numbers`)
    case 'FP16':
    case 'BF16':
      return Float64Array.from(source.data, (bits) => decodeHalf(source.datatype, bits))
    case 'INT64':
    case 'UINT64':
      return Float64Array.from(source.data as Iterable<bigint>, Number) // both hold bigints; their union has no common `from`
    case 'BOOL':
    case 'UINT8':
    case 'UINT16':
    case 'UINT32':
    case 'INT8':
    case 'INT16':
    case 'INT32':
    case 'FP32':
    case 'FP64':
      return Float64Array.from(source.data)
  }
}

async function readLabels(path: string): Promise<readonly string[]> {
  const { size } = await stat(path)
  if (size > maxBytes) throw broken(`labels: ${path} is ${size} bytes long; it may have ${maxBytes}`)
  const text = (await readFile(path, 'utf8')).replace(/^\uFEFF/, '')
  const labels = text.trimStart().startsWith('[') ? jsonLabels(text, path) : text.replace(/\s+$/, '').split(/\r?\n/)
  const empty = labels.findIndex((label) => label.trim() === '')
  if (empty !== -1) throw broken(`labels: ${path}: label ${empty + 1} is empty`)
  return labels
}

function jsonLabels(text: string, path: string): readonly string[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new InferenceError('failed_precondition', `labels: ${path} is no valid JSON`, { cause })
  }
  if (Array.isArray(value) && value.every((label) => typeof label === 'string')) return value
  throw broken(`labels: ${path} must be a JSON array of strings, or a text with one label per line`)
}

function broken(message: string): InferenceError {
  return new InferenceError('failed_precondition', message)
}
