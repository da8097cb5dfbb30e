/** Tells whether a model file is the one that was looked at before. */
import { createHash } from 'node:crypto'
import type { Stats } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Larger files are told apart by where they are and when they changed. */
const mostHashedBytes = 1_000_000
/** A few hundred bytes each. */
const mostKept = 10_000

/** What was found of a file. */
export interface FileFacts {
  /** Another one where the file is another one, or may be. */
  readonly print: string
  readonly bytes: number
  /** Small, and nothing is beside it. */
  readonly isAlone: boolean
}

/** By file: the last look at it and its directory, and what came of it. */
const kept = new Map<string, { readonly look: string; readonly facts: FileFacts }>()

/**
 * A small file that lies alone in its directory is told by what is in it, so that copies of a model are one; others may have weights
 * beside them.
 *
 * @returns undefined where there is no such file
 */
export async function fileFacts(file: string): Promise<FileFacts | undefined> {
  try {
    const [own, around] = await Promise.all([stat(file), stat(dirname(file))])
    const look = [file, own, around].map((each) => (typeof each === 'string' ? each : lookOf(each))).join(' ')
    const before = kept.get(file)
    if (before?.look === look) return before.facts
    const bytes = own.size
    const isAlone = bytes <= mostHashedBytes && (await readdir(dirname(file))).length === 1
    const print = isAlone
      ? createHash('sha256')
          .update(await readFile(file))
          .digest('base64')
      : look
    const facts = { print, bytes, isAlone }
    kept.delete(file)
    kept.set(file, { look, facts })
    const [oldest] = kept.keys()
    if (kept.size > mostKept && oldest !== undefined) kept.delete(oldest)
    return facts
  } catch {
    return undefined // whoever opens it says why
  }
}

/** What the last look found, without another one: for who comes after the load that looked. */
export function lastFacts(file: string): FileFacts | undefined {
  return kept.get(file)?.facts
}

function lookOf({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return [dev, ino, size, mtimeMs, ctimeMs].join(' ')
}
