/** Looks at the keys of all maps of a YAML document in one pass: the library compares each with each, for minutes in a wide map. */
import { isNode, isScalar, visit, type Document } from 'yaml'

/** Options of the parser for documents that {@link keyMistake} looks at. */
export const parserOptions = { uniqueKeys: false } as const

/** Far above any map that somebody wrote. */
const maxKeys = 5000

export interface KeyMistake {
  /** In the text. */
  readonly offset: number
  readonly message: string
}

/** The first map with too many keys, or with one key twice; undefined where all is well. */
export function keyMistake(document: Document): KeyMistake | undefined {
  let found: KeyMistake | undefined
  visit(document, {
    Map: (_, { items, range }) => {
      if (items.length > maxKeys) {
        found = { offset: range?.[0] ?? 0, message: `has ${items.length} keys, a map may have ${maxKeys}` }
        return visit.BREAK
      }
      const seen = new Set<unknown>()
      for (const { key } of items) {
        if (!isScalar(key) || key.value === '<<') continue
        if (seen.has(key.value)) {
          found = { offset: isNode(key) ? (key.range?.[0] ?? 0) : 0, message: 'Map keys must be unique' }
          return visit.BREAK
        }
        seen.add(key.value)
      }
      return undefined
    },
  })
  return found
}
