/** Whether the files of a model have changed, told without reading them. */
import { createHash } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** More files than any model has: a directory that was named by mistake is not walked to its end. */
const mostFiles = 100_000

/** Where one version of a model lies. */
export interface ModelFiles {
  /** The model's directory, or its file where it stands alone. */
  readonly root: string
  /** The version's file or directory. */
  readonly source: string
}

/** A text that changes with names, sizes, times and identities of the files of a version and of those beside it that are the model's. */
export async function fingerprintOf({ root, source }: ModelFiles): Promise<string> {
  const hash = createHash('sha256')
  const files: string[] = []
  if (root === source) await collect(source, files)
  else {
    await collect(await directoryOf(source), files)
    for (const entry of await entriesOf(root)) if (entry.isFile()) files.push(join(root, entry.name))
  }
  for (const file of files.toSorted()) {
    const stats = await stat(file).catch(() => undefined)
    hash.update(`${file}\0${stats?.size ?? -1}\0${stats?.mtimeMs ?? 0}\0${stats?.ino ?? 0}\n`)
  }
  return hash.digest('base64')
}

async function directoryOf(source: string): Promise<string> {
  const stats = await stat(source).catch(() => undefined)
  return stats?.isFile() === true ? dirname(source) : source
}

async function collect(path: string, files: string[]): Promise<void> {
  const stats = await stat(path).catch(() => undefined)
  if (stats?.isDirectory() !== true) {
    files.push(path)
    return
  }
  for (const entry of await entriesOf(path)) {
    if (files.length >= mostFiles) return
    if (!entry.name.startsWith('.')) await collect(join(path, entry.name), files)
  }
}

function entriesOf(directory: string) {
  return readdir(directory, { withFileTypes: true }).catch(() => [])
}
