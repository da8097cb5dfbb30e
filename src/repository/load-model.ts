/** From a model found on disk to an entry that the repository loads: runtime, scheduling and hooks put together. */
import { InferenceError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Hooks, Model, ModelSpec, Runtime } from '../core/model.ts'
import type { Signature } from '../core/signature.ts'
import { createImageHook } from '../hooks/image-hook.ts'
import { createClassNames, createLabelsHook } from '../hooks/labels-hook.ts'
import { hookFile } from '../hooks/hook-file.ts'
import { loadModuleHook } from '../hooks/module-hook.ts'
import type { WarmUpRequest } from '../scheduling/preparation.ts'
import type { ScheduledModel } from '../scheduling/scheduler.ts'
import type { DeclaredHook, DiscoveredModel } from './discovered-model.ts'
import type { LoadedModel, ModelEntry } from './entry.ts'
import { isFileSpecifier, namedRuntime } from '../runtime/plugin.ts'
import { outerSignature } from './served-metadata.ts'
import { createConfigHooks } from './triton/config-hooks.ts'
import { warmUpRequests } from './warm-up-requests.ts'

/** The runtimes that are installed; both look-ups throw InferenceError where there is none. */
export interface RuntimeSource {
  forFormat(format: string): Runtime
  forName(name: string): Runtime
}

export interface LoadOptions {
  readonly registry: RuntimeSource
  readonly log: Log
  /** Makes a loaded model ready for callers: warms it up, then puts queue and admission around it. */
  readonly schedule: (model: Model, spec: ModelSpec, preparing: Preparing) => ScheduledModel | Promise<ScheduledModel>
}

/** What a model is made ready with. */
export interface Preparing {
  /** The warm-up requests that somebody gave. */
  readonly requests: readonly WarmUpRequest[]
  readonly signal: AbortSignal
}

type FoundModel = Extract<DiscoveredModel, { kind: 'found' }>

/** The load of a model that failed its discovery throws the reason of that. */
export function entryFor(discovered: DiscoveredModel, options: LoadOptions): ModelEntry {
  if (discovered.kind === 'failed') {
    const { ref, source, reason } = discovered
    return { ref, runtime: '', source, load: () => Promise.reject(new InferenceError('failed_precondition', reason)) }
  }
  return {
    ref: discovered.spec.ref,
    runtime: runtimeName(discovered, options.registry),
    source: discovered.source,
    ...(discovered.idleMs === undefined ? {} : { idleMs: discovered.idleMs }),
    ...(discovered.isPinned === true ? { isPinned: true } : {}),
    estimateBytes: async () => (await runtimeOf(discovered, options.registry).estimateBytes?.(discovered.spec)) ?? 0,
    load: (signal) => loadFound(discovered, options, signal),
  }
}

async function loadFound(found: FoundModel, options: LoadOptions, signal: AbortSignal): Promise<LoadedModel> {
  // Code that a model brings lies in its directory, as its hooks do.
  if (found.runtime !== undefined && isFileSpecifier(found.runtime))
    await hookFile('runtime', found.runtime, found.root)
  const model = await runtimeOf(found, options.registry).load(found.spec, options.log, signal)
  try {
    const hooks = await createHooks(found, model.metadata, options.log)
    const requests = await warmUpRequests(found.warmUp, { ...found, model, hooks }, options.log, signal)
    const scheduled = await options.schedule(model, found.spec, { requests, signal })
    const { scheduling, isCached = false } = found.spec
    const { config } = found
    return {
      model: scheduled,
      hooks,
      isCached,
      ...(config === undefined ? {} : { config }),
      ...(scheduling === undefined ? {} : { scheduling }),
    }
  } catch (reason) {
    await model.close()
    throw reason
  }
}

/** Each hook is made for the signature inside of it: the model's, then that of the hook made before. */
async function createHooks(found: FoundModel, inner: Signature, log: Log): Promise<readonly Hooks[]> {
  const hooks: Hooks[] = []
  for (const declared of found.hooks.toReversed()) {
    hooks.unshift(await createHook(declared, found, outerSignature(inner, hooks), log))
  }
  return hooks
}

async function createHook(hook: DeclaredHook, found: FoundModel, inner: Signature, log: Log): Promise<Hooks> {
  const { root, spec } = found
  switch (hook.kind) {
    case 'module':
      return loadModuleHook({ path: hook.path, root: hook.root ?? root, model: spec.ref.name, log })
    case 'image':
      return createImageHook(hook.options, inner)
    case 'labels':
      return createLabelsHook({ options: hook.options, path: hook.file, root }, inner)
    case 'class-names':
      return createClassNames({ path: hook.file, root }, inner)
    case 'triton':
      return createConfigHooks(spec.ref.name, hook.config, inner)
  }
}

function runtimeOf({ runtime, spec, root }: FoundModel, registry: RuntimeSource): Runtime {
  return runtime === undefined ? registry.forFormat(spec.format) : namedRuntime(runtime, root, registry)
}

/** For tables and metrics: what the load would say of a missing runtime is left to the load. */
function runtimeName(found: FoundModel, registry: RuntimeSource): string {
  try {
    return runtimeOf(found, registry).name
  } catch {
    return found.runtime ?? found.spec.format
  }
}
