/** Outputs of a model as what TF Serving's Classify and Regress answer. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceResponse } from '../core/inference.ts'
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

/** Names of the one signature of a model; beside them what TensorFlow's estimators call that of each verb. */
const signatures: Readonly<Record<ExampleVerb, readonly string[]>> = {
  classify: ['', 'serving_default', 'predict', 'classification'],
  regress: ['', 'serving_default', 'predict', 'regression'],
}

/** @throws InferenceError `invalid_argument`, in TF Serving's words, where a model has no signature of this name */
export function checkExampleSignature(verb: ExampleVerb, name: string): void {
  if (signatures[verb].includes(name)) return
  throw new InferenceError('invalid_argument', `No signature was found with the name: ${name}`)
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
 * labels are the first BYTES output of the same number of elements and rows, where there is one.
 */
function classify({ model, outputs }: InferenceResponse, rows: number): readonly (readonly ScoredClass[])[] {
  const scores = outputs.find((output) => isFloat(output) && isTable(output, rows))
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

function noFit(model: string, verb: string, shape: string, outputs: readonly Tensor[]): InferenceError {
  const given = outputs.map((output) => `'${output.name}' ${output.datatype} [${output.shape.join(',')}]`).join(', ')
  return new InferenceError(
    'failed_precondition',
    `model '${model}' cannot ${verb}: that takes an FP32 or FP64 output of shape ${shape}, it gave ${given || 'none'}; ` +
      'use Predict',
  )
}
