/** The documents of a YAML or JSON file: hostile ones are refused with file and line. */
import { Composer, isAlias, Lexer, LineCounter, Parser, visit, type CST, type Document } from 'yaml'
import { InferenceError } from '../core/errors.ts'
import { keyMistake, parserOptions } from '../repository/map-keys.ts'
import { lineOf, type Where } from './place.ts'

/** Far above any manifest; what is larger is another kind of file. */
const maxCharacters = 4_000_000
/** Aliases may repeat a part of a document this often: enough to share a pod's fields, too few for a bomb. */
const maxAliases = 100
const maxDocuments = 1000
/** The parser's recursion ends the process where the stack does, so depth is looked at before it. */
const maxDepth = 200

/** One document, or one item of a List. */
export interface SourceDocument {
  readonly file: string
  readonly value: unknown
  readonly where: Where
}

/**
 * Reads all documents of a file. Empty ones are left out; the items of a `List`, as kubectl writes it, are told apart.
 *
 * @param file for messages
 * @throws InferenceError `invalid_argument` with file and line; no text of the file is repeated, it may hold secrets
 */
export function parseDocuments(text: string, file: string): readonly SourceDocument[] {
  if (text.length > maxCharacters) {
    throw invalid(`${file}:1: has ${text.length} characters, a file of manifests may have ${maxCharacters}`)
  }
  const lines = new LineCounter()
  const composer = new Composer({ ...parserOptions, prettyErrors: false, merge: true, logLevel: 'silent' })
  const documents = [...composer.compose(tokensOf(text, file, lines))]
  if (documents.length > maxDocuments) {
    throw invalid(`${file}:1: holds ${documents.length} documents, a file of manifests may hold ${maxDocuments}`)
  }
  return documents.flatMap((document) => {
    const [error] = document.errors
    if (error !== undefined) {
      throw invalid(`${file}:${lines.linePos(error.pos[0]).line}: ${withoutSource(error.message)}`)
    }
    const mistake = keyMistake(document)
    if (mistake !== undefined) throw invalid(`${file}:${lines.linePos(mistake.offset).line}: ${mistake.message}`)
    const value = plainOf(document, file, lines)
    return itemsOf({ file, value, where: (path) => `${file}:${lineOf(path, document, lines)}` })
  })
}

function* tokensOf(text: string, file: string, lines: LineCounter): Generator<CST.Token, void> {
  const parser = new Parser(lines.addNewLine)
  lines.addNewLine(0)
  for (const lexeme of new Lexer().lex(text)) {
    yield* parser.next(lexeme)
    if (parser.stack.length > maxDepth) {
      throw invalid(`${file}:${lines.linePos(parser.offset).line}: is nested too deeply, at most ${maxDepth} levels`)
    }
  }
  yield* parser.end()
}

function plainOf(document: Document, file: string, lines: LineCounter): unknown {
  try {
    return withoutNulls(document.toJS({ maxAliasCount: maxAliases }))
  } catch {
    let line = 1
    let isUnresolved = false
    visit(document, {
      Alias: (_, alias) => {
        line = lines.linePos(alias.range?.[0] ?? 0).line
        isUnresolved = !isAlias(alias) || alias.resolve(document) === undefined
        return isUnresolved ? visit.BREAK : undefined
      },
    })
    const why = isUnresolved ? 'an alias names no anchor' : 'its aliases repeat too much'
    throw invalid(`${file}:${line}: ${why}`)
  }
}

/** A field that is null is one that is not there, as Kubernetes has it. What aliases share stays shared. */
function withoutNulls(value: unknown, seen = new Map<object, unknown>()): unknown {
  if (typeof value !== 'object' || value === null) return value
  const known = seen.get(value)
  if (known !== undefined) return known
  const clean: unknown = Array.isArray(value)
    ? value.map((item) => withoutNulls(item, seen))
    : Object.fromEntries(
        Object.entries(value).flatMap(([key, item]) => (item === null ? [] : [[key, withoutNulls(item, seen)]])),
      )
  seen.set(value, clean)
  return clean
}

function itemsOf(document: SourceDocument): readonly SourceDocument[] {
  const { file, value, where } = document
  if (value === null || value === undefined) return []
  if (typeof value !== 'object' || !('kind' in value && 'items' in value)) return [document]
  if (value.kind !== 'List' || !Array.isArray(value.items)) return [document]
  const items: readonly unknown[] = value.items
  return items.map((item, index) => ({ file, value: item, where: (path) => where(['items', index, ...path]) }))
}

/** The parser's messages quote what they complain about after a colon. */
function withoutSource(message: string): string {
  if (message.startsWith('The : indicator')) return 'a key is too long, it may have 1024 characters'
  return message.split(/: |\n/)[0] ?? 'cannot be read'
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
