/** What all steps of one fetch share. */
import type { Log } from '../core/log.ts'
import type { CachePaths } from './cache-paths.ts'

/** What one model may cost. */
export interface FetchLimits {
  /** Objects of one model, and entries of one archive. */
  readonly maxFiles: number
  /** Bytes of one model, packed and unpacked. */
  readonly maxBytes: number
  /** Tries of one object that bring nothing new before it is given up. */
  readonly maxAttempts: number
  /** Objects of one model that are read at once. */
  readonly concurrency: number
  /** Silence after which a connection is given up, in milliseconds. */
  readonly idleMs: number
  /** First pause before another try, in milliseconds; doubled each time. */
  readonly pauseMs: number
}

/** A model of a hundred thousand files or a terabyte is a mistake, or somebody's joke. */
export const defaultLimits: FetchLimits = {
  maxFiles: 100_000,
  maxBytes: 1e12,
  maxAttempts: 4,
  concurrency: 4, // as KServe's S3_MAX_FILE_CONCURRENCY
  idleMs: 30_000, // as KServe's S3_READ_TIMEOUT
  pauseMs: 250,
}

export interface FetchContext {
  readonly paths: CachePaths
  readonly limits: FetchLimits
  /** Bytes that the cache may have; undefined for as many as the disk has. */
  readonly budgetBytes: number | undefined
  readonly log: Log
  readonly signal: AbortSignal
  /** Told how many bytes have come. */
  readonly progress: (bytes: number) => void
}
