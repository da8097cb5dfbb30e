/** The files of manifests under paths that a user named. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { InferenceError, messageOf } from '../core/errors.ts'

/** A directory with more files of manifests than this is another kind of directory. */
const maxFiles = 2000

export interface ManifestFile {
  readonly path: string
  /** Named by the user, not found in a directory. */
  readonly isNamed: boolean
}

/**
 * Files as they are, directories with all `*.yaml`, `*.yml` and `*.json` below them in the order of their names; hidden ones
 * are left out. Nothing comes twice.
 *
 * @throws InferenceError `invalid_argument` for a path that cannot be read, or has nothing in it
 */
export async function findFiles(paths: readonly string[]): Promise<readonly ManifestFile[]> {
  const found = new Map<string, ManifestFile>()
  for (const path of paths) {
    const stats = await stat(path).catch((reason: unknown) => {
      const isMissing = messageOf(reason).startsWith('ENOENT')
      throw invalid(`manifest ${path} ${isMissing ? 'does not exist' : `cannot be read: ${messageOf(reason)}`}`)
    })
    if (!stats.isDirectory()) {
      found.set(path, { path, isNamed: true })
      continue
    }
    const inside = await filesIn(path)
    if (inside.length === 0) throw invalid(`${path} holds no manifest: no file in it ends in .yaml, .yml or .json`)
    if (inside.length > maxFiles) throw invalid(`${path} holds ${inside.length} files, at most ${maxFiles} are read`)
    for (const file of inside) if (!found.has(file)) found.set(file, { path: file, isNamed: false })
  }
  return [...found.values()]
}

async function filesIn(directory: string): Promise<readonly string[]> {
  const names = await readdir(directory, { recursive: true })
  const wanted = names.filter((name) => /\.(ya?ml|json)$/i.test(name) && !/(^|[/\\])\./.test(name))
  const paths = wanted.toSorted().map((name) => join(directory, name))
  const stats = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)))
  return paths.filter((_, index) => stats[index]?.isFile() === true)
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
