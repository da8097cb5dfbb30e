/** Where a model of a mesh lies: a path, or what its storage parameters say, fetched. */
import { readFile } from 'node:fs/promises'
import { isAbsolute, join, normalize } from 'node:path'
import { InferenceError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { fetchModel, isUri, storageOf, type FetchedModel, type SpecifiedStorage } from '../../storage/index.ts'
import type { ServeConfig } from '../config.ts'
import type { ModelKey } from './model-key.ts'

export interface PlaceParts {
  readonly config: Pick<ServeConfig, 'cacheDir' | 'cacheBudget' | 'pvc'>
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly log: Log
}

/** Where the puller of a mesh has its Secret and its volumes, and so the container that pulls by itself. */
const usualSecretDirectory = '/storage-config'
const usualVolumeDirectory = '/pvc_mounts'

/**
 * The model's files on this machine.
 *
 * @param path absolute, a URI, or, where the key has storage parameters, within that storage
 * @throws InferenceError that says which path, parameter or object was wrong; `cancelled` once the signal fires
 */
export async function fetchMeshModel(
  path: string,
  key: ModelKey,
  { config, environment, log }: PlaceParts,
  signal: AbortSignal,
): Promise<FetchedModel> {
  const { uri, environment: credentials } = await placeOf(path, key, environment)
  return fetchModel(uri, {
    ...(config.cacheDir === undefined ? {} : { cacheDirectory: config.cacheDir }),
    ...(config.cacheBudget === undefined ? {} : { cacheBudgetBytes: config.cacheBudget }),
    environment: { ...environment, ...credentials },
    claims: new Map(config.pvc),
    log,
    signal,
  })
}

async function placeOf(path: string, key: ModelKey, environment: PlaceParts['environment']): Promise<SpecifiedStorage> {
  const { storageKey, storageParameters } = key
  if (path === '') throw invalid('modelPath is empty: name the file or directory of the model')
  if (isUri(path)) return { uri: path, environment: {} }
  if (storageKey === undefined && storageParameters === undefined) {
    if (isAbsolute(path)) return { uri: path, environment: {} }
    throw invalid(`modelPath: '${path}' is no absolute path, and modelKey has no storage_params to look for it in`)
  }
  const entry = await secretEntry(storageKey, environment)
  const parameters = { ...(entry?.values ?? {}), ...storageParameters }
  switch (parameters['type']) {
    case 'pvc':
      return { uri: pathInVolume(path, parameters['name'], environment), environment: {} }
    case 'http':
    case 'https':
      return { uri: addressOf(path, parameters['url']), environment: {} }
    case 'gcs':
      return { uri: `gs://${bucketOf(parameters)}/${path.replace(/^\/+/, '')}`, environment: {} }
    case undefined:
    default:
      return storageOf(
        { path, ...(entry === undefined ? {} : { key: entry.name }), parameters: storageParameters ?? {} },
        entry === undefined ? undefined : { [entry.name]: entry.text },
      )
  }
}

interface SecretEntry {
  readonly name: string
  readonly text: string
  readonly values: Readonly<Record<string, string>>
}

/** @throws InferenceError `invalid_argument` for an entry that is not there, or is no JSON object; never with its text */
async function secretEntry(
  name: string | undefined,
  environment: PlaceParts['environment'],
): Promise<SecretEntry | undefined> {
  if (name === undefined) return undefined
  const directory = environment['STORAGE_CONFIG_DIR'] ?? usualSecretDirectory
  if (name.includes('/') || name.startsWith('.'))
    throw invalid(`modelKey: storage_key: '${name}' is no name of an entry`)
  const file = join(directory, name)
  const text = await readFile(file, 'utf8').catch(() => {
    throw invalid(
      `modelKey: storage_key: there is no entry '${name}' in ${directory}; mount the Secret storage-config there`,
    )
  })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined // said below, without the text: it holds secrets
  }
  if (typeof value !== 'object' || value === null) throw invalid(`${file}: expected a JSON object of texts`)
  const values = Object.entries(value).filter((member): member is [string, string] => typeof member[1] === 'string')
  return { name, text, values: Object.fromEntries(values) }
}

function pathInVolume(path: string, name: string | undefined, environment: PlaceParts['environment']): string {
  if (name === undefined || !/^[a-z0-9][-a-z0-9.]*$/.test(name)) {
    throw invalid('modelKey: storage_params.name: expected the name of a PersistentVolumeClaim')
  }
  const directory = join(environment['PVC_MOUNTS_DIR'] ?? usualVolumeDirectory, name)
  const inside = join(directory, normalize(`/${path}`))
  return inside
}

function addressOf(path: string, url: string | undefined): string {
  if (url === undefined || !/^https?:\/\//i.test(url)) {
    throw invalid('modelKey: storage_params.url: expected an address such as https://models.example.com')
  }
  return `${url.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`
}

function bucketOf(parameters: Readonly<Record<string, string>>): string {
  const { bucket } = parameters
  if (bucket === undefined || bucket === '') throw invalid('modelKey: storage_params.bucket: name the bucket')
  return bucket
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
