/** What a suite found, and how it is printed. */

/** A bar that a figure is held against. */
export interface Verdict {
  readonly name: string
  readonly isMet: boolean
}

export interface Report {
  readonly title: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly string[])[]
  readonly verdicts: readonly Verdict[]
}

/** A table for a terminal: first column left, the others right. */
export function render({ title, head, rows }: Report): string {
  const lines = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  const text = lines.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('   ')
      .trimEnd(),
  )
  return `\n${title}\n${text.join('\n')}\n`
}

/** Digits that a noisy figure deserves. */
export function round(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '-'
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

export function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(ratio < 10 ? 1 : 0)} %`
}
