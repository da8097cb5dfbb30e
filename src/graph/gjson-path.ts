/** GJSON paths, read once: what a path means to an object, to an array, and as a whole. */
import { isModifier } from './gjson-modifiers.ts'
import type { ModifierName } from './gjson-modifiers.ts'
import { brokenQuery, parseQuery } from './gjson-query.ts'
import type { Query } from './gjson-query.ts'
import { endOfContainer } from './gjson-scan.ts'
import { indexOfAny, keyOf, readArgument, splitMultipath, splitPipe } from './gjson-split.ts'

/** What a path does before any key of it is looked up. */
export type Head =
  | { readonly kind: 'plain'; readonly path: Path }
  | { readonly kind: 'lines'; readonly path: Path }
  | { readonly kind: 'modifier'; readonly name: ModifierName; readonly argument: Path; readonly next: Path | undefined }
  | { readonly kind: 'literal'; readonly raw: string; readonly next: Path | undefined }
  | { readonly kind: 'array' | 'object'; readonly parts: readonly Part[]; readonly next: Path | undefined }

/** One path of a multipath; `key` is its JSON string in an object. */
export interface Part {
  readonly key: string
  readonly path: Path
}

/** `next` goes on within the value that was found, `pipe` begins anew with it. At most one of them is there. */
interface Rest {
  readonly next?: Path
  readonly pipe?: Path
}

export interface ObjectStep extends Rest {
  readonly key: string
  readonly isPattern: boolean
}

export interface ArrayStep extends Rest {
  /** -1 where the step is no index. */
  readonly index: number
  /** `#` alone: the count, or with `each` what that path finds in each element. */
  readonly isCount: boolean
  /** Behind `#` or a query: looked up in each element that counts; `pipe` takes the whole result. */
  readonly each?: { readonly path: Path; readonly pipe?: Path }
  readonly query?: Query & { readonly at: Path }
  readonly isAll: boolean
}

/** A path, or what is left of one. Its readings are made on first use and kept. */
export class Path {
  readonly text: string
  #head: Head | undefined
  #object: ObjectStep | undefined
  #array: ArrayStep | undefined

  constructor(text: string) {
    this.text = text
  }

  get head(): Head {
    return (this.#head ??= readHead(this))
  }

  get object(): ObjectStep {
    return (this.#object ??= readObjectStep(this.text))
  }

  get array(): ArrayStep {
    return (this.#array ??= readArrayStep(this.text))
  }
}

function readHead(path: Path): Head {
  const { text } = path
  const plain: Head = { kind: 'plain', path }
  if (text.startsWith('..')) return { kind: 'lines', path: new Path(text.slice(2)) }
  if (text.length < 2) return plain
  switch (text.charAt(0)) {
    case '@':
      return readModifier(text) ?? plain
    case '!':
      return readLiteral(text) ?? plain
    case '[':
    case '{':
      return readMultipath(text)
    default:
      return plain
  }
}

/** What follows a modifier, a literal or a multipath. Anything but `.` and `|` is not looked at. */
function after(rest: string): Path | undefined {
  return rest.startsWith('.') || rest.startsWith('|') ? new Path(rest.slice(1)) : undefined
}

function readModifier(text: string): Head | undefined {
  const nameEnd = indexOfAny(text, ':|.', 1)
  const name = text.slice(1, nameEnd)
  if (!isModifier(name)) return undefined
  if (text[nameEnd] !== ':') return { kind: 'modifier', name, argument: new Path(''), next: after(text.slice(nameEnd)) }
  const rest = text.slice(nameEnd + 1)
  const argument = readArgument(rest)
  return { kind: 'modifier', name, argument: new Path(argument), next: after(rest.slice(argument.length)) }
}

function readLiteral(text: string): Head | undefined {
  const body = text.slice(1)
  if (/^[{["+\-\d]/.test(body)) {
    const raw = body.slice(0, endOfContainer(body, 0))
    return { kind: 'literal', raw, next: after(body.slice(raw.length)) }
  }
  const end = indexOfAny(body, '|.', 0)
  const word = body.slice(0, end)
  if (!/^(true|false|null|nan|inf)$/i.test(word)) return undefined
  return { kind: 'literal', raw: word, next: after(body.slice(end)) }
}

/** A multipath that does not close is the key '', and one that something else follows is nothing but that. */
function readMultipath(text: string): Head {
  const found = splitMultipath(text)
  if (found === undefined || !/^([.|]|$)/.test(found.rest)) {
    return { kind: 'plain', path: new Path(found?.rest ?? '') }
  }
  const parts = found.parts.map(({ name, path }) => ({ key: keyOf(name, path), path: new Path(path) }))
  return { kind: text.startsWith('[') ? 'array' : 'object', parts, next: after(found.rest) }
}

function readObjectStep(text: string): ObjectStep {
  let key = ''
  let isPattern = false
  for (let pos = 0; pos < text.length; pos += 1) {
    const char = text.charAt(pos)
    if (char === '\\') {
      pos += 1
      key += text.charAt(pos)
    } else if (char === '|') return { key, isPattern, pipe: new Path(text.slice(pos + 1)) }
    else if (char === '.') return { key, isPattern, ...afterDot(text.slice(pos + 1)) }
    else {
      isPattern ||= char === '*' || char === '?'
      key += char
    }
  }
  return { key, isPattern }
}

/** A modifier or a multipath behind a dot begins anew, as behind a pipe. */
function afterDot(rest: string): Rest {
  return isFresh(rest) ? { pipe: new Path(rest) } : { next: new Path(rest) }
}

function isFresh(rest: string): boolean {
  if (rest.startsWith('@')) return isModifier(rest.slice(1, indexOfAny(rest, '.|:', 1)))
  return rest.startsWith('[') || rest.startsWith('{')
}

function readArrayStep(text: string): ArrayStep {
  let hasHash = text.startsWith('#')
  let pos = 0
  let query: ArrayStep['query']
  let isAll = false
  if (/^#[([]/.test(text)) {
    const found = parseQuery(text)
    if (found === undefined) {
      return { index: -1, isCount: false, query: { ...brokenQuery, at: new Path('') }, isAll: false }
    }
    query = { ...found.query, at: new Path(found.query.path) }
    isAll = text[found.length] === '#'
    pos = found.length
  }
  while (pos < text.length && text[pos] !== '|' && text[pos] !== '.') {
    hasHash ||= text[pos] === '#'
    pos += 1
  }
  const part = text.slice(0, pos)
  const rest = text.slice(pos + 1)
  const isCount = part === '#'
  const index = hasHash || !/^\d+$/.test(part) ? -1 : Number(part)
  const step = { index, isCount, isAll, ...(query === undefined ? {} : { query }) }
  if (pos >= text.length) return step
  if (text[pos] === '|') return { ...step, pipe: new Path(rest) }
  if (!hasHash) return { ...step, ...afterDot(rest) }
  const { path, pipe } = splitPipe(rest)
  return { ...step, each: { path: new Path(path), ...(pipe === undefined ? {} : { pipe: new Path(pipe) }) } }
}
