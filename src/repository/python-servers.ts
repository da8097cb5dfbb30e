/** Models as MLServer and MLflow lay them out: `model-settings.json` and `MLmodel`, in the words of a model.yaml. */
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { ModelYaml } from './model-yaml.ts'

export const settingsName = 'model-settings.json'
export const mlflowName = 'MLmodel'

/** Far above any of them; keeps a wrong file from being read into memory. */
const maxBytes = 4_000_000

/** A model.yaml's words, and the version where the file names one. */
export interface ForeignModel {
  readonly yaml: ModelYaml
  readonly version?: string
}

const settings = z.looseObject({
  implementation: z.string().optional(),
  name: z.string().optional(),
  max_batch_size: z.int().min(0).optional(),
  max_batch_time: z.number().min(0).optional(),
  cache_enabled: z.boolean().optional(),
  parameters: z.looseObject({ uri: z.string().optional(), version: z.string().optional() }).optional(),
})

const formats: Readonly<Record<string, string>> = {
  'mlserver_xgboost.XGBoostModel': 'xgboost',
  'mlserver_lightgbm.LightGBMModel': 'lightgbm',
  'mlserver_onnx.OnnxModel': 'onnx',
}

/**
 * MLServer's settings of a model. Its implementations for XGBoost and LightGBM have a runtime here; those in Python are for
 * MLServer itself.
 *
 * @throws InferenceError `invalid_argument` with what is wrong, or how the model can be served
 */
export async function readModelSettings(path: string): Promise<ForeignModel> {
  const given = checked(settings, await jsonOf(path), path)
  const { implementation = '', name, max_batch_size: rows = 0, max_batch_time: delay = 0, parameters } = given
  const format = formats[implementation]
  if (format === undefined && implementation !== '') throw needsPython(path, `implementation ${implementation}`)
  const file = await fileOf(path, parameters?.uri)
  const batching = {
    ...(rows > 1 ? { max_batch_size: rows } : {}),
    ...(delay > 0 ? { max_batch_time: delay } : {}),
  }
  return {
    yaml: {
      ...(name === undefined || name === '' ? {} : { name }),
      ...(format === undefined ? {} : { format }),
      ...(file === undefined ? {} : { file }),
      ...(Object.keys(batching).length === 0 ? {} : { scheduling: batching }),
      ...(given.cache_enabled === true ? { response_cache: true } : {}),
    },
    ...(parameters?.version === undefined ? {} : { version: parameters.version }),
  }
}

/** The file that a `uri` names, from the settings' directory; nothing where it is that directory. */
async function fileOf(path: string, uri: string | undefined): Promise<string | undefined> {
  if (uri === undefined || uri === '' || uri === '.') return undefined
  const directory = dirname(path)
  const target = resolve(directory, uri.replace(/^file:\/\//, ''))
  if (target === directory) return undefined
  const stats = await stat(target).catch(() => undefined)
  if (stats?.isFile() === true && dirname(target) === directory) return basename(target)
  return target.startsWith(`${directory}/`) ? target.slice(directory.length + 1) : target
}

const flavor = z.looseObject({
  data: z.string().optional(),
  saved_model_dir: z.string().optional(),
  loader_module: z.string().optional(),
})
const mlmodel = z.looseObject({ flavors: z.record(z.string(), flavor) })

/** Flavors that a runtime here reads, the best first. */
const flavors = ['onnx', 'xgboost', 'lightgbm', 'tensorflow'] as const

/** @throws InferenceError `invalid_argument` with what is wrong, or how the model can be served */
export async function readMlflowModel(path: string): Promise<ForeignModel> {
  const { flavors: given } = checked(mlmodel, yamlOf(await textOf(path), path), path)
  const found = flavors.find((name) => given[name] !== undefined)
  if (found === undefined) throw needsPython(path, `flavor ${Object.keys(given).join(', ')}`)
  const { data, saved_model_dir: saved } = given[found] ?? {}
  if (found === 'tensorflow') {
    const isThere = async (name: string) =>
      (await stat(join(dirname(path), name, 'saved_model.pb')).catch(() => undefined))?.isFile() === true
    for (const name of [saved, data, data && `${data}/model`, 'tfmodel', 'data/model']) {
      if (name !== undefined && name !== '' && (await isThere(name))) return { yaml: { format: found, file: name } }
    }
    throw needsPython(path, 'flavor tensorflow without a SavedModel (Keras)')
  }
  if (data === undefined) throw invalid(`${path}: flavors.${found}.data: names no file`)
  return { yaml: { format: found, file: data } }
}

function needsPython(path: string, what: string): InferenceError {
  const text = `${path}: ${what} needs Python: serve it by MLServer, which a model.yaml beside it can start (runtime: proxy, profile: mlserver, launch), or export the model to ONNX`
  return new InferenceError('invalid_argument', text)
}

function checked<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw invalid(`${path}: '${issue?.path.join('.') ?? ''}': ${issue?.message.replace(/^Invalid input: /, '') ?? ''}`)
}

async function jsonOf(path: string): Promise<unknown> {
  try {
    return JSON.parse(await textOf(path)) as unknown
  } catch (reason) {
    throw invalid(`${path}: ${messageOf(reason)}`)
  }
}

function yamlOf(text: string, path: string): unknown {
  try {
    return parse(text, { maxAliasCount: 100 }) as unknown
  } catch (reason) {
    throw invalid(`${path}: ${messageOf(reason)}`)
  }
}

async function textOf(path: string): Promise<string> {
  const { size } = await stat(path)
  if (size > maxBytes) throw invalid(`${path}: is ${size} bytes long; it may have ${maxBytes}`)
  return readFile(path, 'utf8')
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
