/** Whole files of the cache, each under the hash of its bytes. */
import { randomUUID } from 'node:crypto'
import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { hashOf, type CachePaths } from './cache-paths.ts'
import { download, type Downloaded } from './download.ts'
import type { FetchContext } from './fetch-context.ts'
import { withLock } from './lock.ts'
import type { Store, StoredObject } from './store.ts'

export interface Blob extends Downloaded {
  readonly path: string
}

/** Which bytes an object stands for; undefined where its store does not say. */
export function identityOf({ address, tag, bytes, checksum }: StoredObject): string | undefined {
  return tag === undefined ? undefined : hashOf(address, tag, bytes ?? null, checksum?.hex ?? null)
}

/**
 * The file of an object: as it lies here, or after its download. Of several that ask at once, in any process, one downloads.
 *
 * @throws as `download` does
 */
export async function fetchBlob(store: Store, object: StoredObject, context: FetchContext): Promise<Blob> {
  const { paths, signal } = context
  const identity = identityOf(object)
  const known = await knownBlob(paths, object, identity)
  if (known !== undefined) return known
  const name = identity ?? randomUUID()
  return withLock(join(paths.locks, `object-${name}`), signal, async () => {
    const meanwhile = await knownBlob(paths, object, identity)
    if (meanwhile !== undefined) return meanwhile
    const partial = join(paths.partial, name)
    try {
      const downloaded = await download(store, object, partial, context)
      return await keep(paths, partial, downloaded, identity)
    } catch (reason) {
      if (identity === undefined) await rm(partial, { force: true }) // nobody could take it up
      throw reason
    }
  })
}

/** Bytes that have yet to come; 0 where nobody knows. */
export async function missingBytes(object: StoredObject, paths: CachePaths): Promise<number> {
  const identity = identityOf(object)
  if (object.bytes === undefined || (await knownBlob(paths, object, identity)) !== undefined) return 0
  const begun = identity === undefined ? undefined : await stat(join(paths.partial, identity)).catch(() => undefined)
  return Math.max(0, object.bytes - (begun?.size ?? 0))
}

async function knownBlob(
  paths: CachePaths,
  { checksum, bytes }: StoredObject,
  identity: string | undefined,
): Promise<Blob | undefined> {
  if (checksum?.algorithm === 'sha256' && checksum.prefix === undefined && bytes !== undefined) {
    const path = join(paths.blobs, checksum.hex)
    if (await hasSize(path, bytes)) return { sha256: checksum.hex, bytes, path }
  }
  if (identity === undefined) return undefined
  const line = await readFile(join(paths.objects, identity), 'utf8').catch(() => '')
  const [, sha256, size] = /^([0-9a-f]{64}) (\d+)\n$/.exec(line) ?? []
  if (sha256 === undefined || size === undefined) return undefined
  const path = join(paths.blobs, sha256)
  return (await hasSize(path, Number(size))) ? { sha256, bytes: Number(size), path } : undefined
}

/** Named before it is in its place: killed in between, the next process finds a whole beginning, and downloads nothing. */
async function keep(
  paths: CachePaths,
  partial: string,
  { sha256, bytes }: Downloaded,
  identity: string | undefined,
): Promise<Blob> {
  const path = join(paths.blobs, sha256)
  await mkdir(paths.blobs, { recursive: true })
  if (identity !== undefined) await writeWhole(join(paths.objects, identity), `${sha256} ${bytes}\n`)
  if (await hasSize(path, bytes)) {
    await rm(partial, { force: true }) // another object with the same bytes: those that models link to stay
    return { sha256, bytes, path }
  }
  await rename(partial, path)
  await chmod(path, 0o444)
  return { sha256, bytes, path }
}

/** Writes a small file so that nobody sees half of it. */
export async function writeWhole(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  const draft = `${file}.${randomUUID()}`
  await writeFile(draft, text)
  await rename(draft, file)
}

async function hasSize(file: string, bytes: number): Promise<boolean> {
  const stats = await stat(file).catch(() => undefined)
  return stats?.size === bytes
}
