/** Where something stands in a manifest: paths from the top of a document, told as file and line. */
import { isAlias, isMap, isNode, isSeq, type Document, type LineCounter } from 'yaml'
import type { SpecPath } from '../graph/index.ts'

/** Where a path from the top of a document stands: `isvc.yaml:12`. */
export type Where = (path: SpecPath) => string

/** The line of the deepest part of `path` that the document has; of the key itself where the last part is a key. */
export function lineOf(path: SpecPath, document: Document, lines: LineCounter): number {
  let node: unknown = document.contents
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document)
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isNode(key) && String(key) === String(part))
      if (pair === undefined) break
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset
      node = pair.value
    } else if (isSeq(node)) {
      node = node.items[Number(part)]
      if (!isNode(node)) break
      offset = node.range?.[0] ?? offset
    } else break
  }
  return lines.linePos(offset).line
}

/** `spec.predictor.containers[0].image` */
export function nameOf(path: SpecPath): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`))
    .join('')
    .replace(/^\./, '')
}
