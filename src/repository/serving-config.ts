/** TensorFlow Serving's files: `models.config` and the `batching_params.pbtxt` of a version. */
import { readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parseTextProto, type TextField, type TextMessage } from '../codec/text-proto.ts'
import { InferenceError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { ModelYaml } from './model-yaml.ts'
import type { VersionPolicy } from './triton/declared.ts'

/** Far above any configuration; keeps a wrong file from being read into memory. */
const maxBytes = 1_000_000

/** One model of a list. */
export interface ServingModel {
  readonly name: string
  /** Absolute; relative ones start from the file's directory. A URI stays one. */
  readonly basePath: string
  readonly versions: VersionPolicy
  readonly labels: Readonly<Record<string, number>>
  /** Of the file where it stands. */
  readonly line: number
}

/** True for names that TensorFlow Serving's users give such files. */
export function isServingConfig(name: string): boolean {
  return /(^|[._-])models?([._-]config)?\.(config|conf)$|model_config(_list|_file)?\.(txt|pbtxt|config)$|^config\.txt$/.test(
    name,
  )
}

/**
 * @param log is told of fields that mean nothing here
 * @throws InferenceError `invalid_argument` with file, line and what is wrong
 */
export async function readServingConfig(path: string, log: Log): Promise<readonly ServingModel[]> {
  const { fields } = parseTextProto(await readBounded(path), path)
  const models: ServingModel[] = []
  let hasList = false
  for (const field of fields) {
    if (field.name !== 'model_config_list') {
      throw wrong(path, field, 'only model_config_list is known, custom_model_config is not')
    }
    hasList = true
    for (const config of messageOf(field, path).fields) {
      if (config.name !== 'config') throw wrong(path, config, 'expected config { … }')
      models.push(modelOf(config, path, log))
    }
  }
  if (hasList) return models
  throw new InferenceError('invalid_argument', `${path}: holds no model_config_list`)
}

function modelOf(field: TextField, path: string, log: Log): ServingModel {
  const labels: Record<string, number> = {}
  let [name, basePath] = ['', '']
  let versions: VersionPolicy = { latest: 1 }
  for (const inner of messageOf(field, path).fields) {
    if (inner.name === 'name') name = textOf(inner, path)
    else if (inner.name === 'base_path') basePath = textOf(inner, path)
    else if (inner.name === 'model_version_policy') versions = policyOf(inner, path)
    else if (inner.name === 'version_labels') {
      const [label, version] = labelOf(inner, path)
      labels[label] = version
    } else if (inner.name === 'logging_config') {
      log.warn({ path: `${path}:${inner.line}` }, 'logging_config is not used: see --payload-log-url')
    } else if (!/^(model_platform|model_type)$/.test(inner.name)) {
      throw wrong(
        path,
        inner,
        'is unknown; known are name, base_path, model_platform, model_version_policy, version_labels',
      )
    }
  }
  if (name === '') throw wrong(path, field, 'a model has no name')
  if (basePath === '') throw wrong(path, field, `model ${name} has no base_path`)
  const isUri = /^[a-z][a-z0-9+.-]*:\/\//i.test(basePath)
  return { name, basePath: isUri ? basePath : resolve(dirname(path), basePath), versions, labels, line: field.line }
}

function policyOf(field: TextField, path: string): VersionPolicy {
  const [choice, ...others] = messageOf(field, path).fields
  if (choice === undefined) return { latest: 1 }
  if (others.length > 0) throw wrong(path, field, 'give one of latest, all and specific')
  const { fields } = messageOf(choice, path)
  if (choice.name === 'all') return 'all'
  if (choice.name === 'latest') {
    const count = fields.find(({ name }) => name === 'num_versions')
    return { latest: count === undefined ? 1 : Math.max(1, numberOf(count, path)) }
  }
  if (choice.name !== 'specific') throw wrong(path, choice, 'give one of latest, all and specific')
  return { specific: fields.filter(({ name }) => name === 'versions').map((version) => numberOf(version, path)) }
}

function labelOf(field: TextField, path: string): readonly [string, number] {
  const { fields } = messageOf(field, path)
  const [key, value] = ['key', 'value'].map((name) => fields.find((inner) => inner.name === name))
  if (key === undefined || value === undefined) throw wrong(path, field, 'expected { key: "stable" value: 3 }')
  return [textOf(key, path), numberOf(value, path)]
}

/** Keys of a `batching_params.pbtxt` and what they are called in a model.yaml; the others are about threads and padding. */
const batchingKeys: Readonly<Record<string, 'max_batch_size' | 'batch_timeout_micros' | 'preferred_batch_size'>> = {
  max_batch_size: 'max_batch_size',
  batch_timeout_micros: 'batch_timeout_micros',
  allowed_batch_sizes: 'preferred_batch_size',
}

/** @throws InferenceError `invalid_argument` with file, line and what is wrong */
export async function readBatchingParameters(path: string): Promise<ModelYaml> {
  const sizes: number[] = []
  const scheduling: { max_batch_size?: number; batch_timeout_micros?: number } = {}
  for (const field of parseTextProto(await readBounded(path), path).fields) {
    const key = batchingKeys[field.name]
    if (key === undefined) continue
    const wrapped = field.value.kind === 'message' ? field.value.message.fields[0] : field
    if (wrapped === undefined) throw wrong(path, field, 'expected { value: … }')
    const value = numberOf(wrapped, path)
    if (key === 'preferred_batch_size') sizes.push(value)
    else scheduling[key] = value
  }
  const preferred = sizes.length === 0 ? {} : { preferred_batch_size: sizes }
  return { scheduling: { ...scheduling, ...preferred } }
}

async function readBounded(path: string): Promise<string> {
  const { size } = await stat(path)
  if (size <= maxBytes) return readFile(path, 'utf8')
  throw new InferenceError('invalid_argument', `${path}: is ${size} bytes long; a configuration may have ${maxBytes}`)
}

function messageOf(field: TextField, path: string): TextMessage {
  if (field.value.kind === 'message') return field.value.message
  throw wrong(path, field, 'expected { … }')
}

function textOf(field: TextField, path: string): string {
  if (field.value.kind === 'string') return field.value.text
  throw wrong(path, field, 'expected a text in quotes')
}

function numberOf(field: TextField, path: string): number {
  const number = field.value.kind === 'word' ? Number(field.value.text) : NaN
  if (Number.isSafeInteger(number) && number >= 0) return number
  throw wrong(path, field, 'expected an integer of 0 or more')
}

function wrong(path: string, { line, name }: Pick<TextField, 'line' | 'name'>, what: string): InferenceError {
  return new InferenceError('invalid_argument', `${path}:${line}: '${name}': ${what}`)
}
