/** The answer of a model as a table that people read. */
import { valuesOf } from '../client/elements.ts'
import type { InferenceResponse } from '../core/inference.ts'
import type { Tensor } from '../core/tensor.ts'
import { printable, renderTable, truncate } from './table.ts'

/** More would scroll what matters out of sight; `--json` prints everything. */
const maxRows = 10
const maxColumns = 16
const maxTextWidth = 120

export function renderResponse(response: InferenceResponse, width?: number): string {
  const rows = response.outputs.map((output) => [
    printable(output.name),
    output.datatype,
    `[${output.shape.join(',')}]`,
    valuesText(output),
  ])
  return renderTable(rows, ['output', 'datatype', 'shape', 'values'], width)
}

/** One line per row of the last dimension. */
function valuesText(output: Tensor): string {
  const values = valuesOf(output)
  if (values.length === 0) return '(no elements)'
  const columns = output.shape.length < 2 ? values.length : (output.shape.at(-1) ?? 1)
  const lines: string[] = []
  for (let start = 0; start < values.length && lines.length < maxRows; start += columns) {
    const row = values.slice(start, start + columns)
    const shown = row.slice(0, maxColumns).map(valueText)
    lines.push(row.length > maxColumns ? `${shown.join(' ')} … ${row.length - maxColumns} more` : shown.join(' '))
  }
  const rest = Math.ceil(values.length / columns) - lines.length
  return rest > 0 ? [...lines, `… ${rest} more rows`].join('\n') : lines.join('\n')
}

function valueText(value: number | bigint | boolean | string): string {
  if (typeof value === 'string') return truncate(printable(value), maxTextWidth)
  if (typeof value !== 'number' || Number.isInteger(value)) return String(value)
  const rounded = Number(value.toPrecision(6))
  return Math.abs(rounded) < 1e-4 ? rounded.toExponential() : String(rounded)
}
