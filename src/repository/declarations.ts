/** The files in a model's directory that say how it is served: ours and those of other servers. */
import { join } from 'node:path'
import { messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Declared } from './discovered-model.ts'
import { readModelYaml } from './model-yaml.ts'
import { mlflowName, readMlflowModel, readModelSettings, settingsName, type ForeignModel } from './python-servers.ts'
import { readBatchingParameters } from './serving-config.ts'
import { tritonModel } from './triton/declared.ts'
import type { TritonConfig } from './triton/config-schema.ts'
import { configName, readTritonConfig } from './triton/read-config.ts'

export const yamlName = 'model.yaml'

type Reader = (path: string, log: Log) => Promise<Omit<Declared, 'directory'>>

/** In the order in which they count: what stands later wins, key by key. */
const readers: Readonly<Record<string, Reader>> = {
  [mlflowName]: async (path) => ofForeign(await readMlflowModel(path)),
  [settingsName]: async (path) => ofForeign(await readModelSettings(path)),
  'batching_params.pbtxt': async (path) => ({ yaml: await readBatchingParameters(path) }),
  [configName]: async (path, log) => {
    return ofTriton({ value: await readTritonConfig(path), source: path }, log)
  },
  [yamlName]: async (path) => ({ yaml: await readModelYaml(path) }),
}

/** A configuration of Triton that stands in no file of the model. */
export interface GivenConfig {
  readonly value: TritonConfig
  /** Where it comes from, for messages. */
  readonly source: string
}

function ofTriton({ value: config, source }: GivenConfig, log: Log): Omit<Declared, 'directory'> {
  const { yaml, versions, warnings } = tritonModel(config, source)
  for (const warning of warnings) log.warn({ path: source }, warning)
  return { yaml, versions, config }
}

/**
 * What a directory's files say, and above them what somebody has given in place of the `config.pbtxt`.
 *
 * @returns what is wrong with it where it is wrong
 */
export function overruled(
  declared: readonly Declared[] | string,
  given: GivenConfig | undefined,
  directory: string,
  log: Log,
): readonly Declared[] | string {
  if (given === undefined || typeof declared === 'string') return declared
  try {
    return [...declared, { ...ofTriton(given, log), directory }]
  } catch (reason) {
    return messageOf(reason)
  }
}

/** What a model and one of its versions say together, or what is wrong with it. */
export function joined(
  model: readonly Declared[] | string,
  version: readonly Declared[] | string,
): readonly Declared[] | string {
  if (typeof model === 'string' || typeof version === 'string') return typeof model === 'string' ? model : version
  const names = model.flatMap(({ yaml }) => yaml.name ?? [])
  const placed = version.find(({ yaml }) => yaml.uri !== undefined)
  if (placed !== undefined) {
    return `${join(placed.directory, yamlName)}: 'uri' belongs into the model.yaml of the model's own directory`
  }
  const named = version.find(({ yaml }) => yaml.name !== undefined && !names.includes(yaml.name))
  if (named === undefined) return [...model, ...version]
  return `${join(named.directory, yamlName)}: name belongs into the model.yaml of the model's own directory`
}

function ofForeign({ yaml, version }: ForeignModel): Omit<Declared, 'directory'> {
  return { yaml, ...(version === undefined ? {} : { version }) }
}

export function isDeclaration(name: string): boolean {
  return Object.hasOwn(readers, name)
}

/**
 * @param names of the files in it
 * @returns what they say, the last one first to be believed, or what is wrong with one of them
 */
export async function declaredIn(
  directory: string,
  names: readonly string[],
  log: Log,
): Promise<readonly Declared[] | string> {
  // Who writes a model.yaml beside a Python model says how it is served: nothing of MLServer or MLflow is needed then.
  const hasYaml = names.includes(yamlName)
  const declared: Declared[] = []
  for (const [name, read] of Object.entries(readers)) {
    if (!names.includes(name)) continue
    try {
      declared.push({ ...(await read(join(directory, name), log)), directory })
    } catch (reason) {
      if (!hasYaml || (name !== mlflowName && name !== settingsName)) return messageOf(reason)
    }
  }
  return declared
}
