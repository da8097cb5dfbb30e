/** Answers that models gave before, for those that opt in: bounded in bytes, the longest unused go first. */
import type { ModelRef } from '../core/inference.ts'
import type { Tensor } from '../core/tensor.ts'
import { keep, keptBytes, take, type Kept } from './kept-tensor.ts'

/** Of all bytes, what one answer may take at most: a large one must not push out everything else. */
const entryShare = 1 / 8
/** About what an entry costs beside its elements: key, table, list. */
const entryBytes = 400

interface Entry {
  readonly key: string
  readonly outputs: readonly Kept[]
  readonly bytes: number
  readonly owner: ModelCache
  /** Used after this one; undefined for the last one used. */
  newer: Entry | undefined
  older: Entry | undefined
}

/** What the cache holds and has let go. */
export interface CacheUsage {
  readonly entries: number
  readonly bytes: number
  readonly maxBytes: number
  /** Entries that made room for others; not those of models that were unloaded. */
  readonly evictions: number
}

/** All models share the bytes; each loaded instance has its own entries, so that a reload answers nothing old. */
export class ResponseCache {
  readonly #maxBytes: number
  readonly #models = new Map<string, { readonly instance: object; readonly cache: ModelCache }>()
  #newest: Entry | undefined
  #oldest: Entry | undefined
  #entries = 0
  #bytes = 0
  #evictions = 0

  /** @param maxBytes of all answers together; 0 keeps none */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get usage(): CacheUsage {
    return { entries: this.#entries, bytes: this.#bytes, maxBytes: this.#maxBytes, evictions: this.#evictions }
  }

  /** The answers of one loaded instance; those of an earlier instance of the same version are dropped. */
  of(ref: Required<ModelRef>, instance: object): ModelCache {
    const name = nameOf(ref)
    const known = this.#models.get(name)
    if (known?.instance === instance) return known.cache
    known?.cache.close()
    const cache = new ModelCache(this)
    this.#models.set(name, { instance, cache })
    return cache
  }

  /** Drops all answers of a version. */
  forget(ref: Required<ModelRef>): void {
    const name = nameOf(ref)
    this.#models.get(name)?.cache.close()
    this.#models.delete(name)
  }

  /** For {@link ModelCache}: takes an entry in, and lets go of as many as there is no room for. */
  add(owner: ModelCache, key: string, outputs: readonly Tensor[]): Entry | undefined {
    const bytes = outputs.reduce((sum, output) => sum + keptBytes(output), entryBytes)
    if (bytes > this.#maxBytes * entryShare) return undefined
    const entry: Entry = { key, outputs: outputs.map(keep), bytes, owner, newer: undefined, older: undefined }
    this.#link(entry)
    this.#entries += 1
    this.#bytes += bytes
    while (this.#bytes > this.#maxBytes && this.#oldest !== undefined) {
      this.#evictions += 1
      this.#oldest.owner.remove(this.#oldest)
    }
    return entry
  }

  /** For {@link ModelCache}: an entry was used. */
  touch(entry: Entry): void {
    if (entry === this.#newest) return
    this.#unlink(entry)
    this.#link(entry)
  }

  /** For {@link ModelCache}: an entry is gone. */
  release(entry: Entry): void {
    this.#unlink(entry)
    this.#entries -= 1
    this.#bytes -= entry.bytes
  }

  #link(entry: Entry): void {
    entry.older = this.#newest
    if (this.#newest !== undefined) this.#newest.newer = entry
    this.#newest = entry
    this.#oldest ??= entry
  }

  #unlink(entry: Entry): void {
    if (entry.older === undefined) this.#oldest = entry.newer
    else entry.older.newer = entry.newer
    if (entry.newer === undefined) this.#newest = entry.older
    else entry.newer.older = entry.older
    entry.newer = undefined
    entry.older = undefined
  }
}

/** The answers of one loaded instance of a version. */
export class ModelCache {
  readonly #cache: ResponseCache
  readonly #entries = new Map<string, Entry>()
  #isClosed = false

  /** Use {@link ResponseCache.of}. */
  constructor(cache: ResponseCache) {
    this.#cache = cache
  }

  /** A copy of the outputs that were kept. */
  get(key: string): readonly Tensor[] | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) return undefined
    this.#cache.touch(entry)
    return entry.outputs.map(take)
  }

  /** Keeps a copy, unless it is too large or the instance is gone. */
  set(key: string, outputs: readonly Tensor[]): void {
    if (this.#isClosed || this.#entries.has(key)) return
    const entry = this.#cache.add(this, key, outputs)
    if (entry !== undefined) this.#entries.set(key, entry)
  }

  /** Forgets one entry. */
  remove(entry: Entry): void {
    this.#entries.delete(entry.key)
    this.#cache.release(entry)
  }

  /** Forgets everything, for good: an answer that is still computed comes too late to be kept. */
  close(): void {
    this.#isClosed = true
    for (const entry of this.#entries.values()) this.#cache.release(entry)
    this.#entries.clear()
  }
}

function nameOf({ name, version }: Required<ModelRef>): string {
  return `${name}\0${version}`
}
