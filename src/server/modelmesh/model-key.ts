/** What a mesh says of a model beside its path: the JSON of `modelKey`. */
import { InferenceError, messageOf } from '../../core/errors.ts'

export interface ModelKey {
  /** Name of the model's type, such as `onnx`. */
  readonly type?: string
  /** Of all its files, as the puller counted them. */
  readonly diskBytes?: number
  /** File with the inputs and outputs that the model is to have. */
  readonly schemaPath?: string
  /** Entry of the storage secret; present where this server is to fetch the model by itself, as are the parameters. */
  readonly storageKey?: string
  readonly storageParameters?: Readonly<Record<string, string>>
}

/** @throws InferenceError `invalid_argument` that names the member of the key and what would be right */
export function readModelKey(text: string): ModelKey {
  if (text.trim() === '') return {}
  const key = objectOf(parsed(text), 'modelKey', '{"model_type": {"name": "onnx", "version": "1"}}')
  const type = typeOf(key.get('model_type'))
  const diskBytes = diskBytesOf(key.get('disk_size_bytes'))
  const schemaPath = textOf(key, 'schema_path')
  const storageKey = textOf(key, 'storage_key')
  const storageParameters = parametersOf(key)
  return {
    ...(type === undefined ? {} : { type }),
    ...(diskBytes === undefined ? {} : { diskBytes }),
    ...(schemaPath === undefined ? {} : { schemaPath }),
    ...(storageKey === undefined ? {} : { storageKey }),
    ...(storageParameters === undefined ? {} : { storageParameters }),
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (reason) {
    throw invalid(`modelKey is no JSON: ${messageOf(reason)}`)
  }
}

/** An object with name and version; older meshes wrote the bare name. */
function typeOf(given: unknown): string | undefined {
  if (given === undefined || given === null) return undefined
  if (typeof given === 'string') return given === '' ? undefined : given
  const type = objectOf(given, 'modelKey: model_type', '{"name": "onnx", "version": "1"}')
  return textOf(type, 'name', 'model_type.name')
}

function diskBytesOf(given: unknown): number | undefined {
  if (given === undefined || given === null) return undefined
  const bytes = typeof given === 'string' && given !== '' ? Number(given) : given
  if (typeof bytes === 'number' && Number.isFinite(bytes) && bytes >= 0) return bytes
  throw invalid('modelKey: disk_size_bytes: expected a number of bytes')
}

/** `bucket` beside them is how older meshes name it. */
function parametersOf(key: ReadonlyMap<string, unknown>): Readonly<Record<string, string>> | undefined {
  const bucket = textOf(key, 'bucket')
  const given = key.get('storage_params')
  if (given === undefined || given === null) return bucket === undefined ? undefined : { bucket }
  const members = objectOf(given, 'modelKey: storage_params', '{"type": "s3", "bucket": "models"}')
  const texts = [...members.keys()].map((name): [string, string] => [
    name,
    textOf(members, name, `storage_params.${name}`) ?? '',
  ])
  return { ...(bucket === undefined ? {} : { bucket }), ...Object.fromEntries(texts) }
}

function textOf(of: ReadonlyMap<string, unknown>, name: string, shown = name): string | undefined {
  const value = of.get(name)
  if (value === undefined || value === null || value === '') return undefined
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  throw invalid(`modelKey: ${shown}: expected a text`)
}

function objectOf(value: unknown, what: string, example: string): ReadonlyMap<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return new Map<string, unknown>(Object.entries(value))
  throw invalid(`${what}: expected an object such as ${example}`)
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
