/** What a group of workers is given, and what it tells once it serves. */
import type { Log } from '../../core/log.ts'
import type { Addresses, Program } from './worker-process.ts'

/** Times in milliseconds; tests take shorter ones. */
export interface GroupTimes {
  /** Between two looks at the heartbeats. */
  readonly beatMs: number
  /** Looks without a heartbeat after which a worker counts as hung: longer than any model should hold an event loop. */
  readonly beatsMissed: number
  /** Before the first restart of a worker; doubles with each that follows, up to `longestBackoffMs`. */
  readonly backoffMs: number
  readonly longestBackoffMs: number
  /** After so long, an end is not the consequence of the one before. */
  readonly stableMs: number
  /** What a worker has to answer a scrape. */
  readonly scrapeMs: number
}

export const defaultTimes: GroupTimes = {
  beatMs: 1000,
  beatsMissed: 30,
  backoffMs: 250,
  longestBackoffMs: 30_000,
  stableMs: 60_000,
  scrapeMs: 1000,
}

export interface GroupOptions {
  readonly workers: number
  readonly program: Program
  readonly log: Log
  readonly drainSeconds: number
  /** As settings name them. */
  readonly ports: { readonly httpPort: number; readonly grpcPort?: number }
  /** Logs are for people. */
  readonly isPretty: boolean
  readonly times?: Partial<GroupTimes>
}

export interface Started {
  readonly addresses: Addresses
  /** Models per worker. */
  readonly models: number
  readonly isReady: boolean
  /** A model failed to load. */
  readonly hasFailed: boolean
}
