/** What the first load of a file measured, for those that follow: a model that comes back is opened once and not measured again. */
import type { Placement } from '../../src/runtime/index.ts'
import type { Parallelism } from './choose-parallelism.ts'
import type { Timings } from './warm-up.ts'

/** How a model was opened in the end, and why. */
export interface KnownModel {
  readonly placement: Placement
  readonly reason: string
  /** Inline only: requests with more bytes of input go to the pool. */
  readonly inlineMaxBytes: number
  readonly parallelism: Parallelism
  readonly timings: Timings
  readonly hopUs: number
}

/** A few hundred bytes each. */
const mostKnown = 10_000

/** By file and settings, in the order of their last use. */
const known = new Map<string, KnownModel>()

/**
 * @param print of the file
 * @param settings whatever else the measurements depend on: plain data
 */
export function keyOf(print: string, settings: unknown): string {
  return JSON.stringify([print, settings])
}

export function recall(key: string): KnownModel | undefined {
  const found = known.get(key)
  if (found === undefined) return undefined
  known.delete(key)
  known.set(key, found)
  return found
}

export function remember(key: string, model: KnownModel): void {
  known.delete(key)
  known.set(key, model)
  const [oldest] = known.keys()
  if (known.size > mostKnown && oldest !== undefined) known.delete(oldest)
}

/** What was measured turned out to be wrong. */
export function forget(key: string): void {
  known.delete(key)
}
