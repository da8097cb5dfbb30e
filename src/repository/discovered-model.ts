/** One version of a model as it was found on disk: what to load, or why it cannot be. */
import { stat } from 'node:fs/promises'
import { isAbsolute, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ModelRef } from '../core/inference.ts'
import type { DeviceRequest, ModelSpec, PlacementRequest } from '../core/model.ts'
import type { ImageOptions } from '../hooks/image-options.ts'
import type { LabelsOptions } from '../hooks/labels-options.ts'
import { isFileSpecifier } from '../runtime/plugin.ts'
import type { SchedulingOptions } from '../core/scheduling.ts'
import { candidateOfFile, stemOf, type Candidate, type DirectoryListing } from './directory-listing.ts'
import { unservedReason } from './formats.ts'
import type { HookSpec, ModelYaml } from './model-yaml.ts'
import { schedulingOptions } from './scheduling-yaml.ts'
import type { TritonConfig } from './triton/config-schema.ts'
import type { VersionPolicy } from './triton/declared.ts'
import type { DeclaredWarmUp } from './warm-up-requests.ts'

/** A hook with its files found; all paths absolute. */
export type DeclaredHook =
  | {
      readonly kind: 'module'
      readonly path: string
      /** The directory that it must lie in, where that is not the model's. */
      readonly root?: string
    }
  | { readonly kind: 'image'; readonly options: ImageOptions }
  | { readonly kind: 'labels'; readonly options: LabelsOptions; readonly file: string }
  | { readonly kind: 'class-names'; readonly file: string }
  | { readonly kind: 'triton'; readonly config: TritonConfig }

export type DiscoveredModel =
  | {
      readonly kind: 'found'
      readonly spec: ModelSpec
      /** The model's directory, or its file where it stands alone. Hooks may not lie outside of it. */
      readonly root: string
      /** The file or directory of the version, for messages. */
      readonly source: string
      /** Name of the runtime, where model.yaml chooses one. */
      readonly runtime?: string
      /** First to last, as `preprocess` runs. */
      readonly hooks: readonly DeclaredHook[]
      readonly warmUp?: DeclaredWarmUp
      /** As its `config.pbtxt` has it. */
      readonly config?: TritonConfig
      /** Versions of this model by label. */
      readonly versionLabels?: Readonly<Record<string, number>>
      /** Without a request for so long it is unloaded until the next one. */
      readonly idleMs?: number
      /** Not unloaded for others. */
      readonly isPinned?: boolean
    }
  | {
      readonly kind: 'failed'
      readonly ref: Required<ModelRef>
      readonly root: string
      readonly source: string
      /** What is wrong and what would be right. */
      readonly reason: string
    }

/** What holds for every model that does not say otherwise in its model.yaml. */
export interface ModelDefaults {
  readonly device: DeviceRequest
  readonly placement: PlacementRequest
  readonly instances?: number
  readonly maxBatchSize?: number
  readonly maxQueueSize: number
  readonly scheduling?: SchedulingOptions
  readonly idleMs?: number
  /** Around those of the model's own. */
  readonly hooks?: readonly DeclaredHook[]
}

/** A model.yaml, or what says the same, and the directory that its paths start from. */
export interface Declared {
  readonly yaml: ModelYaml
  readonly directory: string
  /** Of the model, where the file names one and no directory does. */
  readonly version?: string
  /** All of them where absent. */
  readonly versions?: VersionPolicy
  /** Triton's, where it is one. */
  readonly config?: TritonConfig
}

export interface Found {
  readonly ref: Required<ModelRef>
  readonly root: string
  readonly listing: DirectoryListing
  /** The model's own, then the version's: the later one wins, key by key. */
  readonly declared: readonly Declared[]
}

export function failed({ ref, root }: Pick<Found, 'ref' | 'root'>, source: string, reason: string): DiscoveredModel {
  return { kind: 'failed', ref, root, source, reason }
}

/**
 * @param formats the formats that runtimes are installed for
 * @returns undefined where the directory holds nothing that could be a model
 */
