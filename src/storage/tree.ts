/** Whole models in the cache: made aside, put in their place by one rename, looked at before each use. */
import { constants } from 'node:fs'
import { copyFile, link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Limiter } from '../core/limiter.ts'
import { InferenceError } from '../core/errors.ts'
import { actualKind, ArchiveCount, entryPath, type ArchiveKind } from './archive.ts'
import { fetchBlob } from './blobs.ts'
import type { CachePaths } from './cache-paths.ts'
import { codeOf } from './file-error.ts'
import type { FetchContext } from './fetch-context.ts'
import type { Store, StoredObject } from './store.ts'
import { unpackTar } from './unpack-tar.ts'
import { unpackZip } from './unpack-zip.ts'
import { filesBelow } from './walk.ts'

/** Beside the files of a tree: which there are, so that a damaged one is noticed. */
export const manifestName = '.servable.json'

/** What a tree is made of. */
export interface TreePlan {
  /** The hash of all of the below. */
  readonly key: string
  /** Where the files go, from the tree's directory. */
  readonly directory: string
  readonly objects: readonly StoredObject[]
  /** The one object is an archive: its contents are wanted. */
  readonly archive?: ArchiveKind
}

interface Manifest {
  /** Bytes by path, links left out. */
  readonly files: Readonly<Record<string, number>>
  readonly bytes: number
}

/** @returns the bytes of a whole tree, which is now the one used last; undefined where it is missing or damaged */
export async function openTree(paths: CachePaths, key: string): Promise<number | undefined> {
  const tree = join(paths.trees, key)
  const manifest = await readManifest(tree)
  if (manifest === undefined) return undefined
  for (const [path, bytes] of Object.entries(manifest.files)) {
    const stats = await stat(join(tree, path)).catch(() => undefined)
    if (stats?.size !== bytes) return undefined
  }
  const now = new Date()
  await utimes(join(tree, manifestName), now, now).catch(() => undefined) // a cache that cannot be written can be read
  return manifest.bytes
}

/** @returns the tree's bytes; undefined where it has no manifest that can be read */
export async function treeBytes(tree: string): Promise<number | undefined> {
  return (await readManifest(tree))?.bytes
}

async function readManifest(tree: string): Promise<Manifest | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(join(tree, manifestName), 'utf8'))
    if (typeof value !== 'object' || value === null || !('files' in value) || !('bytes' in value)) return undefined
    const { files, bytes } = value
    if (typeof files !== 'object' || files === null || typeof bytes !== 'number') return undefined
    // Written by `makeTree` alone, and whole: the rename came after.
    return { files: files as Readonly<Record<string, number>>, bytes }
  } catch {
    return undefined
  }
}

/**
 * Downloads what is missing and makes the tree. To be called under the tree's lock.
 *
 * @throws InferenceError as stores and archives do; nothing stands in the tree's place then
 */
export async function makeTree(store: Store, plan: TreePlan, context: FetchContext): Promise<number> {
  const { paths } = context
  const staging = join(paths.staging, plan.key)
  const files = join(staging, plan.directory)
  await rm(staging, { recursive: true, force: true }) // of a process that was killed
  await mkdir(files, { recursive: true })
  try {
    const archive = plan.archive === undefined ? undefined : await unpackObject(store, plan, files, context)
    if (archive === undefined) await linkObjects(store, plan.objects, files, context)
    const manifest = await describe(staging)
    await writeFile(join(staging, manifestName), JSON.stringify(manifest), { flush: true })
    const tree = join(paths.trees, plan.key)
    await mkdir(paths.trees, { recursive: true })
    await rm(tree, { recursive: true, force: true }) // one that was damaged
    await rename(staging, tree)
    if (archive !== undefined) await rm(archive, { force: true }) // its contents are in their place
    return manifest.bytes
  } catch (reason) {
    await rm(staging, { recursive: true, force: true }).catch(() => undefined)
    throw reason
  }
}

async function linkObjects(
  store: Store,
  objects: readonly StoredObject[],
  directory: string,
  context: FetchContext,
): Promise<void> {
  const limiter = new Limiter(context.limits.concurrency)
  const failing = new AbortController()
  const signal = AbortSignal.any([context.signal, failing.signal])
  const one = async (object: StoredObject): Promise<void> => {
    signal.throwIfAborted()
    try {
      const path = join(directory, ...entryPath(object.path, store.uri))
      await mkdir(dirname(path), { recursive: true })
      await linkBlob(store, object, path, { ...context, signal })
    } catch (reason) {
      failing.abort(reason) // the others need not go on
      throw reason
    }
  }
  const done = await Promise.allSettled(objects.map((object) => limiter.run(() => one(object))))
  const reason: unknown = failing.signal.reason
  if (done.some(({ status }) => status === 'rejected')) throw context.signal.aborted ? context.signal.reason : reason
}

/** Another process may make room just between the download and the link: then once more. */
async function linkBlob(store: Store, object: StoredObject, path: string, context: FetchContext): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const blob = await fetchBlob(store, object, context)
    try {
      await linkOrCopy(blob.path, path)
      return
    } catch (reason) {
      if (codeOf(reason) !== 'ENOENT' || attempt === context.limits.maxAttempts) throw reason
    }
  }
}

/** A file system that knows no links gets a copy. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (reason) {
    if (codeOf(reason) === 'EEXIST' || codeOf(reason) === 'ENOENT') throw reason
    await copyFile(from, to, constants.COPYFILE_EXCL)
  }
}

/** @returns the file of the archive */
async function unpackObject(
  store: Store,
  plan: TreePlan,
  directory: string,
  context: FetchContext,
): Promise<string | undefined> {
  const [object] = plan.objects
  if (object === undefined) return undefined
  const blob = await fetchBlob(store, object, context)
  const { signal, limits } = context
  const kind = await actualKind(blob.path)
  const count = new ArchiveCount(object.address, blob.bytes, limits)
  const options = { archive: object.address, count, signal }
  if (kind === 'zip') await unpackZip(blob.path, directory, options)
  else if (kind !== undefined) await unpackTar(blob.path, directory, kind === 'tgz', options)
  else
    throw new InferenceError('invalid_argument', `${object.address} is no ${plan.archive ?? ''} archive by its bytes`)
  return blob.path
}

async function describe(directory: string): Promise<Manifest> {
  const files: Record<string, number> = {}
  let bytes = 0
  for (const { path, stats } of await filesBelow(directory)) {
    files[path.slice(directory.length + 1)] = stats.size
    bytes += stats.size
  }
  return { files, bytes }
}
