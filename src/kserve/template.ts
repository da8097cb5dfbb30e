/** Go's `{{.Name}}` in the container of a ServingRuntime, filled in from the InferenceService. */

/** What a template may name: KServe fills in from the service's metadata. */
export interface TemplateData {
  readonly name: string
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export interface Filled {
  readonly text: string
  /** What is wrong with the template. */
  readonly error?: string
  /** What it names and is not there. */
  readonly missing?: string
}

/** What Go writes for a key that a map does not have. */
const noValue = '<no value>'

const action = /(\s*)\{\{(-\s)?([\s\S]*?)(\s-)?\}\}(\s*)/g
const fieldOf = /^\.(Name|Namespace|(?:Labels|Annotations)\.[A-Za-z_]\w*)$/
const indexOf = /^index \.(Labels|Annotations) "([^"\\]*)"$/

/**
 * Fills in a text: `.Name`, `.Namespace`, `.Labels.x`, `.Annotations.x`, `index .Labels "a.b/c"`, with Go's trimming `{{-` and
 * `-}}`. More of Go's template language is an error.
 */
export function fillTemplate(text: string, data: TemplateData): Filled {
  let error: string | undefined
  let missing: string | undefined
  const filled = text.replace(
    action,
    (whole, before: string, left: string | undefined, inside: string, right: string | undefined, after: string) => {
      const path = inside.trim()
      if (/^\/\*[\s\S]*\*\/$/.test(path))
        return `${left === undefined ? before : ''}${right === undefined ? after : ''}`
      const value = valueOf(path, data)
      if (value === undefined) {
        error ??= `{{${path}}} is not understood: there are .Name, .Namespace, .Labels.x, .Annotations.x`
        return whole
      }
      if (value === null) missing ??= path
      return `${left === undefined ? before : ''}${value ?? noValue}${right === undefined ? after : ''}`
    },
  )
  if (error === undefined && filled.includes('{{') && !filled.includes('}}')) error = "'{{' is not closed by '}}'"
  return { text: filled, ...(error === undefined ? {} : { error }), ...(missing === undefined ? {} : { missing }) }
}

/** @returns null for what is not there, undefined for what is no field */
function valueOf(path: string, { name, namespace, labels, annotations }: TemplateData): string | null | undefined {
  const [, field] = fieldOf.exec(path) ?? []
  if (field === 'Name') return name
  if (field === 'Namespace') return namespace
  const [map, key] = field?.split('.') ?? indexOf.exec(path)?.slice(1) ?? []
  if (map === undefined || key === undefined) return undefined
  const values = map === 'Labels' ? labels : annotations
  return Object.hasOwn(values, key) ? (values[key] ?? null) : null
}