export async function discoveredModel(
  found: Found,
  formats: readonly string[],
  defaults: ModelDefaults,
): Promise<DiscoveredModel | undefined> {
  const yaml = found.declared.reduce<ModelYaml>((joined, declared) => ({ ...joined, ...declared.yaml }), {})
  const { directory } = found.listing
  const chosen = await chooseCandidate(found.listing, yaml, formats)
  if (chosen === undefined) return undefined
  if (typeof chosen === 'string') return failed(found, directory, chosen)
  const source = chosen.file ?? chosen.directory
  const invalidName = reasonAgainst(found.ref.name)
  if (invalidName !== undefined) return failed(found, source, invalidName)
  if (yaml.runtime === undefined && !formats.includes(chosen.format)) {
    return failed(found, source, unservedReason(chosen.format, formats))
  }
  const hooks = resolveHooks(found.declared)
  const idleMs = yaml.idle_seconds === undefined ? defaults.idleMs : yaml.idle_seconds * 1000
  if (typeof hooks === 'string') return failed(found, source, hooks)
  const config = found.declared.find((declared) => declared.config !== undefined)?.config
  return {
    kind: 'found',
    spec: specOf(found.ref, chosen, yaml, defaults),
    root: found.root,
    source,
    ...runtimeOf(found.declared),
    hooks: [
      ...(defaults.hooks ?? []),
      ...hooks,
      ...(config === undefined ? [] : [{ kind: 'triton', config } as const]),
    ],
    ...(config === undefined ? {} : { config }),
    ...warmUpOf(found.declared),
    ...(idleMs === undefined ? {} : { idleMs }),
    ...(yaml.pinned === true ? { isPinned: true } : {}),
    ...(yaml.version_labels === undefined ? {} : { versionLabels: yaml.version_labels }),
  }
}

function specOf(ref: Required<ModelRef>, chosen: Candidate, yaml: ModelYaml, defaults: ModelDefaults): ModelSpec {
  const instances = yaml.instances ?? defaults.instances
  const maxBatchSize = yaml.limits?.max_batch_size ?? yaml.scheduling?.max_batch_size ?? defaults.maxBatchSize
  const scheduling =
    yaml.scheduling === undefined ? defaults.scheduling : schedulingOptions(yaml.scheduling, defaults.scheduling)
  return {
    ref,
    format: chosen.format,
    directory: chosen.directory,
    ...(chosen.file === undefined ? {} : { file: chosen.file }),
    device: yaml.device ?? defaults.device,
    placement: yaml.placement ?? defaults.placement,
    ...(instances === undefined ? {} : { instances }),
    ...(maxBatchSize === undefined ? {} : { maxBatchSize }),
    ...(yaml.run_timeout_seconds === undefined ? {} : { runTimeoutMs: yaml.run_timeout_seconds * 1000 }),
    maxQueueSize: yaml.limits?.max_queue_size ?? yaml.scheduling?.max_queue_size ?? defaults.maxQueueSize,
    ...(scheduling === undefined ? {} : { scheduling }),
    ...(yaml.response_cache === true ? { isCached: true } : {}),
    options: yaml.options ?? {},
  }
}

/** A runtime's file is named beside the model.yaml that names it. */
function runtimeOf(declared: readonly Declared[]): { readonly runtime?: string } {
  const owner = declared.findLast(({ yaml }) => yaml.runtime !== undefined)
  const runtime = owner?.yaml.runtime
  if (owner === undefined || runtime === undefined) return {}
  if (runtime.startsWith('file:')) return { runtime: fileURLToPath(runtime) }
  return { runtime: isFileSpecifier(runtime) ? resolve(owner.directory, runtime) : runtime }
}

function warmUpOf(declared: readonly Declared[]): { readonly warmUp?: DeclaredWarmUp } {
  const owner = declared.findLast(({ yaml }) => yaml.warmup !== undefined)
  return owner === undefined ? {} : { warmUp: { directory: owner.directory, requests: owner.yaml.warmup ?? [] } }
}

