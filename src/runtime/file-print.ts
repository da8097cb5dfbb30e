/** Tells whether a model file is the one that was looked at before. */
import { createHash } from 'node:crypto'
import type { Stats } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Larger files are told apart by where they are and when they changed. */
const mostHashedBytes = 1_000_000
/** A few hundred bytes each. */
const mostKept = 10_000

/** By file: the last look at it and its directory, and what came of it. */
const kept = new Map<string, { readonly look: string; readonly print: string }>()

/**
 * A small file that lies alone in its directory is told by what is in it, so that copies of a model are one; others may have weights
 * beside them.
 *
 * @returns undefined where there is no such file
 */
export async function filePrint(file: string): Promise<string | undefined> {
  try {
    const [own, around] = await Promise.all([stat(file), stat(dirname(file))])
    const look = [file, own, around].map((each) => (typeof each === 'string' ? each : lookOf(each))).join(' ')
    const before = kept.get(file)
    if (before?.look === look) return before.print
    const isAlone = own.size <= mostHashedBytes && (await readdir(dirname(file))).length === 1
    const print = isAlone
      ? createHash('sha256')
          .update(await readFile(file))
          .digest('base64')
      : look
    kept.delete(file)
    kept.set(file, { look, print })
    const [oldest] = kept.keys()
    if (kept.size > mostKept && oldest !== undefined) kept.delete(oldest)
    return print
  } catch {
    return undefined // whoever opens it says why
  }
}

function lookOf({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return [dev, ino, size, mtimeMs, ctimeMs].join(' ')
}
