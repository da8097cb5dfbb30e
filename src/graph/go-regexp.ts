/** Go's regular expressions (RE2) as JavaScript's, and the refusal of what only one of them knows. */

const posixClasses: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7F',
  blank: '\\t ',
  cntrl: '\\x00-\\x1F\\x7F',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
}

/** The expression, or what is wrong with it in words close to Go's. */
export function goRegExp(pattern: string): RegExp | { readonly error: string } {
  const refused = refusalOf(pattern)
  if (refused !== undefined) return { error: refused }
  const { source, flags } = splitFlags(pattern)
  try {
    return new RegExp(translate(source), flags)
  } catch (reason) {
    return { error: reasonOf(pattern, reason) }
  }
}

/** What JavaScript takes and Go does not. */
function refusalOf(pattern: string): string | undefined {
  const bare = pattern.replace(/\\Q.*?(\\E|$)/gs, 'x').replace(/\\\\/g, 'x')
  const look = /\(\?(?:[=!]|<[=!])/.exec(bare)
  if (look !== null) return `invalid or unsupported Perl syntax: \`${look[0]}\``
  const escape = /\\(?:[1-9]|k|c|u|[G-OR-VYZeg-jl-moqy])/.exec(bare)
  if (escape !== null) return `invalid escape sequence: \`${escape[0]}\``
  const nested = /[*+?][*+]|[*+?]\?[*+?]|\{\d+(?:,\d*)?\}[*+]/.exec(
    bare.replace(/\\./g, 'x').replace(/\[[^\]]*\]/g, 'x'),
  )
  if (nested !== null) return `invalid nested repetition operator: \`${nested[0]}\``
  const count = /\{(\d+)(?:,(\d*))?\}/.exec(bare)
  if (count !== null && Math.max(Number(count[1]), Number(count[2] ?? 0)) > 1000) {
    return `invalid repeat count: \`${count[0]}\``
  }
  return undefined
}

/** Flags at the start, `(?i)`: those for a part of a pattern are unknown to JavaScript. */
function splitFlags(pattern: string): { readonly source: string; readonly flags: string } {
  const found = /^\(\?([ims]+)\)/.exec(pattern)
  const needsUnicode = /\\[pP]/.test(pattern) ? 'u' : ''
  if (found === null) return { source: pattern, flags: needsUnicode }
  return { source: pattern.slice(found[0].length), flags: [...new Set(`${found[1] ?? ''}${needsUnicode}`)].join('') }
}

function translate(source: string): string {
  return source
    .replace(/\\Q(.*?)(?:\\E|$)/gs, (_, text: string) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'))
    .replace(/\(\?P</g, '(?<')
    .replace(/\\A/g, '^')
    .replace(/\\z/g, '$')
    .replace(/\\([pP])([A-Z])/g, '\\$1{$2}')
    .replace(/\[:(\^?)(\w+):\]/g, (whole, negated: string, name: string) =>
      negated === '' ? (posixClasses[name] ?? whole) : whole,
    )
}

function reasonOf(pattern: string, reason: unknown): string {
  const repeated = /^[*+?]/.exec(pattern)
  if (repeated !== null) return `missing argument to repetition operator: \`${repeated[0]}\``
  const open = pattern.lastIndexOf('[')
  if (open !== -1 && !pattern.slice(open).includes(']')) return `missing closing ]: \`${pattern.slice(open)}\``
  const text = reason instanceof Error ? reason.message : String(reason)
  return text.replace(/^Invalid regular expression: \/.*\/[a-z]*: /s, '')
}
