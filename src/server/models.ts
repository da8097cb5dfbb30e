/** From what the user named (paths, definitions) to entries that the repository can load. */
import { silentLog, type Log } from '../core/log.ts'
import { InferenceError } from '../core/errors.ts'
import type { Model, ModelSpec, Runtime } from '../core/model.ts'
import type { ModelRef } from '../core/inference.ts'
import type { SchedulingOptions } from '../core/scheduling.ts'
import type { GivenConfig } from '../repository/declarations.ts'
import type { ModelEntry } from '../repository/entry.ts'
import { failed, type DiscoveredModel } from '../repository/discovered-model.ts'
import { discover, refOf } from '../repository/layout.ts'
import { entryFor, type Preparing } from '../repository/load-model.ts'
import type { DefinedModel } from '../runtime/define-model.ts'
import { importPlugin } from '../runtime/plugin.ts'
import { lazyRuntime, RuntimeRegistry } from '../runtime/registry.ts'
import { schedule, type ScheduledModel } from '../scheduling/scheduler.ts'
import { isUri } from '../storage/index.ts'
import type { ServeConfig } from './config.ts'
import type { Fetched, Fetching } from './fetching.ts'
import { prepareBySpec } from './preparing.ts'

/** A model at a path, with what holds where its model.yaml does not say otherwise. */
export interface PlacedModel {
  /** Path or URI. */
  readonly path: string
  /** Variables over those of the process, with the credentials for its URI. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** The format that its files must have. */
  readonly format?: string
  readonly instances?: number
  readonly scheduling?: SchedulingOptions
  /** Without a request for so long it is unloaded until the next one. */
  readonly idleSeconds?: number
  /** In place of its `config.pbtxt`, and above its model.yaml. */
  readonly config?: GivenConfig
  /** Modules around the hooks of its model.yaml, absolute paths; each must lie in its `root`. */
  readonly hooks?: readonly { readonly path: string; readonly root: string }[]
}

/** Models by name, or paths whose models name themselves. */
export type ModelSources = string | readonly string[] | Readonly<Record<string, string | PlacedModel | DefinedModel>>

export interface ServedModelSource {
  readonly ref: Required<ModelRef>
  readonly entry: ModelEntry
  /** The model's directory or bare file; absent for a model defined in the program. */
  readonly root?: string
  /** Versions of this model by label. */
  readonly labels?: Readonly<Record<string, number>>
}

/** The runtimes of this package, each imported when its first model loads. */
export function builtInRuntimes(): RuntimeRegistry {
  return new RuntimeRegistry()
    .register(
      lazyRuntime({
        name: 'onnx',
        formats: ['onnx'],
        specifier: new URL('../../runtimes/onnx/index.js', import.meta.url).href,
        install: 'npm install onnxruntime-node',
      }),
    )
    .register(
      lazyRuntime({
        name: 'trees',
        formats: ['xgboost', 'lightgbm'],
        specifier: new URL('../../runtimes/trees/index.js', import.meta.url).href,
      }),
    )
    .register(
      lazyRuntime({
        name: 'proxy',
        formats: ['proxy'],
        specifier: new URL('../../runtimes/proxy/index.js', import.meta.url).href,
      }),
    )
    .register(
      lazyRuntime({
        name: 'tensorflow',
        formats: ['tensorflow'],
        specifier: new URL('../../runtimes/tensorflow/index.js', import.meta.url).href,
      }),
    )
    .register(
      lazyRuntime({
        name: 'tfjs',
        formats: ['tfjs'],
        specifier: new URL('../../runtimes/tfjs/index.js', import.meta.url).href,
      }),
    )
}

/**
 * The runtimes of others that a server was given by name, looked for from the working directory.
 *
 * @throws InferenceError `failed_precondition` naming the one that cannot be imported
 */
export function importPlugins(specifiers: readonly string[]): Promise<readonly Runtime[]> {
  return Promise.all(specifiers.map((specifier) => importPlugin(specifier, process.cwd())))
}

/** The runtimes of this package and others. */
export function registryOf(runtimes: readonly Runtime[]): RuntimeRegistry {
  const registry = builtInRuntimes()
  for (const runtime of runtimes) registry.register(runtime)
  return registry
}

/**
 * Finds all models of a server. Broken ones become entries whose load fails with the reason.
 *
 * @throws InferenceError `invalid_argument` where a path does not exist or two models have one name
 */
export async function findModels(
  sources: ModelSources,
  config: ServeConfig,
  runtimes: readonly Runtime[],
  log: Log = silentLog,
  fetching?: Fetching,
): Promise<readonly ServedModelSource[]> {
  const registry = registryOf(runtimes)
  if (typeof sources === 'string' || isList(sources)) {
    const paths = typeof sources === 'string' ? [sources] : sources
    return fromPaths({ paths, name: config.modelName, fetching }, config, registry, log)
  }
  const found = await Promise.all(
    Object.entries(sources).map(async ([name, source]) => {
      const placed = placedOf(source)
      if (placed === undefined) return isDefined(source) ? [fromDefinition(name, source, config, log)] : []
      return fromPaths({ ...placed, paths: [placed.path], name, fetching }, config, registry, log)
    }),
  )
  return found.flat()
}

/** The paths on this machine that a server was given. */
export function pathsOf(sources: ModelSources): readonly string[] {
  const all = typeof sources === 'string' ? [sources] : sources
  const paths = isList(all) ? all : Object.values(all).flatMap((source) => placedOf(source)?.path ?? [])
  return paths.filter((path) => !isUri(path))
}

type Source = string | PlacedModel | DefinedModel

