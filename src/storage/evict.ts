/** Makes room in the cache: models that were used longest ago go first, those in use stay. */
import { randomUUID } from 'node:crypto'
import type { Stats } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { CachePaths } from './cache-paths.ts'
import { isLeased } from './leases.ts'
import { tryLock, withLock } from './lock.ts'
import { manifestName, treeBytes } from './tree.ts'
import { filesBelow } from './walk.ts'

/** A beginning that nobody has taken up for so long is given up. */
const partialMs = 7 * 24 * 3600_000
/** Between the end of a download and its link into a model; generous, as a process may be held up. */
const freshMs = 60_000
/** Notes of what an object or a URI was: without one, it is asked and fetched again. */
const indexMs = 90 * 24 * 3600_000

export interface RoomOptions {
  readonly paths: CachePaths
  readonly budgetBytes: number | undefined
  readonly log: Log
  readonly signal: AbortSignal
}

/**
 * Removes what is left of dead processes, and models that are not in use until `bytes` more fit.
 *
 * @throws InferenceError `resource_exhausted` where they do not fit even then
 */
export async function makeRoom(bytes: number, { paths, budgetBytes, log, signal }: RoomOptions): Promise<void> {
  await withLock(join(paths.locks, 'room'), signal, async () => {
    await sweep(paths)
    const fits = async (): Promise<string | undefined> => {
      const used = await usedBytes(paths)
      if (budgetBytes !== undefined && used + bytes > budgetBytes) {
        return `its budget of ${budgetBytes} bytes (--cache-budget) has ${Math.max(0, budgetBytes - used)} left`
      }
      const free = await freeBytes(paths.root)
      return free < bytes ? `its disk has ${free} left` : undefined
    }
    let lack = await fits()
    for (const tree of lack === undefined ? [] : await oldestFirst(paths)) {
      if (await isLeased(paths, tree.key)) continue
      await removeTree(paths, tree.key)
      log.info({ tree: tree.key, bytes: tree.bytes }, 'model removed from the cache')
      lack = await fits()
      if (lack === undefined) return
    }
    if (lack === undefined) return
    throw new InferenceError(
      'resource_exhausted',
      `cache ${paths.root}: ${bytes} bytes are needed, and ${lack} beside the models in use`,
    )
  })
}

/** Removes what nobody will come back for. */
async function sweep(paths: CachePaths): Promise<void> {
  for (const key of await namesIn(paths.staging)) {
    await tryLock(join(paths.locks, `tree-${key}`), () =>
      rm(join(paths.staging, key), { recursive: true, force: true }),
    )
  }
  await removeOld(paths.partial, partialMs)
  await removeOld(paths.locks, partialMs) // drafts of locks, and those of objects that nobody asks for
  await removeOld(paths.objects, indexMs)
  await removeOld(paths.latest, indexMs)
  await removeOrphanBlobs(paths, ({ ctimeMs }) => Date.now() - ctimeMs > freshMs)
}

async function removeOld(directory: string, ageMs: number): Promise<void> {
  for (const name of await namesIn(directory)) {
    const file = join(directory, name)
    const stats = await stat(file).catch(() => undefined)
    if (stats !== undefined && Date.now() - stats.mtimeMs > ageMs) await rm(file, { force: true })
  }
}

/** By its directory's entry first, so that nobody finds half of it; then the blobs that only it had. */
export async function removeTree(paths: CachePaths, key: string): Promise<void> {
  const aside = join(paths.staging, `removed-${randomUUID()}`)
  await mkdir(paths.staging, { recursive: true })
  await rename(join(paths.trees, key), aside).catch(() => undefined)
  const inodes = new Set((await filesIn(aside)).map(({ ino }) => ino))
  await rm(aside, { recursive: true, force: true })
  await rm(join(paths.leases, key), { recursive: true, force: true })
  await removeOrphanBlobs(paths, ({ ino }) => inodes.has(ino))
}

/** Those that no model links to. */
async function removeOrphanBlobs(paths: CachePaths, isOld: (stats: Stats) => boolean): Promise<void> {
  for (const name of await namesIn(paths.blobs)) {
    const file = join(paths.blobs, name)
    const stats = await stat(file).catch(() => undefined)
    if (stats?.nlink === 1 && isOld(stats)) await rm(file, { force: true })
  }
}

/** Bytes of all blobs, of trees that were unpacked, and of beginnings. */
async function usedBytes(paths: CachePaths): Promise<number> {
  let used = 0
  for (const directory of [paths.blobs, paths.partial]) {
    for (const name of await namesIn(directory)) {
      used += (await stat(join(directory, name)).catch(() => undefined))?.size ?? 0
    }
  }
  for (const directory of [paths.trees, paths.staging]) {
    for (const name of await namesIn(directory)) used += await ownBytes(join(directory, name))
  }
  return used
}

/** Of files that are not links to blobs. */
async function ownBytes(directory: string): Promise<number> {
  return (await filesIn(directory)).reduce((sum, { nlink, size }) => (nlink === 1 ? sum + size : sum), 0)
}

async function filesIn(directory: string): Promise<readonly Stats[]> {
  const files = await filesBelow(directory).catch(() => [])
  return files.map(({ stats }) => stats)
}

async function oldestFirst(
  paths: CachePaths,
): Promise<readonly { readonly key: string; readonly bytes: number; readonly usedMs: number }[]> {
  const trees = await Promise.all(
    (await namesIn(paths.trees)).map(async (key) => {
      const tree = join(paths.trees, key)
      const usedMs = (await stat(join(tree, manifestName)).catch(() => undefined))?.mtimeMs ?? 0
      return { key, usedMs, bytes: (await treeBytes(tree)) ?? 0 }
    }),
  )
  return trees.toSorted((left, right) => left.usedMs - right.usedMs)
}

async function freeBytes(directory: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(directory)
    return bavail * bsize
  } catch {
    return Infinity
  }
}

function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => [])
}
