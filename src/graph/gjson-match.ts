/** Wildcards of GJSON: `*` any characters, `?` one character, `\` takes the next one as it is. */

/**
 * True where the whole text fits the pattern. Goes back to the latest `*` only, so its cost is bounded by the product of
 * the two lengths.
 */
export function matchesPattern(text: string, pattern: string): boolean {
  let at = 0
  let want = 0
  let starAt = -1
  let starWant = -1
  while (at < text.length) {
    const step = stepOver(text, at, pattern, want)
    if (step !== undefined) {
      at += step.text
      want += step.pattern
    } else if (pattern[want] === '*') {
      starWant = want + 1
      starAt = at
      want = starWant
    } else if (starWant !== -1) {
      starAt += widthAt(text, starAt)
      at = starAt
      want = starWant
    } else return false
  }
  while (pattern[want] === '*') want += 1
  return want === pattern.length
}

/** How far one character of the pattern reaches, where it fits; undefined for `*` and where it does not. */
function stepOver(
  text: string,
  at: number,
  pattern: string,
  want: number,
): { readonly text: number; readonly pattern: number } | undefined {
  const wanted = pattern[want]
  if (wanted === undefined || wanted === '*') return undefined
  if (wanted === '?') return { text: widthAt(text, at), pattern: 1 }
  if (wanted !== '\\') return wanted === text[at] ? { text: 1, pattern: 1 } : undefined
  const literal = pattern[want + 1]
  return literal !== undefined && literal === text[at] ? { text: 1, pattern: 2 } : undefined
}

function widthAt(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
}
