/** Reads Triton's `config.pbtxt`, or the same as JSON. Every complaint names the file, the line and the field. */
import { readFile, stat } from 'node:fs/promises'
import type { z } from 'zod'
import { parseTextProto, type TextMessage, type TextValue } from '../../codec/text-proto.ts'
import { InferenceError } from '../../core/errors.ts'
import { nearest } from '../../core/nearest.ts'
import { mapFields, refusedFields, repeatedFields, tritonConfigSchema, type TritonConfig } from './config-schema.ts'

export const configName = 'config.pbtxt'

/** Far above any configuration; keeps a wrong file from being read into memory. */
const maxBytes = 1_000_000

/** @throws InferenceError `invalid_argument` with every complaint in one line */
export async function readTritonConfig(path: string): Promise<TritonConfig> {
  const { size } = await stat(path)
  if (size > maxBytes) throw invalid(`${path}: is ${size} bytes long; a ${configName} may have ${maxBytes}`)
  return parseTritonConfig(await readFile(path, 'utf8'), path)
}

/** @throws InferenceError `invalid_argument` with every complaint in one line */
export function parseTritonConfig(text: string, path: string): TritonConfig {
  const lines = new Map<string, number>()
  const value = objectOf(parseTextProto(text, path), { path, key: '', lines })
  return checked(value, (key) => `${path}:${lineOf(key, lines)}`)
}

/** The same from JSON, as callers of the repository API send it. @throws InferenceError `invalid_argument` */
export function tritonConfigOf(json: unknown, source: string): TritonConfig {
  return checked(json, () => source)
}

function checked(value: unknown, where: (key: readonly PropertyKey[]) => string): TritonConfig {
  const parsed = tritonConfigSchema.safeParse(value)
  const complaints = parsed.success ? [] : parsed.error.issues.flatMap((issue) => complaintsOf(issue, where))
  const config = parsed.data ?? {}
  for (const [field, reason] of Object.entries(refusedFields)) {
    if (Reflect.get(config, field) !== undefined) complaints.push(`${where([field])}: '${field}': ${reason}`)
  }
  if (parsed.success && complaints.length === 0) return parsed.data
  throw invalid(complaints.join('; '))
}

function complaintsOf(issue: z.core.$ZodIssue, where: (key: readonly PropertyKey[]) => string): readonly string[] {
  const { path } = issue
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const meant = nearest(key, Object.keys(tritonConfigSchema.shape))
      const hint = path.length > 0 || meant === undefined ? '' : `; did you mean '${meant}'?`
      return `${where([...path, key])}: unknown field '${[...path, key].join('.')}'${hint}`
    })
  }
  if (issue.code === 'invalid_union') {
    return [`${where(path)}: '${path.join('.')}': expected one of latest, all and specific`]
  }
  const name = path.length === 0 ? 'the configuration' : `'${path.join('.')}'`
  return [`${where(path)}: ${name}: ${issue.message.replace(/^Invalid input: /, '')}`]
}

interface Place {
  readonly path: string
  /** Names and indices to the message, with a dot behind. */
  readonly key: string
  /** Of every value, by names and indices with dots between. */
  readonly lines: Map<string, number>
}

function objectOf(message: TextMessage, { path, key, lines }: Place): Record<string, unknown> {
  const object: Record<string, unknown> = Object.create(null) as Record<string, unknown> // nothing is inherited
  for (const { name, line, value } of message.fields) {
    const place = `${key}${name}`
    lines.set(place, lines.get(place) ?? line)
    if (mapFields.has(name)) {
      const entry = valueOf(value, { path, key: `${place}.`, lines })
      if (typeof entry !== 'object' || entry === null || !('key' in entry)) {
        throw invalid(`${path}:${line}: '${place}': expected { key: … value: … }`)
      }
      const map = (object[name] ??= {}) as Record<string, unknown> // made here
      map[String(entry.key)] = 'value' in entry ? entry.value : {}
    } else if (repeatedFields.has(name)) {
      const list = (object[name] ??= []) as unknown[] // made here
      lines.set(`${place}.${list.length}`, line)
      list.push(valueOf(value, { path, key: `${place}.${list.length}.`, lines }))
    } else if (name in object) {
      throw invalid(`${path}:${line}: '${place}' is given twice`)
    } else object[name] = valueOf(value, { path, key: `${place}.`, lines })
  }
  return { ...object }
}

function valueOf(value: TextValue, place: Place): unknown {
  if (value.kind === 'message') return objectOf(value.message, place)
  if (value.kind === 'string') return value.text
  if (value.text === 'true' || value.text === 'false') return value.text === 'true'
  const number = Number(value.text.replace(/(?<=[\d.])f$/i, ''))
  return Number.isNaN(number) ? value.text : number
}

/** Of the deepest part that the file has. */
function lineOf(key: readonly PropertyKey[], lines: ReadonlyMap<string, number>): number {
  for (let length = key.length; length > 0; length -= 1) {
    const line = lines.get(key.slice(0, length).join('.'))
    if (line !== undefined) return line
  }
  return 1
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
