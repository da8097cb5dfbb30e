/** What a load on request may bring along, as Triton's clients send it: a configuration, and the model's files. */
import { InferenceError } from '../core/errors.ts'

/** A model's configuration in place of that of its files. */
export interface LoadOverride {
  /** Triton's ModelConfig as JSON has it. */
  readonly config: Readonly<Record<string, unknown>>
  /** Where the model's files lie instead; those of the repository where absent. */
  readonly directory?: string
}

/** An override as it came. */
export interface GivenOverride {
  readonly config: LoadOverride['config']
  /** Contents by their paths below the model's directory, `1/model.onnx`; empty where none came. */
  readonly files: ReadonlyMap<string, Uint8Array>
}

/** Keeps the files that come with loads. */
export interface Uploads {
  /** Writes the files of a model. @returns their directory @throws InferenceError `resource_exhausted` where they are too many or too large */
  stage(model: string, files: GivenOverride['files']): Promise<string>
  /** Removes what was staged for a model before a moment: what is loaded since comes from elsewhere. */
  dropBefore(model: string, moment: number): Promise<void>
  /** Removes one directory that `stage` made, unless something was loaded from there. */
  drop(directory: string): Promise<void>
  /** A moment after all that was staged so far. */
  now(): number
}

/** Directories below the model's, its version's included. */
const deepestFile = 8

/** Say how a model is served, some of them by naming code to run: callers say that by `config`. */
const declarations = ['model.yaml', 'config.pbtxt', 'batching_params.pbtxt', 'model-settings.json', 'MLmodel']

/**
 * @param parameters of a load, as they came
 * @returns undefined where it brings nothing along
 * @throws InferenceError `invalid_argument` naming the parameter
 */
export function readOverride(model: string, parameters: Readonly<Record<string, unknown>>): GivenOverride | undefined {
  const { config, ...others } = parameters
  const files = new Map<string, Uint8Array>()
  for (const [key, value] of Object.entries(others)) {
    if (!key.startsWith('file:')) throw invalid(`Unrecognized load parameter '${key}' for model '${model}'`)
    files.set(pathOf(key), contentOf(key, value))
  }
  const [file] = Object.keys(others)
  if (config === undefined) {
    if (file === undefined) return undefined
    throw invalid(`load parameter '${file}' is given without 'config': an override of files needs the model's config`)
  }
  return { config: configOf(config), files }
}

function pathOf(key: string): string {
  const path = key.slice('file:'.length)
  const parts = path.split('/')
  const isPlain = parts.every((part) => part !== '' && part !== '.' && part !== '..' && !/[\\:\x00-\x1f]/.test(part))
  if (!isPlain || parts.length > deepestFile + 1) {
    throw invalid(
      `load parameter '${key}': the path must be relative to the model's directory, such as file:1/model.onnx, without '..' and at most ${deepestFile} directories deep`,
    )
  }
  const name = parts.at(-1) ?? ''
  if (declarations.includes(name)) {
    throw invalid(
      `load parameter '${key}': ${name} cannot be uploaded; the parameter 'config' says how the model is served`,
    )
  }
  return path
}

/** Base64 over REST, bytes over gRPC. */
function contentOf(key: string, value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value
  if (typeof value !== 'string') throw invalid(`load parameter '${key}' must be the base64 text of a file`)
  const content = Buffer.from(value, 'base64')
  // Node leaves out what is no base64: what is shorter than its text was none.
  const padding = value.endsWith('==') ? 2 : value.endsWith('=') ? 1 : 0
  if (value.length % 4 !== 0 || content.length !== (value.length / 4) * 3 - padding) {
    throw invalid(`load parameter '${key}' must be the base64 text of a file; it is no valid base64`)
  }
  return content
}

function configOf(config: unknown): LoadOverride['config'] {
  if (typeof config !== 'string')
    throw invalid(`load parameter 'config' must be a string that holds the config as JSON`)
  let parsed: unknown
  try {
    parsed = JSON.parse(config)
  } catch (cause) {
    throw new InferenceError('invalid_argument', 'Invalid config override: it is no valid JSON', { cause })
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
    return parsed as LoadOverride['config'] // what is left of JSON: an object with text keys
  }
  throw invalid('Invalid config override: it must be a JSON object')
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
