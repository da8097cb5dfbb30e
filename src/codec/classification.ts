/** Outputs of a model as what TF Serving's Classify and Regress answer. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceResponse } from '../core/inference.ts'
import { findSignature, namedSignature, signatureList } from '../core/named-signature.ts'
import type { Signatures } from '../core/named-signature.ts'
import type { Signature } from '../core/signature.ts'
import type { Tensor } from '../core/tensor.ts'

/** One class of one example. */
export interface ScoredClass {
  /** '' where the model names no classes. */
  readonly label: string
  readonly score: number
}

/** What TF Serving computes of examples beside Predict. */
export type ExampleVerb = 'classify' | 'regress'

export type ExampleResult =
  | { readonly kind: 'classify'; readonly classes: readonly (readonly ScoredClass[])[] }
  | { readonly kind: 'regress'; readonly values: readonly number[] }

/** What examples are for. */
export interface ExampleTarget {
  readonly signature: Signature
  /** The name of the one input that takes examples as they are, serialized; absent where features go to inputs of their names. */
  readonly serialized?: string
}

/** What TensorFlow's names of a verb are. */
interface VerbNames {
  readonly noun: string
  /** What estimators call the signature: the model's own one where none is called so. */
  readonly signature: string
  readonly method: string
  /** Outputs, of which a signature for this verb has one at least. */
  readonly outputs: readonly string[]
}

const verbs: Readonly<Record<ExampleVerb, VerbNames>> = {
  classify: {
    ...{ noun: 'classification', signature: 'classification' },
    ...{ method: 'tensorflow/serving/classify', outputs: ['classes', 'scores'] },
  },
  regress: {
    ...{ noun: 'regression', signature: 'regression' },
    ...{ method: 'tensorflow/serving/regress', outputs: ['outputs'] },
  },
}

/**
 * The signature that a verb asks, by its name.
 *
 * @throws InferenceError `invalid_argument`, in TF Serving's words, where the model has none of this name or it is for another verb
 */
export function exampleTarget(verb: ExampleVerb, model: Signatures, name: string): ExampleTarget {
  const { noun, signature: alias, method, outputs } = verbs[verb]
  const signature = findSignature(model, name) ?? (name === alias ? model : undefined)
  if (signature === undefined) {
    const there = signatureList(model)
    throw invalid(`No signature was found with the name: ${name}${there === '' ? '' : `.${there}`}`)
  }
  const was = namedSignature(model, signature).methodName
  if (was !== method && Object.values(verbs).some((other) => other.method === was)) {
    throw invalid(`Expected ${noun} signature method_name to be ${method}. Was: ${was}`)
  }
  const serialized = exampleInput(model, signature)
  if (serialized === undefined) return { signature }
  if (!signature.outputs.some((output) => outputs.includes(output.name))) {
    const given = signature.outputs.map((output) => output.name).join(', ') || 'none'
    const wanted = outputs.map((output) => `"${output}"`).join(' or ')
    throw invalid(`Expected ${noun} signature outputs to contain at least one of ${wanted}. Signature has: ${given}`)
  }
  return { signature, serialized }
}

/** The input of a signature that parses examples itself: its only one, of strings, and called `inputs`. */
function exampleInput(model: Signatures, { inputs }: Signature): string | undefined {
  const [only, ...others] = inputs
  if (model.signatures === undefined || only === undefined || others.length > 0) return undefined
  const isList = only.isAnyRank === true || only.shape.length <= 1
  return only.name === 'inputs' && only.datatype === 'BYTES' && isList ? only.name : undefined
}

/**
 * The answer of a model as the result of a verb.
 *
 * @param rows number of examples
 * @throws InferenceError `failed_precondition` where no output fits
 */
export function exampleResult(verb: ExampleVerb, response: InferenceResponse, rows: number): ExampleResult {
  return verb === 'classify'
    ? { kind: verb, classes: classify(response, rows) }
    : { kind: verb, values: regress(response, rows) }
}

/**
 * The classes of each example. The scores are the first FP32 or FP64 output of shape `[rows]` or `[rows, classes]`; the
 * labels are the first BYTES output of the same number of elements and rows, where there is one. Where there are no scores at
 * all, an output `classes` is enough.
 */
function classify({ model, outputs }: InferenceResponse, rows: number): readonly (readonly ScoredClass[])[] {
  const scores = outputs.find((output) => isFloat(output) && isTable(output, rows))
  if (scores === undefined) {
    const only = outputs.find(
      ({ name, datatype, shape }) => name === 'classes' && datatype === 'BYTES' && shape[0] === rows,
    )
    if (only !== undefined) return unscored(only, rows)
  }
  if (scores === undefined) throw noFit(model.name, 'classify', `[${rows}] or [${rows},classes]`, outputs)
  const labels = outputs.find(
    ({ datatype, shape, data }) => datatype === 'BYTES' && shape[0] === rows && data.length === scores.data.length,
  )
  const width = rows === 0 ? 0 : scores.data.length / rows
  return Array.from({ length: rows }, (_row, row) =>
    Array.from({ length: width }, (_class, column) => ({
      label: labelAt(labels, row * width + column),
      score: Number(scores.data[row * width + column] ?? 0),
    })),
  )
}

/** The classes of a signature that tells no scores. */
function unscored(labels: Tensor, rows: number): readonly (readonly ScoredClass[])[] {
  const width = rows === 0 ? 0 : labels.data.length / rows
  return Array.from({ length: rows }, (_row, row) =>
    Array.from({ length: width }, (_class, column) => ({ label: labelAt(labels, row * width + column), score: 0 })),
  )
}

/** The value of each example: the first FP32 or FP64 output of shape `[rows]` or `[rows, 1]`. */
function regress({ model, outputs }: InferenceResponse, rows: number): readonly number[] {
  const values = outputs.find((output) => isFloat(output) && isTable(output, rows) && output.data.length === rows)
  if (values === undefined) throw noFit(model.name, 'regress', `[${rows}] or [${rows},1]`, outputs)
  return Array.from(values.data, Number)
}

function isFloat({ datatype }: Tensor): boolean {
  return datatype === 'FP32' || datatype === 'FP64'
}

function isTable({ shape }: Tensor, rows: number): boolean {
  return (shape.length === 1 || shape.length === 2) && shape[0] === rows
}

function labelAt(labels: Tensor | undefined, index: number): string {
  const bytes = labels?.datatype === 'BYTES' ? labels.data[index] : undefined
  return bytes === undefined ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}

function noFit(model: string, verb: string, shape: string, outputs: readonly Tensor[]): InferenceError {
  const given = outputs.map((output) => `'${output.name}' ${output.datatype} [${output.shape.join(',')}]`).join(', ')
  return new InferenceError(
    'failed_precondition',
    `model '${model}' cannot ${verb}: that takes an FP32 or FP64 output of shape ${shape}, it gave ${given || 'none'}; ` +
      'use Predict',
  )
}
