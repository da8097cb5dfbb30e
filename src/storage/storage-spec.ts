/** KServe's storage spec: which entry of a Secret, and which bucket, stand behind `storage: {key, path, parameters}`. */
import { InferenceError } from '../core/errors.ts'
import { variable, type Environment } from './environment.ts'

/** `storage` of a model in an InferenceService. */
export interface StorageSpec {
  readonly key?: string | undefined
  readonly path?: string | undefined
  readonly parameters?: Readonly<Record<string, string>> | undefined
}

export interface SpecifiedStorage {
  readonly uri: string
  /** Variables with the credentials of the entry, to be put over those of the process. */
  readonly environment: Environment
}

/** Of an entry, what the store's client reads from variables. */
const variables: readonly (readonly [key: string, variable: string])[] = [
  ['endpoint_url', 'AWS_ENDPOINT_URL'],
  ['access_key_id', 'AWS_ACCESS_KEY_ID'],
  ['secret_access_key', 'AWS_SECRET_ACCESS_KEY'],
  ['region', 'AWS_DEFAULT_REGION'],
  ['ca_bundle', 'AWS_CA_BUNDLE'],
  ['verify_ssl', 'S3_VERIFY_SSL'],
  ['anonymous', 'awsAnonymousCredential'],
]

/**
 * @param secret the entries of the Secret `storage-config`, each a JSON document of texts; undefined where there is no Secret
 * @throws InferenceError `invalid_argument` that names the entry or the parameter that is missing or wrong, never its value
 */
export function storageOf(
  { key, path = '', parameters = {} }: StorageSpec,
  secret: Readonly<Record<string, string>> | undefined,
): SpecifiedStorage {
  const type = parameters['type']
  const name = key ?? (type === undefined ? 'default' : `default_${type}`)
  const text = secret === undefined || !Object.hasOwn(secret, name) ? undefined : secret[name]
  if (text === undefined && (key !== undefined || type === undefined)) {
    const there = Object.keys(secret ?? {})
    const has = there.length === 0 ? 'it has no entries' : `it has ${there.join(', ')}`
    throw invalid(
      `storage: specified storage key '${name}' not found in the storage secret (${has}); name one as key, or give parameters.type and bucket`,
    )
  }
  const entry = {
    ...(text === undefined ? {} : readEntry(text, `entry '${name}' of the storage secret`)),
    ...parameters,
  }
  return { uri: uriOf(entry, path, name), environment: entryVariables(entry) }
}

/**
 * The environment with what STORAGE_CONFIG says put over it, and over that what STORAGE_OVERRIDE_CONFIG says: so KServe hands
 * the storage spec to a container.
 *
 * @throws InferenceError `invalid_argument` that names the variable
 */
export function withStorageConfig(environment: Environment): Environment {
  const config = variable(environment, 'STORAGE_CONFIG')
  if (config === undefined) return environment
  const override = variable(environment, 'STORAGE_OVERRIDE_CONFIG')
  const entry = {
    ...readEntry(config, 'STORAGE_CONFIG'),
    ...(override === undefined ? {} : readEntry(override, 'STORAGE_OVERRIDE_CONFIG')),
  }
  return { ...environment, ...entryVariables(entry) }
}

/** Of a URI such as `s3://bucket/path`, or KServe's placeholder for it, which STORAGE_CONFIG fills in. */
export function fillPlaceholder(uri: string, environment: Environment): string {
  const [, path] = /^<scheme-placeholder>:\/\/(.*)$/s.exec(uri) ?? []
  if (path === undefined) return uri
  const read = (name: string): Readonly<Record<string, string>> => {
    const text = variable(environment, name)
    return text === undefined ? {} : readEntry(text, name)
  }
  return uriOf({ ...read('STORAGE_CONFIG'), ...read('STORAGE_OVERRIDE_CONFIG') }, path, 'STORAGE_CONFIG')
}

function uriOf(entry: Readonly<Record<string, string>>, path: string, name: string): string {
  const { type, bucket } = entry
  if (type === undefined) throw invalid(`storage: '${name}' has no type: give parameters.type, such as s3`)
  if (type !== 's3') {
    throw invalid(
      `storage: the type '${type}' of '${name}' is not served: KServe knows s3, hdfs and webhdfs, Servable s3`,
    )
  }
  if (bucket === undefined || bucket === '') {
    throw invalid(`storage: '${name}' has no bucket: give it as parameters.bucket`)
  }
  return `s3://${bucket}/${path.replace(/^\/+/, '')}`
}

function entryVariables(entry: Readonly<Record<string, string>>): Environment {
  if (entry['type'] !== 's3') return {}
  return Object.fromEntries(
    variables.flatMap(([key, name]) => {
      const value = entry[key]
      return value === undefined || value === '' ? [] : [[name, value]]
    }),
  )
}

/** Texts only; a number or a boolean is taken for its text. */
function readEntry(text: string, what: string): Readonly<Record<string, string>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined // said below, without the text: it holds secrets
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`${what}: expected a JSON object of texts, such as {"type": "s3", "bucket": "models"}`)
  }
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, given]: [string, unknown]) => {
      if (typeof given === 'string') return [[key, given]]
      if (typeof given === 'number' || typeof given === 'boolean') return [[key, String(given)]]
      throw invalid(`${what}: '${key}' is no text`)
    }),
  )
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
