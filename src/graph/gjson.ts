/**
 * GJSON paths as KServe's router tests them (tidwall/gjson v1.18.0). A path is read once and looked up in JSON text
 * without building the values around what it leads to.
 */
import { applyModifier } from './gjson-modifiers.ts'
import { Path } from './gjson-path.ts'
import type { ArrayStep, ObjectStep, Part } from './gjson-path.ts'
import { meets } from './gjson-query.ts'
import { endOfString, unescape } from './gjson-scan.ts'
import { matchesPattern } from './gjson-match.ts'
import { endOfValue, exists, kindAt, missing, parseValue, startOfValue } from './gjson-value.ts'
import type { Kind, Value } from './gjson-value.ts'

export { isValidJson } from './gjson-valid.ts'

/** A path that was read. */
export interface GjsonPath {
  readonly text: string
  /** True where the path leads to a value: false, null and 0 count. The JSON must be valid. */
  exists(json: string): boolean
  /** The JSON text of what the path leads to; undefined where that is nothing. */
  get(json: string): string | undefined
}

/** Reads a path. Every text is one: what makes no sense to GJSON is the name of a key. */
export function compileGjson(text: string): GjsonPath {
  const path = new Path(text)
  return {
    text,
    exists: (json) => exists(lookUp(json, path)),
    get: (json) => {
      const value = lookUp(json, path)
      return exists(value) ? value.raw : undefined
    },
  }
}