function placedOf(source: Source): PlacedModel | undefined {
  if (typeof source === 'string') return { path: source }
  return isDefined(source) ? undefined : source
}

function isDefined(source: Source): source is DefinedModel {
  return typeof source !== 'string' && 'open' in source
}

function isList(sources: Exclude<ModelSources, string>): sources is readonly string[] {
  return Array.isArray(sources)
}

interface Paths extends Omit<PlacedModel, 'path'> {
  readonly paths: readonly string[]
  readonly name: string | undefined
  /** Where there is none, paths are paths. */
  readonly fetching: Fetching | undefined
}

async function fromPaths(
  { paths, name, format, instances, scheduling, idleSeconds, hooks = [], environment, fetching, config: given }: Paths,
  config: ServeConfig,
  registry: RuntimeRegistry,
  log: Log,
): Promise<readonly ServedModelSource[]> {
  const { device, placement, maxQueueSize } = config
  const { local, failures } = await localPaths(paths, fetching, environment)
  const found = await discover(local, {
    formats: registry.formats,
    ...(name === undefined || local.length === 0 ? {} : { name }),
    ...(given === undefined ? {} : { config: given }),
    ...(fetching === undefined ? {} : { fetch: (uri: string) => fetching.get(uri, environment) }),
    defaults: {
      device,
      placement,
      maxQueueSize,
      scheduling: { ...schedulingDefaults(config), ...scheduling },
      ...(instances === undefined ? {} : { instances }),
      ...(idleSeconds === undefined ? {} : { idleMs: idleSeconds * 1000 }),
      hooks: hooks.map((hook) => ({ kind: 'module', path: hook.path, root: hook.root })),
    },
    log,
  })
  const discovered = [...found, ...failures.map((failure) => unfetched(failure, name, found))]
  return discovered.map((found) => {
    const model = format === undefined ? found : ofFormat(found, format)
    const entry = entryFor(model, {
      registry,
      log,
      schedule: (loaded, spec, preparing) =>
        scheduleBySpec(loaded, spec, preparing, { log, models: discovered.length }),
    })
    const labels = model.kind === 'found' ? model.versionLabels : undefined
    return { ref: entry.ref, entry, root: model.root, ...(labels === undefined ? {} : { labels }) }
  })
}

type FetchFailure = Extract<Fetched, { kind: 'failed' }>

/** All at once: how many are downloaded at a time is decided elsewhere. */
async function localPaths(
  paths: readonly string[],
  fetching: Fetching | undefined,
  environment: PlacedModel['environment'],
): Promise<{ readonly local: readonly string[]; readonly failures: readonly FetchFailure[] }> {
  if (fetching === undefined) return { local: paths, failures: [] }
  const fetched = await Promise.all(paths.map((path) => fetching.get(path, environment)))
  return {
    local: fetched.flatMap((each) => (each.kind === 'local' ? [each.path] : [])),
    failures: fetched.flatMap((each) => (each.kind === 'failed' ? [each] : [])),
  }
}

/** A model that is not here keeps a place with its reason; what it is called, nobody can know for certain. */
function unfetched(
  { uri, name, reason }: FetchFailure,
  given: string | undefined,
  others: readonly DiscoveredModel[],
): DiscoveredModel {
  const isTaken = others.some((other) => refOf(other).name === name)
  const ref = { name: given ?? (isTaken ? `${name}-not-fetched` : name), version: '1' }
  return failed({ ref, root: uri }, uri, reason)
}

/** A model of another format than what was said about it is not served as something else. */
function ofFormat(model: DiscoveredModel, format: string): DiscoveredModel {
  if (model.kind === 'failed' || model.spec.format === format) return model
  const { spec, source } = model
  return failed({ ref: spec.ref, root: model.root }, source, `${source} is of format ${spec.format}, not ${format}`)
}

/** What holds for models that do not say otherwise. */
function schedulingDefaults({ batching, sloMs }: ServeConfig): SchedulingOptions {
  return { ...(batching === 'auto' ? {} : { batching }), ...(sloMs === undefined ? {} : { sloMs }) }
}

async function scheduleBySpec(
  model: Model,
  spec: ModelSpec,
  preparing: Preparing,
  surroundings: { readonly log: Log; readonly models: number },
): Promise<ScheduledModel> {
  const preparation = await prepareBySpec(model, spec, preparing, surroundings)
  const { ref, maxQueueSize, scheduling } = spec
  return schedule(model, {
    name: ref.name,
    maxQueueSize,
    preparation,
    log: surroundings.log,
    ...(scheduling === undefined ? {} : { options: scheduling }),
  })
}

function fromDefinition(name: string, definition: DefinedModel, config: ServeConfig, log: Log): ServedModelSource {
  if (/[/\\:]/.test(name) || name === '') {
    throw new InferenceError('invalid_argument', `a model cannot be named '${name}': no slash, backslash or colon`)
  }
  const ref = { name, version: definition.version }
  const entry: ModelEntry = {
    ref,
    runtime: 'custom',
    load: async (signal) => {
      const model = await definition.open(signal)
      const { maxQueueSize, scheduling, isCached } = definition
      const options = schedulingDefaults(config)
      // Its code is not run with made-up inputs by surprise: who wrote it says whether rows may share a run.
      const batching = config.batching === 'off' ? 'off' : (scheduling.batching ?? 'off')
      const policy = { name, maxQueueSize, options: { ...options, ...scheduling, batching }, log }
      return { model: schedule(model, policy), hooks: [], scheduling: policy.options, isCached }
    },
  }
  return { ref, entry }
}
