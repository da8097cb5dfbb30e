/** How much memory a mesh may fill with models here, and the other numbers that it asks a runtime for. */
import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { InferenceError } from '../../core/errors.ts'
import type { ServeConfig } from '../config.ts'

export interface Capacity {
  readonly capacityInBytes: number
  readonly defaultModelSizeInBytes: number
  readonly modelLoadingTimeoutMs: number
  /** Requests that the mesh sends to one model at once; as many as come where absent. */
  readonly perModelConcurrency?: number
  /** Where the mesh is to be told another than this server's own. */
  readonly runtimeVersion?: string
}

export interface CapacityParts {
  /** As the owner of the server set it. */
  readonly memoryBudget?: number | undefined
  /** Read by the names that the adapters of ModelMesh have. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** What this container may use, in bytes. */
  readonly memoryLimit: number
}

/** What the server takes beside its models. */
const defaultBufferBytes = 256 * 2 ** 20
const usualModelBytes = 50 * 2 ** 20
/** Reading from a slow store included, where the server pulls by itself. */
const defaultTimeoutMs = 240_000
/** The mesh counts memory in units of 8 KiB, and a model takes one. */
const unitBytes = 8192
/** So many models of default size fit: then every check of the mesh at its start holds. */
const defaultSizes = 10
const mostMilliseconds = 2 ** 31 - 1

/** @throws InferenceError `invalid_argument` that names the variable or setting and what would be right */
export function capacityOf({ memoryBudget, environment, memoryLimit }: CapacityParts): Capacity {
  const read = (name: string): number | undefined => wholeNumber(environment, name)
  const capacityInBytes =
    memoryBudget ?? spare(read('CONTAINER_MEM_REQ_BYTES') ?? memoryLimit, read('MEM_BUFFER_BYTES'))
  if (capacityInBytes < unitBytes * defaultSizes) {
    const text = `memory for models: ${capacityInBytes} bytes are too few for a mesh; give --memory-budget at least ${unitBytes * defaultSizes}`
    throw new InferenceError('invalid_argument', text)
  }
  const wanted = read('DEFAULT_MODELSIZE') ?? usualModelBytes
  const perModelConcurrency = read('LIMIT_PER_MODEL_CONCURRENCY') ?? 0
  const runtimeVersion = environment['RUNTIME_VERSION']
  return {
    capacityInBytes,
    defaultModelSizeInBytes: Math.max(unitBytes, Math.min(wanted, Math.floor(capacityInBytes / defaultSizes))),
    modelLoadingTimeoutMs: Math.min(mostMilliseconds, Math.max(100, read('LOADTIME_TIMEOUT') ?? defaultTimeoutMs)),
    ...(perModelConcurrency === 0 ? {} : { perModelConcurrency }),
    ...(runtimeVersion === undefined || runtimeVersion === '' ? {} : { runtimeVersion }),
  }
}

/**
 * The settings of a runtime of a mesh: it holds itself to the memory that it tells the mesh.
 *
 * @throws InferenceError as {@link capacityOf}
 */
export function withCapacity(config: ServeConfig): ServeConfig {
  if (config.modelMesh === undefined || config.memoryBudget !== undefined) return config
  const { capacityInBytes } = capacityOf({ environment: process.env, memoryLimit: memoryLimit() })
  // What leaves, and when, is for the mesh to say.
  return { ...config, memoryBudget: capacityInBytes, churnSeconds: 0 }
}

/** A small container has no room for the usual buffer: half of it is for models then. */
function spare(limit: number, buffer = defaultBufferBytes): number {
  return Math.floor(Math.max(limit - buffer, limit / 2))
}

function wholeNumber(environment: CapacityParts['environment'], name: string): number | undefined {
  const text = environment[name]
  if (text === undefined || text === '') return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new InferenceError('invalid_argument', `${name}: expected a whole number, got '${text}'`)
}

/** What the control group allows; all memory of the machine where it allows that. In bytes. */
export function memoryLimit(): number {
  const total = totalmem()
  for (const file of ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']) {
    const limit = Number(readText(file))
    if (Number.isSafeInteger(limit) && limit > 0) return Math.min(limit, total)
  }
  return total
}

/** No group is no mistake: on other systems there is none. */
function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return ''
  }
}
