/** JSON as the protocols use it: integers beyond 2^53 and the tokens NaN and Infinity survive. */
import type { DataType } from '../../src/core/tensor.ts'
import { octets } from './bytes.ts'
import type { Element } from './neutral.ts'

/** One element as text of JSON. */
export function elementText(element: Element): string {
  if (typeof element === 'object') return JSON.stringify(octets(element).toString())
  if (typeof element === 'string') return JSON.stringify(element)
  if (Object.is(element, -0)) return '-0.0'
  return String(element)
}

/** The elements as nested rows: `[[1,2],[3,4]]`. */
export function nestedText(shape: readonly number[], data: readonly Element[]): string {
  const [length = 1, ...rest] = shape
  if (shape.length === 0) return elementText(data[0] ?? 0)
  const stride = rest.reduce((product, size) => product * size, 1)
  const rows = Array.from({ length }, (_, row) => nestedText(rest, data.slice(row * stride, (row + 1) * stride)))
  return `[${rows.join()}]`
}

/** Parses JSON; numbers that a double cannot hold, and NaN and the infinities, come as text. */
export function parse(text: string): unknown {
  const strings = /"(?:[^"\\]|\\.)*"/g
  let quoted = ''
  let from = 0
  for (const match of text.matchAll(strings)) {
    quoted += quoteOdd(text.slice(from, match.index)) + match[0]
    from = match.index + match[0].length
  }
  return JSON.parse(quoted + quoteOdd(text.slice(from)))
}

function quoteOdd(text: string): string {
  return text.replace(/-?(?:NaN|Infinity)|(?<![\d.eE+-])-?\d{16,}(?![\d.eE])/g, '"$&"')
}

/** A value of {@link parse} as the element of a datatype. */
export function elementFrom(datatype: DataType, value: unknown): Element {
  if (datatype === 'INT64' || datatype === 'UINT64') return BigInt(value as string | number) // else BigInt throws
  if (datatype === 'BYTES' || datatype === 'BOOL') return value as string | boolean // compared with what is expected
  return datatype === 'FP32' ? Math.fround(Number(value)) : Number(value)
}

/** A value of {@link parse} with each number rounded to 32-bit floats, which have many spellings. */
export function rounded(value: unknown): unknown {
  if (typeof value === 'number') return Math.fround(value)
  if (Array.isArray(value)) return value.map(rounded)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, rounded(inner)]))
}