function lookUp(json: string, path: Path): Value {
  const { head } = path
  switch (head.kind) {
    case 'modifier': {
      const out = applyModifier(head.name, json, head.argument.text, (raw) => lookUp(raw, head.argument))
      return head.next === undefined ? parseValue(out) : lookUp(out, head.next)
    }
    case 'literal':
      return head.next === undefined ? parseValue(head.raw) : lookUp(head.raw, head.next)
    case 'array':
    case 'object': {
      const raw = collect(json, head.kind, head.parts)
      return head.next === undefined ? { kind: 'json', raw } : lookUp(raw, head.next)
    }
    case 'lines':
      return new Search(json).run(head.path, 0, true)
    case 'plain': {
      const start = json.search(/[[{]/)
      return new Search(json).run(head.path, start === -1 ? json.length : start, false)
    }
  }
}

function collect(json: string, kind: 'array' | 'object', parts: readonly Part[]): string {
  const found: string[] = []
  for (const { key, path } of parts) {
    const value = lookUp(json, path)
    if (!exists(value)) continue
    found.push(kind === 'array' ? value.raw : `${key}:${value.raw}`)
  }
  return kind === 'array' ? `[${found.join(',')}]` : `{${found.join(',')}}`
}

/** One walk through a text: what was found, and the path that what was found goes on with. */
class Search {
  readonly #text: string
  #pos = 0
  #value: Value = missing
  #pipe: Path | undefined

  constructor(text: string) {
    this.#text = text
  }

  /** @param isLines the whole text is the inside of an array */
  run(path: Path, start: number, isLines: boolean): Value {
    const opener = this.#text.charCodeAt(start)
    this.#pos = isLines ? start : start + 1
    if (isLines || opener === 0x5b) this.#inArray(path.array)
    else if (opener === 0x7b) this.#inObject(path.object)
    return this.#pipe === undefined ? this.#value : lookUp(this.#value.raw, this.#pipe)
  }

  /** @returns true where the search is over */
  #inObject(step: ObjectStep): boolean {
    if (step.pipe !== undefined) this.#pipe = step.pipe
    const text = this.#text
    for (;;) {
      const key = this.#nextKey()
      if (key === -1) return false
      const end = endOfString(text, key)
      const isWanted = fits(step, text, key, end - 1)
      const start = startOfValue(text, end)
      const kind = kindAt(text, start)
      if (kind === undefined) return this.#skip(text.length)
      if (isWanted ? this.#take(step.next, kind, start) : this.#skip(endOfValue(text, start, kind))) return true
    }
  }

  /** Where the next key starts, behind its quote; -1 at the end of the object. */
  #nextKey(): number {
    const text = this.#text
    for (; this.#pos < text.length; this.#pos += 1) {
      const code = text.charCodeAt(this.#pos)
      if (code === 0x22) return this.#pos + 1
      if (code === 0x7d) {
        this.#pos += 1
        return -1
      }
    }
    return -1
  }

  /** Ends the search with a value, or goes on within it. @returns true where the search is over */
  #take(next: Path | undefined, kind: Kind, start: number): boolean {
    const text = this.#text
    if (next === undefined) {
      this.#pos = endOfValue(text, start, kind)
      this.#value = { kind, raw: text.slice(start, this.#pos) }
      return true
    }
    if (kind !== 'json') return this.#skip(endOfValue(text, start, kind))
    this.#pos = start + 1
    return text.charCodeAt(start) === 0x7b ? this.#inObject(next.object) : this.#inArray(next.array)
  }

  #skip(end: number): false {
    this.#pos = end
    return false
  }

  /** @returns true where the search is over */
  #inArray(step: ArrayStep): boolean {
    if (step.pipe !== undefined) this.#pipe = step.pipe
    const text = this.#text
    const found: string[] = []
    for (let index = 0; ;) {
      const start = this.#pos
      const kind = start < text.length ? kindAt(text, start) : undefined
      if (kind === undefined) {
        if (start >= text.length || text.charCodeAt(start) === 0x5d) return this.#endArray(step, index, found)
        this.#pos = start + 1
        continue
      }
      if (index === step.index) {
        if (this.#take(step.next, kind, start)) return true
      } else {
        const end = endOfValue(text, start, kind)
        this.#pos = end
        if (step.query !== undefined) {
          if (this.#ask(step, step.query.at, { kind, raw: text.slice(start, end) }, found)) return true
        } else if (step.isCount && step.each !== undefined) this.#gather(step.each.path, text.slice(start, end), found)
      }
      index += 1
    }
  }

  /** Asks one element a query. @returns true where the element ends the search */
  #ask(step: ArrayStep, at: Path, element: Value, found: string[]): boolean {
    const { query, each } = step
    if (query === undefined || (element.kind !== 'json' && query.path !== '')) return false
    if (!meets(query, element.kind === 'json' ? lookUp(element.raw, at) : element)) return false
    if (each?.pipe !== undefined) this.#pipe = each.pipe
    const value = each === undefined ? element : lookUp(element.raw, each.path)
    if (!step.isAll) {
      this.#value = value
      return true
    }
    if (value.raw !== '') found.push(value.raw)
    return false
  }

  #gather(path: Path, element: string, found: string[]): void {
    const value = lookUp(element, path)
    if (exists(value)) found.push(value.raw)
  }

  #endArray(step: ArrayStep, count: number, found: readonly string[]): boolean {
    this.#pos += 1
    if (step.isCount) {
      if (step.each === undefined) this.#value = { kind: 'number', raw: String(count) }
      else {
        if (step.each.pipe !== undefined) this.#pipe = step.each.pipe
        this.#value = { kind: 'json', raw: `[${found.join(',')}]` }
      }
      return true
    }
    if (step.isAll && !exists(this.#value)) this.#value = { kind: 'json', raw: `[${found.join(',')}]` }
    return false
  }
}

/** True where the key between two positions is the wanted one. */
function fits(step: ObjectStep, text: string, start: number, end: number): boolean {
  const wanted = step.key
  if (!step.isPattern && end - start === wanted.length && text.startsWith(wanted, start) && !wanted.includes('\\')) {
    return true
  }
  if (!step.isPattern && end - start <= wanted.length) return false // escapes only make a key longer
  const raw = text.slice(start, end)
  if (step.isPattern) return matchesPattern(unescape(raw), wanted)
  return raw.includes('\\') && unescape(raw) === wanted
}
