/** Where things lie in the cache's directory. */
import { createHash } from 'node:crypto'
import { homedir } from 'node:os'
import { join } from 'node:path'

export interface CachePaths {
  readonly root: string
  /** Whole files by the SHA-256 of their bytes, read-only. */
  readonly blobs: string
  /** Which blob an object of a store was, by the object's identity. */
  readonly objects: string
  /** Files that are not complete, by the same identity. */
  readonly partial: string
  /** Whole models, each in a directory of its own, made of links to blobs or unpacked. */
  readonly trees: string
  /** Models that are not complete. */
  readonly staging: string
  /** Which model a URI meant last, for when its store does not answer. */
  readonly latest: string
  /** Which processes use a model. */
  readonly leases: string
  readonly locks: string
}

/** @param root made when something is put there */
export function cachePaths(root: string): CachePaths {
  const below = (name: string): string => join(root, name)
  return {
    root,
    blobs: below('blobs'),
    objects: below('objects'),
    partial: below('partial'),
    trees: below('trees'),
    staging: below('staging'),
    latest: below('latest'),
    leases: below('leases'),
    locks: below('locks'),
  }
}

/** Where the cache lies when nobody says so: `$XDG_CACHE_HOME/servable`, or `~/.cache/servable`. */
export function defaultCacheDirectory(environment: Readonly<Record<string, string | undefined>>): string {
  const base = environment['XDG_CACHE_HOME']
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'servable')
}

/** A name for what these parts say together: 64 hexadecimal digits. */
export function hashOf(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}
