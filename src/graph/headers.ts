/** Which headers of a request go on to its steps: KServe's patterns over Go's canonical names. */
import { goRegExp } from './go-regexp.ts'

/** Headers as they go out, names in Go's canonical form; a name may stand there more than once. */
export type HeaderList = readonly (readonly [name: string, value: string])[]

/** Headers as they came in, by name in any case. */
export type IncomingHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** Patterns that were read, and those that Go would not have taken: KServe drops them silently. */
export interface HeaderPatterns {
  readonly patterns: readonly RegExp[]
  readonly refused: readonly string[]
}

/** What describes the message or the connection, not the request: set anew for each call. */
const ownOfEachCall = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Reads `RouterHeadersPropagate`: Go regular expressions, unanchored, for canonical names (`X-Request-Id`). */
export function compileHeaderPatterns(texts: readonly string[]): HeaderPatterns {
  const patterns: RegExp[] = []
  const refused: string[] = []
  for (const text of texts) {
    const pattern = goRegExp(text)
    if (pattern instanceof RegExp) patterns.push(pattern)
    else refused.push(`failed to compile pattern ${JSON.stringify(text)}: error parsing regexp: ${pattern.error}`)
  }
  return { patterns, refused }
}

/** The headers of a call to a step: those that a pattern fits, and `Content-Type: application/json` where there is none. */
export function propagatedHeaders(headers: IncomingHeaders, { patterns }: HeaderPatterns): HeaderList {
  const list: [string, string][] = []
  if (patterns.length > 0) {
    for (const [key, value] of Object.entries(headers)) {
      if (value === undefined || ownOfEachCall.has(key.toLowerCase())) continue
      const name = canonicalName(key)
      if (!patterns.some((pattern) => pattern.test(name))) continue
      for (const one of typeof value === 'string' ? [value] : value) list.push([name, one])
    }
  }
  const type = list.findIndex(([name]) => name === 'Content-Type')
  if (type === -1) list.push(['Content-Type', 'application/json'])
  else if (list[type]?.[1] === '') list[type] = ['Content-Type', 'application/json']
  return list
}

/** A header's name as Go's `net/http` keeps it: `x-request-id` is `X-Request-Id`. Names with odd characters stay. */
export function canonicalName(name: string): string {
  if (!/^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/.test(name)) return name
  return name.toLowerCase().replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => dash + letter.toUpperCase())
}
