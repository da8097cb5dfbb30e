/** Text tables for terminals: aligned by what is seen, cut to the width that there is. */

const borders = {
  top: ['┌', '┬', '┐'],
  middle: ['├', '┼', '┤'],
  bottom: ['└', '┴', '┘'],
} as const

/** Narrowest that a column is cut to: shorter texts tell nothing. */
const leastColumnWidth = 6

/**
 * A table in light lines. A cell may have several lines. Columns whose cells are all numbers stand to the right.
 *
 * @param width columns of the terminal; the widest columns are cut, with `…`, until the table fits
 */
export function renderTable(
  rows: readonly (readonly string[])[],
  headers: readonly string[],
  width: number = Infinity,
): string {
  const cells = rows.map((row) => headers.map((_, column) => linesOf(row[column] ?? '')))
  const natural = headers.map((header, column) =>
    Math.max(displayWidth(header), ...cells.flatMap((row) => (row[column] ?? []).map(displayWidth))),
  )
  const widths = fitWidths(natural, width - 3 * headers.length - 1)
  const isNumeric = headers.map((_, column) => {
    const texts = cells.flatMap((row) => row[column] ?? []).filter((text) => text !== '')
    return texts.length > 0 && texts.every((text) => /^-?[\d.,]+(e[+-]?\d+)?( ?(B|[kKMGT]i?B|ms|s|%|µs))?$/.test(text))
  })
  const line = (texts: readonly string[], isHeader = false) => {
    const padded = widths.map((columnWidth, column) => {
      const text = truncate(texts[column] ?? '', columnWidth)
      const space = ' '.repeat(columnWidth - displayWidth(text))
      return isNumeric[column] === true && !isHeader ? space + text : text + space
    })
    return `│ ${padded.join(' │ ')} │`
  }
  const rule = ([left, cross, right]: readonly [string, string, string]) =>
    left + widths.map((columnWidth) => '─'.repeat(columnWidth + 2)).join(cross) + right
  const body = cells.flatMap((row) => {
    const height = Math.max(1, ...row.map((lines) => lines.length))
    return Array.from({ length: height }, (_, index) => line(row.map((lines) => lines[index] ?? '')))
  })
  return [rule(borders.top), line(headers, true), rule(borders.middle), ...body, rule(borders.bottom)].join('\n')
}

function linesOf(cell: string): string[] {
  return cell.split('\n').map(printable)
}

/** Control characters as escapes: what a model or a server sends must not steer the terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, (character) => {
    const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }
    return named[character] ?? `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`
  })
}

/** Takes from the widest column first, so that short columns stay whole. */
function fitWidths(natural: readonly number[], available: number): readonly number[] {
  const widths = [...natural]
  let excess = widths.reduce((sum, width) => sum + width, 0) - available
  while (excess > 0) {
    const widest = Math.max(...widths)
    if (widest <= leastColumnWidth) break
    const next = Math.max(leastColumnWidth, ...widths.filter((width) => width < widest))
    const atWidest = widths.flatMap((width, column) => (width === widest ? [column] : []))
    const cut = Math.min(widest - next, Math.max(1, Math.floor(excess / atWidest.length)))
    for (const column of atWidest) {
      if (excess <= 0) break
      widths[column] = widest - cut
      excess -= cut
    }
  }
  return widths
}

/** The start of a text in at most `width` columns of the terminal, `…` where it was longer. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let kept = ''
  let used = 0
  for (const { segment } of graphemes.segment(text)) {
    const columns = displayWidth(segment)
    if (used + columns > width - 1) break
    kept += segment
    used += columns
  }
  return width < 1 ? '' : `${kept}…`
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
// East Asian wide and fullwidth blocks (Unicode TR11), and pictures that terminals draw over two columns.
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u

/** Columns that a text takes on a terminal. */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  for (const { segment } of graphemes.segment(text)) {
    width += wide.test(segment) ? 2 : /^[\p{M}\p{Cf}]*$/u.test(segment) ? 0 : 1
  }
  return width
}
