/** The steps of one fetch: list, look into the cache, make room, download, put in its place. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceError } from '../core/errors.ts'
import { archiveKind, withoutArchiveExtension } from './archive.ts'
import { fetchBlob, identityOf, missingBytes, writeWhole } from './blobs.ts'
import { hashOf } from './cache-paths.ts'
import { ObjectChanged } from './download.ts'
import { makeRoom, removeTree } from './evict.ts'
import type { FetchContext } from './fetch-context.ts'
import { lease } from './leases.ts'
import { withLock } from './lock.ts'
import { isWanted, type FilePatterns } from './patterns.ts'
import type { Listing, Store, StoredObject } from './store.ts'
import { makeTree, openTree, type TreePlan } from './tree.ts'

export interface TreeRequest {
  /** All of what was asked for, secrets included: is hashed only. */
  readonly id: string
  /** Where it comes from, without secrets: gives names to directories. */
  readonly address: string
  readonly patterns: FilePatterns
  /** Told how many bytes will come. */
  readonly expect: (bytes: number) => void
}

export interface FetchedTree {
  /** Name of its directory among the trees. */
  readonly tree: string
  /** What is to be served, from there. */
  readonly files: string
  readonly bytes: number
  readonly isCached: boolean
  readonly release: () => Promise<void>
}

/** How often a store may change under a fetch. */
const mostListings = 3

/** @throws InferenceError as the store does; `not_found` where it has nothing of what is wanted */
export async function fetchTree(store: Store, request: TreeRequest, context: FetchContext): Promise<FetchedTree> {
  for (let listing = 1; ; listing += 1) {
    try {
      return await fetchListed(store, request, context)
    } catch (reason) {
      if (!(reason instanceof ObjectChanged) || listing === mostListings) throw reason
      context.log.info({ uri: store.uri }, 'the model has changed while it was read, it is read anew')
    }
  }
}

async function fetchListed(store: Store, request: TreeRequest, context: FetchContext): Promise<FetchedTree> {
  const latest = join(context.paths.latest, hashOf(request.id, request.patterns))
  const listing = await list(store, context).catch((reason: unknown) => {
    if (!(reason instanceof InferenceError) || reason.code !== 'unavailable') throw reason
    return reason
  })
  if (listing instanceof InferenceError) return withoutStore(listing, latest, store, context)
  const { objects, isFile } = listing
  const wanted = isFile ? objects : objects.filter(({ path }) => isWanted(path, request.patterns))
  if (wanted.length === 0) throw noModel(store, objects.length)
  refuseTooMuch(wanted, store, context)
  const tagged = await Promise.all(wanted.map((object) => withTag(store, object, context)))
  const { plan, files } = planOf(tagged, isFile, request.address)
  const release = await lease(context.paths, plan.key)
  try {
    const there = await openTree(context.paths, plan.key)
    const bytes =
      there ?? (await withLock(lockOf(plan.key, context), context.signal, () => make(store, plan, request, context)))
    await writeWhole(latest, `${plan.key} ${files}\n`)
    return { tree: plan.key, files, bytes, isCached: there !== undefined, release }
  } catch (reason) {
    await release()
    throw reason
  }
}

function lockOf(key: string, { paths }: FetchContext): string {
  return join(paths.locks, `tree-${key}`)
}

async function make(store: Store, plan: TreePlan, request: TreeRequest, context: FetchContext): Promise<number> {
  const meanwhile = await openTree(context.paths, plan.key)
  if (meanwhile !== undefined) return meanwhile
  const missing = await Promise.all(plan.objects.map((object) => missingBytes(object, context.paths)))
  const total = missing.reduce((sum, bytes) => sum + bytes, 0)
  await makeRoom(total, context)
  request.expect(total)
  const bytes = await makeTree(store, plan, context)
  if (plan.archive === undefined) return bytes
  try {
    await makeRoom(0, context) // what came out of it was not known before
  } catch (reason) {
    await removeTree(context.paths, plan.key)
    throw reason
  }
  return bytes
}

