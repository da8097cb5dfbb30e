/** Which files of a model are wanted: shell patterns as Python's fnmatch knows them, where `*` also crosses slashes. */
import { InferenceError } from '../core/errors.ts'

/** Files that are fetched: those that fit an `allow` (any, where there is none) and no `ignore`. */
export interface FilePatterns {
  readonly allow?: readonly string[]
  readonly ignore?: readonly string[]
}

/** @param path below the model's directory, with slashes */
export function isWanted(path: string, { allow = [], ignore = [] }: FilePatterns): boolean {
  const fits = (pattern: string): boolean => matches(path, pattern)
  return (allow.length === 0 || allow.some(fits)) && !ignore.some(fits)
}

/**
 * Reads `STORAGE_ALLOW_PATTERNS` and `STORAGE_IGNORE_PATTERNS`: a JSON array, or words between commas.
 *
 * @throws InferenceError `invalid_argument` that names the variable
 */
export function readPatterns(text: string | undefined, variable: string): readonly string[] {
  const trimmed = text?.trim() ?? ''
  if (trimmed === '') return []
  if (!trimmed.startsWith('[')) return words(trimmed.split(','))
  const wrong = `${variable}: expected a JSON array of patterns, or patterns between commas, such as *.onnx,*.json`
  let parsed: unknown
  try {
    parsed = JSON.parse(trimmed)
  } catch (reason) {
    throw new InferenceError('invalid_argument', wrong, { cause: reason })
  }
  if (!Array.isArray(parsed) || !parsed.every((item) => typeof item === 'string')) {
    throw new InferenceError('invalid_argument', wrong)
  }
  return words(parsed)
}

function words(texts: readonly string[]): readonly string[] {
  return texts.map((text) => text.trim()).filter((text) => text !== '')
}

/** One part of a pattern: fits one character, or any number of them. */
type Part = '*' | ((character: string) => boolean)

/** In time proportional to both lengths: a pattern with many stars cannot stop the server, as an expression could. */
function matches(path: string, pattern: string): boolean {
  const parts = partsOf(pattern)
  const characters = [...path]
  let [at, part] = [0, 0]
  let star: { at: number; part: number } | undefined
  while (at < characters.length) {
    const wanted = parts[part]
    if (wanted === '*') {
      star = { at, part }
      part += 1
    } else if (wanted?.(characters[at] ?? '') === true) {
      at += 1
      part += 1
    } else if (star !== undefined) {
      star = { at: star.at + 1, part: star.part }
      at = star.at
      part = star.part + 1
    } else return false
  }
  return parts.slice(part).every((rest) => rest === '*')
}

function partsOf(pattern: string): readonly Part[] {
  const characters = [...pattern]
  const parts: Part[] = []
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at] ?? ''
    const end = character === '[' ? characters.indexOf(']', at + (characters[at + 1] === '!' ? 3 : 2)) : -1
    if (character === '*') parts.push('*')
    else if (character === '?') parts.push(() => true)
    else if (end === -1) parts.push((found) => found === character)
    else {
      parts.push(oneOf(characters.slice(at + 1, end)))
      at = end
    }
  }
  return parts
}

/** `[a-z]`, `[!0-9]` */
function oneOf(inside: readonly string[]): (character: string) => boolean {
  const isNegated = inside[0] === '!'
  const set = isNegated ? inside.slice(1) : inside
  return (character) => {
    for (let at = 0; at < set.length; at += 1) {
      const [from = '', dash, to] = set.slice(at, at + 3)
      const isRange = dash === '-' && to !== undefined
      if (isRange ? character >= from && character <= to : character === from) return !isNegated
      if (isRange) at += 2
    }
    return isNegated
  }
}
