/** Outputs as their best classes: Triton's classification extension. */
import { InferenceError } from '../core/errors.ts'
import type { InferenceResponse } from '../core/inference.ts'
import { elementCount, tensor, type Tensor } from '../core/tensor.ts'
import { decodeHalf } from '../hooks/half.ts'
import type { ServedMetadata } from '../repository/status.ts'

/**
 * Replaces each output that shall be classes by BYTES `[rows, n]`, or `[n]` where the model has no rows: per row the n
 * highest values, best first, each as `value:index` or `value:index:label`. Equal ones keep their order, NaN comes last.
 *
 * @param classes wanted per output, at least 1; more than there are give all
 * @throws InferenceError `invalid_argument` where an output is BYTES
 */
export function classify(
  response: InferenceResponse,
  classes: ReadonlyMap<string, number>,
  metadata: ServedMetadata,
): InferenceResponse {
  const outputs = response.outputs.map((output) => {
    const wanted = classes.get(output.name)
    return wanted === undefined ? output : topClasses(output, wanted, metadata)
  })
  return { ...response, outputs }
}

function topClasses(output: Tensor, wanted: number, metadata: ServedMetadata): Tensor {
  const values = valuesOf(output)
  const hasRows = isByRow(output, metadata)
  const rows = hasRows ? (output.shape[0] ?? 1) : 1
  const width = hasRows ? elementCount(output.shape.slice(1)) : values.length
  const count = Math.min(wanted, width)
  const labels = metadata.labels?.get(output.name)
  const isFloat = /^(FP|BF)/.test(output.datatype)
  const texts: Uint8Array[] = []
  for (let row = 0; row < rows; row += 1) {
    const scores = values.slice(row * width, (row + 1) * width)
    for (const index of bestOf(scores).slice(0, count)) {
      const label = labels?.[index]
      texts.push(
        Buffer.from(`${textOf(scores[index] ?? 0, isFloat)}:${index}${label === undefined ? '' : `:${label}`}`),
      )
    }
  }
  return tensor(output.name, 'BYTES', hasRows ? [rows, count] : [count], texts)
}

/** A first dimension that the model leaves free counts rows; a vector without a known batch is one row of classes. */
function isByRow({ name, shape }: Tensor, { outputs, maxBatchSize }: ServedMetadata): boolean {
  if (shape.length === 0) return false
  if (maxBatchSize > 0) return true
  const declared = outputs.find((output) => output.name === name)
  return shape.length > 1 && (declared === undefined || declared.isAnyRank === true || declared.shape[0] === -1)
}

type Values = readonly (number | bigint)[]

function valuesOf({ name, datatype, data }: Tensor): Values {
  if (datatype === 'BYTES') {
    throw new InferenceError(
      'invalid_argument',
      `output '${name}': class result not available for output due to unsupported type 'BYTES'`,
    )
  }
  if (datatype === 'FP16' || datatype === 'BF16') return Array.from(data, (bits) => decodeHalf(datatype, bits))
  return [...data]
}

/** Indices by falling value. */
function bestOf(scores: Values): readonly number[] {
  return [...scores.keys()].sort((left, right) => {
    const [a, b] = [scores[left] ?? 0, scores[right] ?? 0]
    if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b)) || left - right
    return a === b ? left - right : a < b ? 1 : -1
  })
}

/** As C's `%f` and `%d`, which Triton writes. */
function textOf(value: number | bigint, isFloat: boolean): string {
  if (!isFloat || typeof value === 'bigint') return String(value)
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000` // where toFixed gives up
}