async function list(store: Store, { limits, signal }: FetchContext): Promise<Listing> {
  // What the listing has opened may be read long after it: its signal must not fire then.
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), limits.idleMs * limits.maxAttempts)
  try {
    return await store.list(AbortSignal.any([signal, late.signal]))
  } catch (reason) {
    signal.throwIfAborted()
    if (!late.signal.aborted) throw reason
    throw new InferenceError('unavailable', `${store.name} does not answer`, { cause: reason })
  } finally {
    clearTimeout(timer)
  }
}

/** What the URI meant when its store answered last. */
async function withoutStore(
  reason: InferenceError,
  latest: string,
  store: Store,
  { paths, log }: FetchContext,
): Promise<FetchedTree> {
  const line = await readFile(latest, 'utf8').catch(() => '')
  const [, tree, files] = /^([0-9a-f]{64}) (.*)\n$/s.exec(line) ?? []
  if (tree === undefined || files === undefined) throw reason
  const release = await lease(paths, tree)
  const bytes = await openTree(paths, tree)
  if (bytes === undefined) {
    await release()
    throw reason
  }
  log.warn(
    { uri: store.uri, reason: reason.message },
    'store does not answer, the model is served as it was fetched last',
  )
  return { tree, files, bytes, isCached: true, release }
}

/** An object whose store gives it no tag is fetched each time; the hash of its bytes is its tag. */
async function withTag(store: Store, object: StoredObject, context: FetchContext): Promise<StoredObject> {
  if (object.tag !== undefined) return object
  await makeRoom(object.bytes ?? 0, context)
  const { sha256, bytes } = await fetchBlob(store, object, context)
  return { ...object, bytes, tag: `sha256:${sha256}`, checksum: { algorithm: 'sha256', hex: sha256 } }
}

function planOf(
  objects: readonly StoredObject[],
  isFile: boolean,
  address: string,
): { readonly plan: TreePlan; readonly files: string } {
  const [first] = objects
  const archive = first !== undefined && objects.length === 1 ? archiveKind(first.path, first.contentType) : undefined
  const isBare = isFile && archive === undefined
  const names = namesOf(address)
  const inner = isBare ? names.slice(0, -1) : names.slice(-2).map((name) => withoutArchiveExtension(name, archive))
  const directory = join('model', ...inner)
  const identities = objects.map((object) => [object.path, identityOf(object)])
  const key = hashOf(1, directory, archive ?? null, identities)
  return {
    plan: { key, directory, objects, ...(archive === undefined ? {} : { archive }) },
    files: isBare && first !== undefined ? join(directory, first.path) : directory,
  }
}

/** The last three parts of an address as names of directories: a model is named after one of them. */
function namesOf(address: string): readonly string[] {
  const parts = address
    .replace(/^[a-z][\w+.-]*:\/\//i, '')
    .split('/')
    .filter((part) => part !== '')
  const [host, ...path] = parts
  return (path.length === 0 ? [host ?? 'model'] : path.slice(-3)).map(nameOf)
}

function nameOf(part: string): string {
  let text = part
  try {
    text = decodeURIComponent(part)
  } catch {
    // a percent sign that begins no code stays
  }
  const name = text.replace(/[^\w.@+-]/g, '_').slice(0, 100)
  return /^\.*$/.test(name) ? 'model' : name
}

function refuseTooMuch(objects: readonly StoredObject[], { uri }: Store, { limits }: FetchContext): void {
  const bytes = objects.reduce((sum, object) => sum + (object.bytes ?? 0), 0)
  if (objects.length > limits.maxFiles) {
    throw new InferenceError(
      'resource_exhausted',
      `${uri} has ${objects.length} files, a model may have ${limits.maxFiles}: name the model's own directory`,
    )
  }
  if (bytes <= limits.maxBytes) return
  throw new InferenceError('resource_exhausted', `${uri} has ${bytes} bytes, a model may have ${limits.maxBytes}`)
}

/** KServe's words. */
function noModel({ uri }: Store, found: number): InferenceError {
  const why = found === 0 ? '' : ` Its ${found} files do not fit STORAGE_ALLOW_PATTERNS and STORAGE_IGNORE_PATTERNS.`
  return new InferenceError('not_found', `Failed to fetch model. No model found in ${uri}.${why}`)
}