/** @returns the model, the reason why there is none, or undefined where nothing points to one */
async function chooseCandidate(
  listing: DirectoryListing,
  yaml: ModelYaml,
  formats: readonly string[],
): Promise<Candidate | string | undefined> {
  if (yaml.file !== undefined) return namedCandidate(listing.directory, yaml.file, yaml.format)
  const fitting = listing.candidates.filter(({ format }) => yaml.format === undefined || format === yaml.format)
  const served = fitting.filter(({ format }) => yaml.runtime !== undefined || formats.includes(format))
  const rest = served.length > 0 ? served : fitting
  const named = rest.filter(({ name }) => name === '.' || stemOf(name) === 'model')
  const [first, ...others] = named.length === 1 || served.length === 0 ? [...named, ...rest].slice(0, 1) : rest
  if (first !== undefined && others.length === 0) return first
  if (first !== undefined) {
    const names = rest.map(({ name }) => name).join(', ')
    return `${listing.directory} holds ${rest.length} model files (${names}); name one in model.yaml: file: ${first.name}`
  }
  const [link] = listing.brokenLinks
  if (link !== undefined) return `${join(listing.directory, link)} is a link that leads nowhere`
  // A proxied model has no file.
  const format = yaml.format ?? (yaml.runtime === 'proxy' ? yaml.runtime : undefined)
  if (format !== undefined) return { name: '.', format, directory: listing.directory }
  const [declaration] = listing.declarations
  if (declaration === undefined) return undefined
  return `${listing.directory} holds a ${declaration} but no model file that is known; name it there: file: <name>, format: <format>`
}

async function namedCandidate(
  directory: string,
  name: string,
  format: string | undefined,
): Promise<Candidate | string> {
  const path = resolve(directory, name)
  if (!isInside(directory, path)) return `file: ${name} lies outside of ${directory}`
  const stats = await stat(path).catch(() => undefined)
  if (stats === undefined) return `file: ${path} does not exist`
  if (stats.isDirectory()) return { name, format: format ?? 'tensorflow', directory: path }
  const candidate = await candidateOfFile(directory, name)
  const known = format ?? candidate?.format
  if (known === undefined) return `file: the format of ${name} is not known by its name; say which, as format: onnx`
  return { name, format: known, directory, ...(candidate?.file === undefined && candidate ? {} : { file: path }) }
}

/** @returns the hooks, or what is wrong with them */
function resolveHooks(declared: readonly Declared[]): readonly DeclaredHook[] | string {
  const owner = declared.findLast(({ yaml }) => yaml.hooks !== undefined)
  const labelsOwner = declared.findLast(({ yaml }) => yaml.labels !== undefined)
  const labels = labelsOwner && resolve(labelsOwner.directory, labelsOwner.yaml.labels ?? '')
  const hooks: DeclaredHook[] = []
  for (const spec of owner?.yaml.hooks ?? []) {
    const hook = resolveHook(spec, owner?.directory ?? '', labels)
    if (typeof hook === 'string') return hook
    hooks.push(hook)
  }
  const isNamed = hooks.some(({ kind }) => kind === 'labels')
  return labels === undefined || isNamed ? hooks : [...hooks, { kind: 'class-names', file: labels }]
}

function resolveHook(spec: HookSpec, directory: string, labels: string | undefined): DeclaredHook | string {
  if (typeof spec === 'string') return { kind: 'module', path: resolve(directory, spec) }
  if ('image' in spec) return { kind: 'image', options: spec.image }
  const file = spec.labels.file === undefined ? labels : resolve(directory, spec.labels.file)
  if (file === undefined) return 'hooks: labels needs the file with the labels, as labels: {file: labels.txt}'
  return { kind: 'labels', options: spec.labels, file }
}

/** True where `path` is `directory` or lies in it; by the names, not by where links lead. */
export function isInside(directory: string, path: string): boolean {
  const way = relative(directory, path)
  return way === '' || (!/^\.\.([/\\]|$)/.test(way) && !isAbsolute(way))
}

/** A model's name stands in paths of URLs, before a colon in V1. */
function reasonAgainst(name: string): string | undefined {
  return /[/\\:\u0000-\u001f]/.test(name) || name.startsWith('.') || name.length > 200
    ? `a model cannot be named '${name}': no slash, backslash, colon or control character, no dot in front, at most 200 characters; give another name in model.yaml: name: …`
    : undefined
}
