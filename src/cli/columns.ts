/** Rows in columns without lines, as kubectl prints them. */
import { printable } from './table.ts'

/** @param rows the first has the headings */
export function columns(rows: readonly (readonly string[])[]): string {
  const texts = rows.map((row) => row.map(printable))
  const widths = (texts[0] ?? []).map((_, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0)))
  const lines = texts.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('   ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

/** How long ago, as kubectl has it: `45s`, `3m12s`, `5h`, `2d`. */
export function ageOf(timestamp: string | undefined, nowMs: number): string {
  const then = Date.parse(timestamp ?? '')
  if (Number.isNaN(then)) return '<unknown>'
  const seconds = Math.max(0, Math.floor((nowMs - then) / 1000))
  const minutes = Math.floor(seconds / 60)
  const hours = Math.floor(minutes / 60)
  if (seconds < 120) return `${seconds}s`
  if (minutes < 10) return seconds % 60 === 0 ? `${minutes}m` : `${minutes}m${seconds % 60}s`
  if (hours < 3) return `${minutes}m`
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`
}
