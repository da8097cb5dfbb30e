/** Finds models on disk: a bare file, a model's directory with or without versions, a repository of these. */
import { stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { InferenceError, messageOf } from '../core/errors.ts'
import { inLanes } from '../core/in-lanes.ts'
import type { Log } from '../core/log.ts'
import { declaredIn, joined, overruled, type GivenConfig } from './declarations.ts'
import {
  candidateOfFile,
  listDirectory,
  listingOf,
  stemOf,
  type Candidate,
  type DirectoryListing,
} from './directory-listing.ts'
import { discoveredModel, failed, type Declared, type DiscoveredModel, type ModelDefaults } from './discovered-model.ts'
import { unservedReason } from './formats.ts'
import { settingsName } from './python-servers.ts'
import { isServingConfig, readServingConfig, type ServingModel } from './serving-config.ts'
import { storedFiles, type FetchFiles } from './stored-files.ts'
import type { VersionPolicy } from './triton/declared.ts'
import { configName } from './triton/read-config.ts'
import { compareVersions, versionOf } from './version.ts'

export interface DiscoverOptions {
  /** The formats that runtimes are installed for. */
  readonly formats: readonly string[]
  /** Name of the model, where exactly one is served. */
  readonly name?: string
  readonly defaults: ModelDefaults
  /** In place of the `config.pbtxt` of the one model that is there. */
  readonly config?: GivenConfig
  /** Brings what a model.yaml names as its `uri`; such a model fails where this is absent. */
  readonly fetch?: FetchFiles
  readonly log: Log
}

/**
 * Finds every version of every model under the paths. What looks like a model but cannot be served comes back as `failed`
 * with its reason; directories with nothing in them are warned of.
 *
 * - `iris.onnx`: model `iris`, version 1; `model.onnx` takes the name of its directory
 * - `iris/model.onnx`: version 1; `iris/3/model.onnx`, `iris/00000123/saved_model.pb`: version 3, version 123
 * - a directory of these, and a `models.config` of TensorFlow Serving; what `config.pbtxt`, `model-settings.json` and `MLmodel`
 *   say holds where a model.yaml says nothing else
 *
 * @throws InferenceError `invalid_argument` where a path does not exist, two models share a name, or `name` is given and
 *   there is not exactly one model
 */
export async function discover(
  paths: string | readonly string[],
  options: DiscoverOptions,
): Promise<readonly DiscoveredModel[]> {
  const absolute = new Set((typeof paths === 'string' ? [paths] : paths).map((path) => resolve(path)))
  const found: DiscoveredModel[] = []
  for (const path of absolute) found.push(...(await discoverPath(path, options)))
  if (options.name !== undefined) return renamed(found, options.name)
  refuseDuplicates(found)
  return found
}

function refuseDuplicates(found: readonly DiscoveredModel[]): void {
  const seen = new Map<string, DiscoveredModel>()
  for (const model of found) {
    const { name, version } = refOf(model)
    const sameName = seen.get(name)
    if (sameName !== undefined && sameName.root !== model.root) {
      throw duplicate(`model '${name}'`, sameName.root, model.root)
    }
    const sameVersion = seen.get(`${name}\0${version}`)
    if (sameVersion !== undefined) {
      throw duplicate(`version ${version} of model '${name}'`, sameVersion.source, model.source)
    }
    seen.set(name, model).set(`${name}\0${version}`, model)
  }
}

function duplicate(what: string, first: string, second: string): InferenceError {
  return invalid(
    `${what} is there twice: ${first} and ${second}; rename one of them, or give it a name in its model.yaml`,
  )
}

function renamed(found: readonly DiscoveredModel[], name: string): readonly DiscoveredModel[] {
  const names = new Set(found.map((model) => refOf(model).name))
  if (names.size !== 1) {
    const there = names.size === 0 ? 'none was found' : `${names.size} were found: ${[...names].join(', ')}`
    throw invalid(`a model name ('${name}') can be given where exactly one model is served; ${there}`)
  }
  return found.map((model) =>
    model.kind === 'found'
      ? { ...model, spec: { ...model.spec, ref: { ...model.spec.ref, name } } }
      : { ...model, ref: { ...model.ref, name } },
  )
}

/** The name and version of a model that was found, able to be served or not. */
export function refOf(model: DiscoveredModel) {
  return model.kind === 'found' ? model.spec.ref : model.ref
}

async function discoverPath(path: string, options: DiscoverOptions): Promise<readonly DiscoveredModel[]> {
  const stats = await stat(path).catch((reason: unknown) => {
    const isMissing = messageOf(reason).startsWith('ENOENT')
    throw invalid(`model path ${path} ${isMissing ? 'does not exist' : `cannot be read: ${messageOf(reason)}`}`)
  })
  if (!stats.isDirectory()) return modelFile(path, options)
  const listing = await listDirectory(path)
  const version = versionOf(basename(path))
  if (version !== undefined && isModelDirectory(listing)) return versionDirectory(listing, version, options)
  if (isModelDirectory(listing)) return modelDirectory(listing, options)
  return repository(listing, options)
}

/** True for a directory that is one model by its own signs, not a repository with bare files in it. */
function isModelDirectory({ declarations, versions, candidates }: DirectoryListing): boolean {
  return (
    declarations.length > 0 ||
    versions.length > 0 ||
    candidates.some(({ name }) => name === '.' || stemOf(name) === 'model')
  )
}

/** Of thousands: what is read at once lies in memory at once. */
const directoriesAtOnce = 16

async function repository(listing: DirectoryListing, options: DiscoverOptions): Promise<readonly DiscoveredModel[]> {
  const bare = await Promise.all(listing.candidates.map((candidate) => bareModel(candidate, options)))
  const inside = await inLanes(listing.directories, directoriesAtOnce, async (name) =>
    nestedDirectory(await listDirectory(join(listing.directory, name)), options),
  )
  const broken = listing.brokenLinks.map((name) => {
    const path = join(listing.directory, name)
    return failed(
      { ref: { name: stemOf(name), version: '1' }, root: path },
      path,
      `${path} is a link that leads nowhere`,
    )
  })
  const found = [...bare, ...inside.flat(), ...broken]
  if (found.length === 0) options.log.warn({ path: listing.directory }, 'no model was found')
  return found
}

/** Deeper, nobody looks for models. */
const deepestNesting = 4

/** A directory in a repository. MLServer takes every `model-settings.json` below for a model, however deep. */
async function nestedDirectory(
  listing: DirectoryListing,
  options: DiscoverOptions,
  depth = 1,
): Promise<readonly DiscoveredModel[]> {
  const { directory, directories } = listing
  if (isModelDirectory(listing) || depth >= deepestNesting) return modelDirectory(listing, options)
  const inside = await Promise.all(directories.map((name) => listDirectory(join(directory, name))))
  const nested = inside.filter(({ declarations }) => declarations.includes(settingsName))
  if (nested.length === 0) return modelDirectory(listing, options)
  const found = await Promise.all(nested.map((each) => nestedDirectory(each, options, depth + 1)))
  return found.flat().map((model) => ({ ...model, root: directory })) // versions of one model may lie side by side
}

/** A path that names a file. */
async function modelFile(path: string, options: DiscoverOptions): Promise<readonly DiscoveredModel[]> {
  const directory = dirname(path)
  const name = basename(path)
  const candidate = await candidateOfFile(directory, name)
  if (candidate === undefined && isServingConfig(name)) return servingConfig(path, options)
  if (candidate === undefined) {
    const ref = { name: stemOf(name), version: '1' }
    return [
      failed(
        { ref, root: path },
        path,
        `${path} is no model file that is known; formats served: ${options.formats.join(', ')}`,
      ),
    ]
  }
  if (candidate.name !== '.' && stemOf(name) !== 'model') return [await bareModel(candidate, options)]
  const listing = { ...(await listDirectory(directory)), candidates: [candidate], versions: [] }
  const version = versionOf(basename(directory))
  return version === undefined ? modelDirectory(listing, options) : versionDirectory(listing, version, options)
}

/** A file that is a model by itself, named after it; a model.yaml beside it would be another model's. */
async function bareModel(
  candidate: Candidate,
  { formats, defaults, config, log }: DiscoverOptions,
): Promise<DiscoveredModel> {
  const root = candidate.file ?? candidate.directory
  const ref = { name: stemOf(candidate.name), version: '1' }
  const declared = overruled([], config, candidate.directory, log)
  if (typeof declared === 'string') return failed({ ref, root }, root, declared)
  const found = { ref, root, listing: listingOf(candidate), declared }
  return (
    (await discoveredModel(found, formats, defaults)) ?? failed(found, root, unservedReason(candidate.format, formats))
  )
}

/** A path that names one version's directory: its model's name is that of the directory above. */
async function versionDirectory(
  listing: DirectoryListing,
  version: string,
  options: DiscoverOptions,
): Promise<readonly DiscoveredModel[]> {
  const parent = await listDirectory(dirname(listing.directory))
  return modelDirectory(
    { ...parent, candidates: [], versions: [{ version, directory: listing.directory }] },
    options,
    listing,
  )
}

/** @param only the listing of its one version, where it was made already */
async function modelDirectory(
  listing: DirectoryListing,
  options: DiscoverOptions,
  only?: DirectoryListing,
): Promise<readonly DiscoveredModel[]> {
  const { directory } = listing
  const names = options.config === undefined ? listing.declarations : listing.declarations.filter(isKept)
  const declared = overruled(await declaredIn(directory, names, options.log), options.config, directory, options.log)
  const given = typeof declared === 'string' ? [] : declared
  const name = given.findLast(({ yaml }) => yaml.name !== undefined)?.yaml.name ?? basename(directory)
  const stored = await storedFiles(listing, given, options)
  if (typeof stored === 'string') return [failed({ ref: { name, version: '1' }, root: directory }, directory, stored)]
  if (stored === undefined) return versionsOfModel(name, listing, declared, options, only)
  const found = await versionsOfModel(name, stored.listing, [...stored.declared, ...given], options)
  return found.map((model) => ({ ...model, root: directory }))
}

async function versionsOfModel(
  name: string,
  listing: DirectoryListing,
  declared: readonly Declared[] | string,
  options: DiscoverOptions,
  only?: DirectoryListing,
): Promise<readonly DiscoveredModel[]> {
  const { directory, versions } = listing
  const given = typeof declared === 'string' ? [] : declared
  const alone = given.findLast(({ version }) => version !== undefined)?.version ?? '1'
  const found: DiscoveredModel[] = []
  if (versions.length === 0) {
    const model = await versionOfModel({ name, version: alone }, directory, listing, declared, options)
    if (model !== undefined) found.push(model)
  } else if (listing.candidates.length > 0) {
    options.log.warn({ path: directory }, 'model files beside version directories are not served')
  }
  const policy = given.find(({ versions: policy }) => policy !== undefined)?.versions ?? 'all'
  const sorted = versions.toSorted((a, b) => compareVersions(a.version, b.version))
  for (const { version, directory: path } of only === undefined ? served(sorted, policy) : sorted) {
    const inside = only ?? (await listDirectory(path))
    const own = await declaredIn(path, inside.declarations, options.log)
    const both = joined(declared, own)
    const model = await versionOfModel({ name, version }, directory, inside, both, options)
    if (model === undefined) options.log.warn({ path }, 'version directory holds no model')
    else found.push(model)
  }
  if (found.length === 0 && versions.length === 0) options.log.warn({ path: directory }, 'directory holds no model')
  return found
}

/** True but for the file whose place a given configuration takes: it may be broken. */
function isKept(name: string): boolean {
  return name !== configName
}

async function versionOfModel(
  ref: { readonly name: string; readonly version: string },
  root: string,
  listing: DirectoryListing,
  declared: readonly Declared[] | string,
  { formats, defaults }: DiscoverOptions,
): Promise<DiscoveredModel | undefined> {
  if (typeof declared === 'string') return failed({ ref, root }, listing.directory, declared)
  return discoveredModel({ ref, root, listing, declared }, formats, defaults)
}

/** The models of a list of TensorFlow Serving. */
async function servingConfig(path: string, options: DiscoverOptions): Promise<readonly DiscoveredModel[]> {
  const models = await readServingConfig(path, options.log)
  const names = models.map(({ name }) => name)
  const twice = models.find(({ name }, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw invalid(`${path}:${twice.line}: model ${twice.name} is listed twice`)
  return (await Promise.all(models.map((model) => servingModel(model, options)))).flat()
}

async function servingModel(
  { name, basePath, versions, labels }: ServingModel,
  options: DiscoverOptions,
): Promise<readonly DiscoveredModel[]> {
  const ref = { name, version: '1' }
  try {
    const found = renamed(await discoverPath(basePath, options), name)
    const byVersion = found.map((model) => ({ version: refOf(model).version, model }))
    const picked = served(
      byVersion.toSorted((a, b) => compareVersions(a.version, b.version)),
      versions,
    )
    if (picked.length === 0) throw invalid(`No versions of servable ${name} found under base path ${basePath}`)
    const hasLabels = Object.keys(labels).length > 0
    return picked.map(({ model }) =>
      model.kind === 'found' && hasLabels ? { ...model, versionLabels: labels } : model,
    )
  } catch (reason) {
    return [failed({ ref, root: basePath }, basePath, messageOf(reason))]
  }
}

/** Versions by a policy of Triton or TensorFlow Serving. @param versions oldest first */
function served<T extends { readonly version: string }>(versions: readonly T[], policy: VersionPolicy): readonly T[] {
  if (policy === 'all') return versions
  if ('latest' in policy) return versions.slice(-policy.latest)
  return versions.filter(({ version }) => policy.specific.includes(Number(version)))
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
