/** MLServer's `settings.json` in a served directory, and its variables, in the words of our settings. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { GivenSetting } from './settings.ts'

export const mlserverSettingsName = 'settings.json'

/** Far above any of them; keeps a wrong file from being read into memory. */
const maxBytes = 1_000_000

type Value = string | number | boolean

/** What a directory says. Everything is taken only where nothing of ours says otherwise. */
export interface MlserverSettings {
  /** By the name of our setting. */
  readonly given: ReadonlyMap<string, GivenSetting>
  /** Where the models lie, where not in the directory itself. */
  readonly root?: string
  /** One for each field that means nothing here, with its name. */
  readonly warnings: readonly string[]
}

interface Field {
  /** Silently taken: what MLServer does where nothing is said. */
  readonly usual?: readonly unknown[]
  /** @returns our setting and its value; a reason why there is none; what would be right */
  readonly take: (value: unknown) => readonly [name: string, value: Value] | string | Expected
}

/** The value is wrong, for MLServer as well. */
interface Expected {
  readonly expected: string
}

const isPort = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535

function named(name: string, isRight: (value: unknown) => boolean, expected: string): Field['take'] {
  return (value) => (isRight(value) ? [name, value as Value] : { expected }) // its kind was just looked at
}

function without(reason: string, ...usual: readonly unknown[]): Field {
  return { usual, take: () => reason }
}

/** @param when the value that means something here; the other one is what happens anyway */
function isOn(when: boolean, name: string, meant: Value): Field['take'] {
  return (value) => (value === when ? [name, meant] : { expected: 'true or false' })
}

const itsOwn = 'of MLServer alone'

/** By their names, with the defaults of MLServer (`Settings` of mlserver/settings.py). */
const fields: Readonly<Record<string, Field>> = {
  host: { take: named('host', (value) => typeof value === 'string' && value !== '', 'an address') },
  http_port: { take: named('httpPort', isPort, 'a port') },
  grpc_port: { take: named('grpcPort', isPort, 'a port') },
  debug: { usual: [false], take: isOn(true, 'logLevel', 'debug') },
  use_structured_logging: { usual: [false], take: isOn(true, 'logFormat', 'json') },
  load_models_at_startup: { usual: [true], take: isOn(false, 'load', 'lazy') },
  parallel_workers: {
    usual: [0, 1],
    take: named('workers', (value) => Number.isInteger(value) && Number(value) > 1, 'a number of processes, 0 or more'),
  },
  grpc_max_message_length: {
    usual: [null],
    take: (value) =>
      value === -1
        ? 'there is always a limit here, see --max-request-bytes'
        : named('maxRequestBytes', (bytes) => Number.isInteger(bytes) && Number(bytes) > 0, 'a number of bytes')(value),
  },
  metrics_endpoint: without('metrics are at /metrics of the REST port', '/metrics'),
  metrics_port: without('metrics are at /metrics of the REST port'),
  root_path: without('paths have no prefix here', ''),
  server_name: without('the server is called servable', 'mlserver'),
  server_version: without('the version is that of servable'),
  cors_settings: without('no headers for other origins are sent: put a gateway in front', null),
  cache_enabled: without('say response_cache in the model.yaml of a model', false),
  cache_size: without('see --response-cache-bytes'),
  tracing_server: without('see --otlp-endpoint', null),
  gzip_enabled: without('answers are compressed where the caller accepts it', true),
  logging_settings: without('see --log-level and --log-format', null),
  kafka_enabled: without('requests are not taken from Kafka', false),
  kafka_servers: without('requests are not taken from Kafka', 'localhost:9092'),
  kafka_topic_input: without('requests are not taken from Kafka', 'mlserver-input'),
  kafka_topic_output: without('requests are not taken from Kafka', 'mlserver-output'),
  extensions: without(itsOwn, '[]'),
  environments_dir: without(itsOwn),
  metrics_dir: without(itsOwn),
  metrics_rest_server_prefix: without(itsOwn, 'rest_server'),
  parallel_workers_timeout: without(itsOwn, 5),
  model_repository_implementation: without(itsOwn, null),
  model_repository_implementation_args: without(itsOwn, '{}'),
}

/**
 * Reads what lies in a directory that is served, and over it the variables `MLSERVER_…` of the same fields.
 *
 * @returns undefined where there is no such file, or one that is none of MLServer's
 * @throws InferenceError `invalid_argument` that names file and field, or the variable, and what would be right
 */
export function readMlserverSettings(
  directory: string,
  environment: Readonly<Record<string, string | undefined>>,
): MlserverSettings | undefined {
  const path = join(directory, mlserverSettingsName)
  if (!existsSync(path)) return undefined
  const object = readObject(path)
  if (typeof object === 'string') return { given: new Map(), warnings: [`${path} is not read: ${object}`] }
  const isKnown = (name: string): boolean => Object.hasOwn(fields, name) || name === 'model_repository_root'
  const names = Object.keys(object)
  if (names.length > 0 && !names.some(isKnown)) return undefined
  const given = new Map<string, GivenSetting>()
  const warnings: string[] = []
  const take = (name: string, value: unknown, origin: string): void => {
    const field = fieldOf(name)
    if (field === undefined) warnings.push(`${origin} is not known and not used`)
    else if (field.usual?.some((usual) => usual === value || usual === JSON.stringify(value)) !== true) {
      const taken = field.take(value)
      if (typeof taken === 'string') warnings.push(`${origin} is not used: ${taken}`)
      else if ('expected' in taken) throw wrong(origin, value, taken.expected)
      else given.set(taken[0], { texts: [String(taken[1])], origin })
    }
  }
  for (const name of names) {
    if (name !== 'model_repository_root') take(name, valueOf(object[name]), `${path}: ${name}`)
  }
  for (const name of Object.keys(fields)) {
    const variable = `MLSERVER_${name.toUpperCase()}`
    const text = environment[variable]
    if (text !== undefined && text !== '') take(name, valueOf(text), variable)
  }
  const root = environment['MLSERVER_MODEL_REPOSITORY_ROOT'] ?? object['model_repository_root']
  if (root !== undefined && typeof root !== 'string') throw wrong(`${path}: model_repository_root`, root, 'a path')
  const hasRoot = root !== undefined && root !== ''
  return { given, warnings, ...(hasRoot ? { root: resolve(directory, root) } : {}) }
}

function fieldOf(name: string): Field | undefined {
  return Object.hasOwn(fields, name) ? fields[name] : undefined
}

function wrong(origin: string, value: unknown, expected: string): InferenceError {
  const shown = JSON.stringify(value).slice(0, 100)
  return new InferenceError('invalid_argument', `${origin}: expected ${expected}, got ${shown}`)
}

/** @returns the object, or what is wrong */
function readObject(path: string): Readonly<Record<string, unknown>> | string {
  try {
    const { size } = statSync(path)
    if (size > maxBytes) return `it is ${size} bytes long; it may have ${maxBytes}`
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'it is no JSON object'
    return value as Readonly<Record<string, unknown>> // what is left of JSON: an object with text keys
  } catch (reason) {
    return messageOf(reason)
  }
}

/** MLServer takes numbers and truth as text, too; a variable holds the same as JSON, or bare text. */
function valueOf(text: unknown): unknown {
  if (typeof text !== 'string') return text
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === 'true'
  if (/^-?\d+$/.test(text)) return Number(text)
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
