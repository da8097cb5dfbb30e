/** All that can be told of one model on disk: what its files say, and what loading it for real chose. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { NamedSignature, TensorMetadata } from '../core/model.ts'
import type { Parameters } from '../core/tensor.ts'
import type { DeclaredHook, DiscoveredModel } from '../repository/discovered-model.ts'
import { refOf } from '../repository/layout.ts'
import { entryFor, type RuntimeSource } from '../repository/load-model.ts'
import { hookedSignatures, outerSignature } from '../repository/served-metadata.ts'
import type { Preparation } from '../scheduling/preparation-result.ts'
import { schedule } from '../scheduling/scheduler.ts'
import { prepareBySpec } from '../server/preparing.ts'
import { readOnnxFacts, type OnnxFacts } from './onnx-facts.ts'
import { readSavedModelFacts, type SavedModelFacts } from './saved-model-facts.ts'

export interface LoadedFacts {
  readonly platform: string
  /** As callers see it, outside the hooks. */
  readonly inputs: readonly TensorMetadata[]
  readonly outputs: readonly TensorMetadata[]
  /** What the model has inside its hooks, on each side that they change. */
  readonly inner: { readonly inputs: readonly TensorMetadata[]; readonly outputs: readonly TensorMetadata[] }
  /** All of them, that of `inputs` and `outputs` first, where they have names. */
  readonly signatures?: readonly NamedSignature[]
  readonly parameters: Parameters
  readonly memoryBytes: number
  /** Runs that may be under way at once. */
  readonly concurrency: number
  /** 0: the model does not batch, or without limit. */
  readonly maxBatchSize: number
  readonly loadMs: number
  /** Requests may share runs. */
  readonly isBatchable?: boolean
  /** Why, or why not. */
  readonly batchingReason?: string
}

export interface Inspection {
  readonly name: string
  readonly version: string
  /** The file or directory of the version. */
  readonly source: string
  readonly format?: string
  readonly runtime?: string
  /** Of all files of the version. */
  readonly bytes?: number
  readonly hooks: readonly string[]
  /** Versions of this model by label. */
  readonly versionLabels?: Readonly<Record<string, number>>
  readonly onnx?: OnnxFacts
  readonly savedModel?: SavedModelFacts
  readonly loaded?: LoadedFacts
  /** What is wrong, where it could not be loaded. */
  readonly reason?: string
}

export interface InspectOptions {
  readonly registry: RuntimeSource
  readonly log: Log
  readonly signal: AbortSignal
}

/** Reads and loads one model, and closes it again. Nothing is thrown: the reason of a failure is a part of the answer. */
export async function inspectModel(found: DiscoveredModel, options: InspectOptions): Promise<Inspection> {
  const { name, version } = refOf(found)
  if (found.kind === 'failed') return { name, version, source: found.source, hooks: [], reason: found.reason }
  let preparation: Preparation | undefined
  const entry = entryFor(found, {
    ...options,
    schedule: async (model, spec, preparing) => {
      preparation = await prepareBySpec(model, spec, preparing, { log: options.log, models: 1 })
      return schedule(model, { name, maxQueueSize: spec.maxQueueSize, preparation })
    },
  })
  const { spec, source } = found
  const bytes = await sizeOf(source)
  const known = {
    name,
    version,
    source,
    format: spec.format,
    runtime: entry.runtime,
    ...(bytes === undefined ? {} : { bytes }),
    hooks: found.hooks.map(hookText),
    ...(found.versionLabels === undefined ? {} : { versionLabels: found.versionLabels }),
  }
  try {
    const onnx = spec.format === 'onnx' && spec.file !== undefined ? await readOnnxFacts(spec.file) : undefined
    const savedModel = entry.runtime === 'tensorflow' ? await readSavedModelFacts(spec) : undefined
    const files = { ...(onnx === undefined ? {} : { onnx }), ...(savedModel === undefined ? {} : { savedModel }) }
    const facts = { ...known, ...files }
    try {
      const loaded = await load(entry, options.signal)
      return { ...facts, loaded: preparation === undefined ? loaded : { ...loaded, ...batchingOf(preparation) } }
    } catch (reason) {
      return { ...facts, reason: messageOf(reason) }
    }
  } catch (reason) {
    return { ...known, reason: messageOf(reason) }
  }
}

async function load(entry: ReturnType<typeof entryFor>, signal: AbortSignal): Promise<LoadedFacts> {
  const started = performance.now()
  const { model, hooks } = await entry.load(signal)
  const loadMs = performance.now() - started
  const { platform, inputs, outputs, parameters = {} } = model.metadata
  const signatures = hookedSignatures(model.metadata, hooks).signatures ?? model.metadata.signatures
  const outer = outerSignature(model.metadata, hooks)
  await model.close()
  return {
    platform,
    ...outer,
    inner: { inputs: outer.inputs === inputs ? [] : inputs, outputs: outer.outputs === outputs ? [] : outputs },
    ...(signatures === undefined ? {} : { signatures }),
    parameters,
    memoryBytes: model.memoryBytes,
    concurrency: model.concurrency,
    maxBatchSize: model.maxBatchSize,
    loadMs,
  }
}

function batchingOf({ isBatchable, reason }: Preparation): Pick<LoadedFacts, 'isBatchable' | 'batchingReason'> {
  return { isBatchable, batchingReason: reason }
}

function hookText(hook: DeclaredHook): string {
  switch (hook.kind) {
    case 'module':
      return hook.path
    case 'image':
      return 'image'
    case 'labels':
      return `labels from ${hook.file}`
    case 'class-names':
      return `names of classes from ${hook.file}`
    case 'triton':
      return 'shapes and sequences of config.pbtxt'
  }
}

/** @returns bytes of a file, or of all files in a directory; undefined where they cannot be read */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const stats = await stat(path)
    if (!stats.isDirectory()) return stats.size
    const names = await readdir(path, { recursive: true })
    const inside = await Promise.all(names.map((name) => stat(join(path, name))))
    const sizes = inside.map((entry) => (entry.isFile() ? entry.size : 0))
    return sizes.reduce((sum, size) => sum + size, 0)
  } catch {
    return undefined // the load says what is wrong
  }
}
