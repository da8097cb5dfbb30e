/** The text of a LightGBM model: its head and its trees as names and values. */
import { refused } from './refused.ts'

export type Section = ReadonlyMap<string, string>

export interface LightgbmText {
  readonly head: Section
  readonly trees: readonly Section[]
}

/**
 * @param text begins with `tree`
 * @throws InferenceError `failed_precondition` where it is no such text, or cut short
 */
export function parseLightgbm(text: string): LightgbmText {
  const lines = text.split('\n')
  if (lines[0]?.trim() !== 'tree') throw refused("it is no LightGBM text: its first line must be 'tree'")
  const head = new Map<string, string>()
  const trees: Section[] = []
  let section: Map<string, string> = head
  let hasEnd = false
  for (const line of lines.slice(1).map((entry) => entry.trim())) {
    // LightGBM 2.0 had no end of trees, but what follows it.
    hasEnd = line === 'end of trees' || /^feature.importances:/.test(line)
    if (hasEnd) break
    const equals = line.indexOf('=')
    const name = equals === -1 ? line : line.slice(0, equals)
    const value = equals === -1 ? '' : line.slice(equals + 1)
    if (name === 'Tree') {
      if (value !== String(trees.length)) throw refused(`tree ${trees.length} is missing: 'Tree=${value}' stands there`)
      section = new Map()
      trees.push(section)
    } else if (name !== '') section.set(name, value)
  }
  const sizes = head.get('tree_sizes')
  const declared = sizes === undefined ? trees.length : sizes.split(' ').filter((size) => size !== '').length
  if (declared !== trees.length || !hasEnd) {
    const end = hasEnd ? '' : ", and no line 'end of trees'"
    throw refused(`it is cut short: ${trees.length} trees of ${declared}${end}. Copy or download it again`)
  }
  return { head, trees }
}

/**
 * A list of numbers.
 *
 * @throws InferenceError `failed_precondition` where it is missing, of another length, or no numbers
 */
export function numbersIn(section: Section, name: string, where: string, length: number): Float64Array {
  const parts = (section.get(name) ?? '').split(' ').filter((part) => part !== '')
  if (parts.length !== length) throw refused(`${where}.${name} has ${parts.length} elements instead of ${length}`)
  const values = Float64Array.from(parts, (part) => numberIn(part))
  const index = values.findIndex(Number.isNaN)
  if (index !== -1) throw refused(`${where}.${name}[${index}] is '${parts[index]}', not a number`)
  return values
}

function numberIn(text: string): number {
  const lower = text.toLowerCase()
  if (lower === 'inf') return Infinity
  return lower === '-inf' ? -Infinity : Number(text)
}
