/** Which compression an Accept-Encoding header asks for. */

export type Encoding = 'gzip' | 'deflate'

const known = new Map<string, Encoding | undefined>()
/** Clients send a handful of different headers; more than this is somebody trying. */
const knownMost = 100

/**
 * The best of gzip and deflate by their weights, gzip where they are equal; undefined where the caller takes neither,
 * or would rather have the body as it is (RFC 9110, 12.5.3).
 */
export function encodingFor(accepted: string | readonly string[]): Encoding | undefined {
  const header = typeof accepted === 'string' ? accepted : accepted.join(',')
  if (known.has(header)) return known.get(header)
  const encoding = choose(header)
  if (known.size < knownMost) known.set(header, encoding)
  return encoding
}

function choose(header: string): Encoding | undefined {
  const weights = new Map<string, number>()
  for (const part of header.split(',')) {
    const [name = '', ...parameters] = part.split(';')
    const key = name.trim().toLowerCase()
    if (key !== '') weights.set(key === 'x-gzip' ? 'gzip' : key, weightOf(parameters))
  }
  const others = weights.get('*') ?? 0
  const gzip = weights.get('gzip') ?? others
  const deflate = weights.get('deflate') ?? others
  const best = Math.max(gzip, deflate)
  if (best <= 0 || best < (weights.get('identity') ?? 0)) return undefined
  return gzip >= deflate ? 'gzip' : 'deflate'
}

function weightOf(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    const match = /^\s*q\s*=\s*(\d(?:\.\d*)?)\s*$/i.exec(parameter)
    if (match !== null) return Number(match[1])
  }
  return 1
}
