/** Which headers pass a hop, in either direction. */
import type { Headers } from './wire.ts'

/** Of one connection (RFC 9110, 7.6.1), or about the body as this hop writes it. */
const hop =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|host|expect|content-.*|accept-encoding|inference-header-content-length|grpc-.*|user-agent|:.*)$/

/** They are for this server: handed on only where they are named letter by letter. */
const credentials = /^(authorization|cookie|set-cookie|x-api-key|api-key|x-auth-.*|x-amz-security-token)$/

/** Takes headers that may pass. */
export type HeaderFilter = (headers: Headers) => Headers

/** @param patterns names in any case; `*` stands for any letters, but never for credentials */
export function headerFilter(patterns: readonly string[]): HeaderFilter {
  const names = new Set<string>()
  const wild: RegExp[] = []
  for (const pattern of patterns.map((text) => text.toLowerCase())) {
    if (pattern.includes('*')) wild.push(wildcard(pattern))
    else if (!hop.test(pattern)) names.add(pattern)
  }
  const passes = (name: string): boolean =>
    names.has(name) || (!hop.test(name) && !credentials.test(name) && wild.some((pattern) => pattern.test(name)))
  if (wild.length === 0) return (headers) => pick(headers, names)
  return (headers) => Object.fromEntries(Object.entries(headers).filter(([name]) => passes(name)))
}

/** The same object wherever nothing passes. */
const none: Headers = Object.freeze({})

function pick(headers: Headers, names: ReadonlySet<string>): Headers {
  let picked: Record<string, string> | undefined
  for (const name of names) {
    const value = headers[name]
    if (value !== undefined) (picked ??= {})[name] = value
  }
  return picked ?? none
}

function wildcard(pattern: string): RegExp {
  const parts = pattern.split('*').map((part) => part.replace(/[^a-z0-9_-]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`)
}
