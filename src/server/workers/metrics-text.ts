/** Prometheus' text format, read into families of samples and written again. */

/** Names and values of labels, in the order of their text. */
export type Labels = ReadonlyMap<string, string>

export interface Sample {
  /** With the suffix that a histogram's parts have. */
  readonly name: string
  readonly labels: Labels
  readonly value: number
}

export interface Family {
  readonly name: string
  readonly help: string
  /** `counter`, `gauge`, `histogram`, `summary` or `untyped`. */
  readonly type: string
  readonly samples: readonly Sample[]
}

/** Lines that are none of the format are left out; samples without a TYPE line make untyped families. */
export function parseMetrics(text: string): readonly Family[] {
  const helps = new Map<string, string>()
  const types = new Map<string, string>()
  const samples = new Map<string, Sample[]>()
  for (const line of text.split('\n')) {
    const [, comment, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? []
    if (comment !== undefined) (comment === 'HELP' ? helps : types).set(name, rest)
    if (comment !== undefined || line.startsWith('#')) continue
    const sample = parseSample(line)
    if (sample === undefined) continue
    const family = familyOf(sample.name, types)
    samples.set(family, [...(samples.get(family) ?? []), sample])
  }
  const names = new Set([...types.keys(), ...samples.keys()])
  return [...names].map((name) => ({
    name,
    help: helps.get(name) ?? '',
    type: types.get(name) ?? 'untyped',
    samples: samples.get(name) ?? [],
  }))
}

export function formatMetrics(families: readonly Family[]): string {
  const lines = families.flatMap(({ name, help, type, samples }) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...samples.map(formatSample),
    '',
  ])
  return lines.join('\n')
}

/** `name{label="value",…} 1` → its parts; a timestamp is dropped. */
function parseSample(line: string): Sample | undefined {
  const [, name, labelText = '', value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: -?\d+)?$/.exec(line) ?? []
  if (name === undefined || value === undefined) return undefined
  const labels = new Map<string, string>()
  for (const [, label = '', escaped = ''] of labelText.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g)) {
    labels.set(label, escaped)
  }
  return { name, labels, value: numberOf(value) }
}

function numberOf(text: string): number {
  if (text === '+Inf') return Infinity
  if (text === '-Inf') return -Infinity
  return Number(text)
}

/** Values of labels stay escaped throughout. */
function formatSample({ name, labels, value }: Sample): string {
  const text = [...labels].map(([label, escaped]) => `${label}="${escaped}"`).join(',')
  return `${name}${text === '' ? '' : `{${text}}`} ${valueText(value)}`
}

function valueText(value: number): string {
  if (value === Infinity) return '+Inf'
  if (value === -Infinity) return '-Inf'
  return Number.isNaN(value) ? 'NaN' : String(value)
}

/** `x_bucket` belongs to the histogram `x`, where there is one. */
function familyOf(name: string, types: ReadonlyMap<string, string>): string {
  if (types.has(name)) return name
  const base = name.replace(/_(bucket|sum|count|total|created)$/, '')
  return types.has(base) ? base : name
}
