/** From what a mesh says of a model to an entry that the repository loads. */
import { InferenceError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { MeshModel } from '../../grpc/model-runtime.ts'
import type { ModelEntry } from '../../repository/entry.ts'
import { compareVersions } from '../../repository/version.ts'
import type { ModelSources, ServedModelSource } from '../models.ts'
import { readModelKey, type ModelKey } from './model-key.ts'
import { differencesOf, readSchema, type ModelSchema } from './model-schema.ts'
import { fetchMeshModel, type PlaceParts } from './model-place.ts'

export interface EntryParts extends PlaceParts {
  /** Looks at paths of this machine. */
  readonly find: (wanted: ModelSources) => Promise<readonly ServedModelSource[]>
  /** The formats that runtimes are installed for. */
  readonly formats: readonly string[]
}

/** A model whose files are here. */
export interface LocatedModel {
  readonly entry: ModelEntry
  /** Ends the use of its files. */
  release(): Promise<void>
}

/** Types of models that say nothing of their format. */
const anyFormat: readonly string[] = ['triton', 'mlflow']

/** A mesh has no versions: another model has another id. */
const version = '1'

/**
 * Finds a model's files, and fetches them where the mesh leaves that to its runtimes.
 *
 * @throws InferenceError `invalid_argument` or `failed_precondition` that says what is wrong with the id, the key, the path or
 *   what lies there; `cancelled` once the signal fires
 */
export async function locate(model: MeshModel, parts: EntryParts, signal: AbortSignal): Promise<LocatedModel> {
  const { modelId: id, modelPath } = model
  if (/[/\\:\u0000-\u001f]/.test(id) || id.startsWith('.') || id.length > 200) {
    const rule = 'no slash, backslash, colon or control character, no dot in front, at most 200 characters'
    throw new InferenceError('invalid_argument', `modelId: a model cannot be named '${id}': ${rule}`)
  }
  const key = readModelKey(model.modelKey)
  const format = formatOf(key, model.modelType, parts.formats)
  const fetched = await fetchMeshModel(modelPath, key, parts, signal).catch((reason: unknown) => {
    throw untried(reason, signal)
  })
  try {
    const placed = { path: fetched.path, ...(format === undefined ? {} : { format }) }
    const sources = await parts.find({ [id]: placed })
    const newest = sources.toSorted((left, right) => compareVersions(left.ref.version, right.ref.version)).at(-1)
    if (newest === undefined) {
      throw new InferenceError('failed_precondition', `model '${id}': there is no model at ${modelPath}`)
    }
    const { entry } = newest
    const said = await readSchema(key.schemaPath)
    // What cannot be loaded has no runtime; its load tells why.
    if (entry.runtime === '') await entry.load(signal)
    const named = { ...entry, ref: { name: id, version }, isOptional: true }
    return {
      entry: said === undefined ? named : compared(named, said, parts.log),
      release: () => fetched.release(),
    }
  } catch (reason) {
    await fetched.release()
    throw untried(reason, signal)
  }
}

/** Tells where a model is not what is said of it: whoever asks it may rely on that. */
function compared(entry: ModelEntry, said: ModelSchema, log: Log): ModelEntry {
  return {
    ...entry,
    load: async (signal) => {
      const loaded = await entry.load(signal)
      for (const difference of differencesOf(said, loaded.model.metadata)) {
        log.warn({ model: entry.ref.name, difference }, 'model is not as its schema says')
      }
      return loaded
    },
  }
}

/** @returns undefined where the type leaves the format open */
function formatOf(key: ModelKey, modelType: string, formats: readonly string[]): string | undefined {
  const { type } = key
  if (type === undefined) return formats.includes(modelType) ? modelType : undefined
  const name = type.toLowerCase()
  const format = formats.find((each) => each.toLowerCase() === name)
  if (format !== undefined || anyFormat.includes(name)) return format
  const text = `modelKey: model_type: no runtime is installed for '${type}'; there are runtimes for ${formats.join(', ')}`
  throw new InferenceError('failed_precondition', text)
}

/** Says that nothing was tried to load, in one of the two codes for that. */
function untried(reason: unknown, signal: AbortSignal): InferenceError {
  if (signal.aborted) return InferenceError.from(signal.reason)
  const error = InferenceError.from(reason)
  if (error.code === 'invalid_argument' || error.code === 'failed_precondition') return error
  const message = error.code === 'internal' && reason instanceof Error ? reason.message : error.message
  return new InferenceError('failed_precondition', message, { cause: reason })
}
