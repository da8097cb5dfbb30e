/** A model's URI → a directory or file on this machine, by way of the cache. */
import { stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { InferenceError } from '../core/errors.ts'
import { silentLog, type Log } from '../core/log.ts'
import { archiveKind } from './archive.ts'
import { cachePaths, defaultCacheDirectory } from './cache-paths.ts'
import { fetchTree, type FetchedTree } from './fetch-tree.ts'
import { defaultLimits, type FetchContext, type FetchLimits } from './fetch-context.ts'
import type { Environment } from './environment.ts'
import { diskError } from './file-error.ts'
import { fileStore } from './file-store.ts'
import { locationOf, shownUri, type RemoteKind } from './location.ts'
import { openStore } from './open-store.ts'
import { readPatterns, type FilePatterns } from './patterns.ts'
import { progressOf, type Progress } from './progress.ts'
import { fillPlaceholder, withStorageConfig } from './storage-spec.ts'
import type { Store } from './store.ts'

export interface FetchOptions {
  /** Where the cache lies; `~/.cache/servable` where absent. */
  readonly cacheDirectory?: string
  /** Most bytes in the cache; as many as the disk has where absent. */
  readonly cacheBudgetBytes?: number
  /** Variables with credentials and settings, as KServe's storage initializer reads them; none where absent. */
  readonly environment?: Environment
  /** Directories by the names of PersistentVolumeClaims, for `pvc://`. */
  readonly claims?: ReadonlyMap<string, string>
  /** Which files are wanted; STORAGE_ALLOW_PATTERNS and STORAGE_IGNORE_PATTERNS of the environment where absent. */
  readonly patterns?: FilePatterns
  /** Directory that relative paths start from; where the process runs where absent. */
  readonly base?: string
  readonly log?: Log
  readonly signal?: AbortSignal
  /** Told while bytes come, not for each of them. */
  readonly onProgress?: (progress: Progress) => void
  /** The whole fetch may take so long, in milliseconds; 6 hours where absent. */
  readonly timeoutMs?: number
  readonly limits?: Partial<FetchLimits>
}

export interface FetchedModel {
  /** Absolute: the directory or file to serve. Its last parts are named as those of the URI. */
  readonly path: string
  /** As it may be shown, without secrets. */
  readonly uri: string
  /** Of all files; 0 for what lies on this machine. */
  readonly bytes: number
  /** Nothing had to be downloaded. */
  readonly isCached: boolean
  /** Ends the use: from then on the cache may remove it to make room. The end of the process does so too. */
  release(): Promise<void>
}

/** Enough for a terabyte over a slow line; still an end. */
const defaultTimeoutMs = 6 * 3600_000

/**
 * Fetches a model, or finds it in the cache. Paths, `file://` and `pvc://` are used where they lie, archives are unpacked.
 *
 * @param uri path or URI: file, pvc, http, https, s3, gs, azure (https://….blob.core.windows.net, abfs, wasb), hf
 * @throws InferenceError that says which object, credential or setting was wrong and what would be right; `cancelled` once the
 *   signal fires
 */
export async function fetchModel(uri: string, options: FetchOptions = {}): Promise<FetchedModel> {
  const environment = withStorageConfig(options.environment ?? {})
  const filled = fillPlaceholder(uri, environment)
  const location = locationOf(filled, options.claims, options.base)
  const shown = shownUri(filled)
  if (location.kind !== 'local') return fetchRemote(location, shown, options, environment)
  const stats = await stat(location.path).catch(() => undefined)
  if (stats?.isFile() === true && archiveKind(basename(location.path)) !== undefined) {
    const store = fileStore(location.path)
    return fetchStored(
      (work) => work(store),
      { id: location.path, address: location.path, shown },
      options,
      environment,
    )
  }
  return { path: location.path, uri: shown, bytes: 0, isCached: true, release: () => Promise.resolve() }
}

function fetchRemote(
  location: { readonly kind: RemoteKind; readonly uri: string },
  shown: string,
  options: FetchOptions,
  environment: Environment,
): Promise<FetchedModel> {
  const log = options.log ?? silentLog
  return fetchStored(
    async (work) => {
      const store = await openStore(location, { environment, log })
      try {
        return await work(store)
      } finally {
        store.close()
      }
    },
    { id: location.uri, address: location.kind === 'hf' ? shown.replace(/:[^/:]*$/, '') : shown, shown },
    options,
    environment,
  )
}

interface Names {
  /** All of the URI, secrets included. */
  readonly id: string
  /** Gives names to directories. */
  readonly address: string
  /** For messages. */
  readonly shown: string
}

type WithStore = (work: (store: Store) => Promise<FetchedTree>) => Promise<FetchedTree>

async function fetchStored(
  withStore: WithStore,
  { id, address, shown }: Names,
  options: FetchOptions,
  environment: Environment,
): Promise<FetchedModel> {
  const { log = silentLog, cacheBudgetBytes: budgetBytes, timeoutMs = defaultTimeoutMs } = options
  const paths = cachePaths(options.cacheDirectory ?? defaultCacheDirectory(environment))
  const patterns = options.patterns ?? patternsOf(environment)
  const late = AbortSignal.timeout(timeoutMs)
  const signal = options.signal === undefined ? late : AbortSignal.any([options.signal, late])
  const progress = progressOf(shown, log, options.onProgress)
  const limits = { ...defaultLimits, ...environmentLimits(environment), ...options.limits }
  const context: FetchContext = { paths, limits, budgetBytes, log, signal, progress: progress.add }
  try {
    const { tree, files, ...fetched } = await withStore((store) =>
      fetchTree(store, { id, address, patterns, expect: progress.expect }, context),
    )
    return { path: join(paths.trees, tree, files), uri: shown, ...fetched }
  } catch (reason) {
    throw fetchError(diskError(reason, `cache ${paths.root}`), shown, { late, timeoutMs, signal })
  }
}

function patternsOf(environment: Environment): FilePatterns {
  const read = (variable: string): readonly string[] => readPatterns(environment[variable], variable)
  return { allow: read('STORAGE_ALLOW_PATTERNS'), ignore: read('STORAGE_IGNORE_PATTERNS') }
}

/** KServe's variables; what is no positive number is left aside, as numbers of strangers do not stop a server. */
function environmentLimits(environment: Environment): Partial<FetchLimits> {
  const positive = (variable: string): number | undefined => {
    const value = Number(environment[variable])
    return Number.isFinite(value) && value > 0 ? value : undefined
  }
  const concurrency = positive('S3_MAX_FILE_CONCURRENCY')
  const maxAttempts = positive('S3_MAX_ATTEMPTS')
  const idleSeconds = positive('S3_READ_TIMEOUT')
  return {
    ...(concurrency === undefined ? {} : { concurrency: Math.min(64, Math.max(1, Math.floor(concurrency))) }),
    ...(maxAttempts === undefined ? {} : { maxAttempts: Math.max(1, Math.floor(maxAttempts)) }),
    ...(idleSeconds === undefined ? {} : { idleMs: Math.min(idleSeconds, 3600) * 1000 }),
  }
}

interface Ends {
  readonly late: AbortSignal
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Every error names what was fetched. */
function fetchError(reason: unknown, shown: string, { late, timeoutMs, signal }: Ends): InferenceError {
  if (late.aborted) {
    return new InferenceError('deadline_exceeded', `${shown} was not fetched within ${timeoutMs / 1000} s`, {
      cause: reason,
    })
  }
  if (signal.aborted) {
    const given: unknown = signal.reason
    if (given instanceof InferenceError) return given
    return new InferenceError('cancelled', `the fetch of ${shown} was cancelled`, { cause: reason })
  }
  const message = reason instanceof Error ? reason.message : String(reason)
  const code = reason instanceof InferenceError ? reason.code : 'internal'
  const isNamed = message.includes(shown)
  return new InferenceError(code, isNamed ? message : `${shown}: ${message}`, { cause: reason })
}
