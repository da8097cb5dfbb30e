/** What the first load of a file measured, for those that follow: a model that comes back is opened once and not measured again. */
import { stat } from 'node:fs/promises'
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

/** Of one file, as it is now, with its options. */
export interface FileKey {
  readonly key: string
  /** Another one as soon as the file is another one. */
  readonly print: string
}

/** A few hundred bytes each. */
const mostKnown = 10_000

/** In the order of their last use. */
const known = new Map<string, { readonly print: string; readonly model: KnownModel }>()

/** @param settings whatever else the measurements depend on: plain data @returns undefined where there is no such file */
export async function keyOfFile(file: string, settings: unknown): Promise<FileKey | undefined> {
  const stats = await stat(file).catch(() => undefined)
  if (stats === undefined) return undefined
  const { dev, ino, size, mtimeMs, ctimeMs } = stats
  return { key: JSON.stringify([file, settings]), print: [dev, ino, size, mtimeMs, ctimeMs].join(' ') }
}

export function recall({ key, print }: FileKey): KnownModel | undefined {
  const found = known.get(key)
  if (found === undefined) return undefined
  known.delete(key)
  if (found.print !== print) return undefined
  known.set(key, found)
  return found.model
}

export function remember({ key, print }: FileKey, model: KnownModel): void {
  known.delete(key)
  known.set(key, { print, model })
  const [oldest] = known.keys()
  if (known.size > mostKnown && oldest !== undefined) known.delete(oldest)
}

/** What was measured turned out to be wrong. */
export function forget({ key }: FileKey): void {
  known.delete(key)
}
