/** A file of several manifests as single ones, each with the lines that it has in the file. */
import { parseAllDocuments, stringify } from 'yaml'
import { InferenceError } from '../core/errors.ts'
import { parseDocuments, type SourceDocument } from './documents.ts'
import { resourceNamed, type ResourceKind } from './resources.ts'

export interface SplitDocument {
  readonly kind: ResourceKind
  readonly name: string
  /** `default` where the document names none. */
  readonly namespace: string
  /** YAML of this object alone. */
  readonly text: string
}

/**
 * @param file for messages
 * @throws InferenceError `invalid_argument` with file and line where it cannot be read or holds something else
 */
export function splitDocuments(text: string, file: string): readonly SplitDocument[] {
  const documents = parseDocuments(text, file)
  // Hostile texts were refused above.
  const nodes = parseAllDocuments(text, { merge: true, logLevel: 'silent' })
  const isSingle = Array.isArray(nodes) && nodes.filter(({ contents }) => contents !== null).length === documents.length
  const filled = Array.isArray(nodes) ? nodes.filter(({ contents }) => contents !== null) : []
  return documents.map((document, index) => {
    const head = headOf(document)
    const [start = 0, , end = text.length] = filled[index]?.contents?.range ?? []
    if (!isSingle) return { ...head, text: stringify(document.value) }
    const before = text.slice(0, start)
    // Blank lines in place of what came before keep the numbers of the lines.
    const lineStart = before.lastIndexOf('\n') + 1
    const lines = '\n'.repeat(before.split('\n').length - 1)
    return { ...head, text: `${lines}${' '.repeat(start - lineStart)}${text.slice(start, end)}` }
  })
}

function headOf({ value, where }: SourceDocument): Omit<SplitDocument, 'text'> {
  if (typeof value !== 'object' || value === null || !('kind' in value)) {
    throw invalid(`${where([])}: is no manifest: it has no apiVersion and kind`)
  }
  const resource = typeof value.kind === 'string' ? resourceNamed(value.kind) : undefined
  if (resource === undefined || resource.kind !== value.kind) {
    throw invalid(`${where(['kind'])}: kind: ${JSON.stringify(value.kind)} cannot be applied here`)
  }
  const metadata = 'metadata' in value ? value.metadata : undefined
  const fields = typeof metadata === 'object' && metadata !== null ? metadata : {}
  const name = 'name' in fields ? fields.name : undefined
  const namespace = 'namespace' in fields ? fields.namespace : undefined
  if (typeof name !== 'string' || name === '') throw invalid(`${where(['metadata'])}: metadata.name: is missing`)
  return { kind: resource.kind, name, namespace: typeof namespace === 'string' ? namespace : 'default' }
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
