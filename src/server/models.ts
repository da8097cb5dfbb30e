/** From what the user named (paths, definitions) to entries that the repository can load. */
import { silentLog, type Log } from '../core/log.ts'
import { InferenceError } from '../core/errors.ts'
import type { Model, ModelSpec, Runtime } from '../core/model.ts'
import type { ModelRef } from '../core/inference.ts'
import type { SchedulingOptions } from '../core/scheduling.ts'
import type { ModelEntry } from '../repository/entry.ts'
import { failed, type DiscoveredModel } from '../repository/discovered-model.ts'
import { discover } from '../repository/layout.ts'
import { entryFor, type Preparing } from '../repository/load-model.ts'
import type { DefinedModel } from '../runtime/define-model.ts'
import { lazyRuntime, RuntimeRegistry } from '../runtime/registry.ts'
import { schedule, type ScheduledModel } from '../scheduling/scheduler.ts'
import type { ServeConfig } from './config.ts'
import { prepareBySpec } from './preparing.ts'

/** A model at a path, with what holds where its model.yaml does not say otherwise. */
export interface PlacedModel {
  readonly path: string
  /** The format that its files must have. */
  readonly format?: string
  readonly instances?: number
  readonly scheduling?: SchedulingOptions
  /** Without a request for so long it is unloaded until the next one. */
  readonly idleSeconds?: number
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
  return new RuntimeRegistry().register(
    lazyRuntime({
      name: 'onnx',
      formats: ['onnx'],
      specifier: new URL('../../runtimes/onnx/index.js', import.meta.url).href,
      install: 'npm install onnxruntime-node',
    }),
  )
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
): Promise<readonly ServedModelSource[]> {
  const registry = registryOf(runtimes)
  if (typeof sources === 'string' || isList(sources)) {
    const paths = typeof sources === 'string' ? [sources] : sources
    return fromPaths({ paths, name: config.modelName }, config, registry, log)
  }
  const found = await Promise.all(
    Object.entries(sources).map(async ([name, source]) => {
      const placed = placedOf(source)
      if (placed === undefined) return isDefined(source) ? [fromDefinition(name, source, config, log)] : []
      return fromPaths({ ...placed, paths: [placed.path], name }, config, registry, log)
    }),
  )
  return found.flat()
}

/** The paths that a server was given. */
export function pathsOf(sources: ModelSources): readonly string[] {
  if (typeof sources === 'string') return [sources]
  if (isList(sources)) return sources
  return Object.values(sources).flatMap((source) => placedOf(source)?.path ?? [])
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
}

async function fromPaths(
  { paths, name, format, instances, scheduling, idleSeconds, hooks = [] }: Paths,
  config: ServeConfig,
  registry: RuntimeRegistry,
  log: Log,
): Promise<readonly ServedModelSource[]> {
  const { device, placement, maxQueueSize } = config
  const discovered = await discover(paths, {
    formats: registry.formats,
    ...(name === undefined ? {} : { name }),
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
