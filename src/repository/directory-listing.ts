/** What lies in one directory, as far as models go. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeclaration } from './declarations.ts'
import { formatOfFile, isSavedModelFile } from './formats.ts'
import { versionOf } from './version.ts'

/** A model file, or a directory that is a model as a whole. */
export interface Candidate {
  /** As it is called in its directory; '.' for the directory itself. */
  readonly name: string
  readonly format: string
  readonly directory: string
  /** Absent where the model is the directory. */
  readonly file?: string
}

export interface DirectoryListing {
  readonly directory: string
  readonly candidates: readonly Candidate[]
  /** Version directories. */
  readonly versions: readonly { readonly version: string; readonly directory: string }[]
  /** Names of all other directories. */
  readonly directories: readonly string[]
  /** Names of files that say how a model is served: `model.yaml`, `config.pbtxt`, … */
  readonly declarations: readonly string[]
  /** Names of links that lead nowhere. */
  readonly brokenLinks: readonly string[]
}

/** Lists a directory in the order of names; hidden files and files that are none of a model are left out. */
export async function listDirectory(directory: string): Promise<DirectoryListing> {
  const candidates: Candidate[] = []
  const versions: { version: string; directory: string }[] = []
  const directories: string[] = []
  const brokenLinks: string[] = []
  const declarations: string[] = []
  const entries = await readdir(directory, { withFileTypes: true })
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const { name } = entry
    if (name.startsWith('.') || name.startsWith('__')) continue
    const path = join(directory, name)
    // Most names are told with what they are; what a link leads to is not.
    const stats = entry.isFile() || entry.isDirectory() ? entry : await stat(path).catch(() => undefined)
    const version = versionOf(name)
    if (stats === undefined) brokenLinks.push(name)
    else if (stats.isFile()) {
      if (isDeclaration(name)) declarations.push(name)
      const candidate = await candidateOfFile(directory, name)
      if (candidate !== undefined) candidates.push(candidate)
    } else if (!stats.isDirectory()) continue
    else if (version !== undefined) versions.push({ version, directory: path })
    else {
      const candidate = await candidateOfDirectory(directory, name)
      if (candidate === undefined) directories.push(name)
      else candidates.push(candidate)
    }
  }
  return { directory, candidates, versions, directories, declarations, brokenLinks }
}

/** Of one model alone, whatever lies beside it. */
export function listingOf(candidate: Candidate): DirectoryListing {
  const nothing = { versions: [], directories: [], declarations: [], brokenLinks: [] }
  return { directory: candidate.directory, candidates: [candidate], ...nothing }
}

/** The model that a file is, undefined where it is none. */
export async function candidateOfFile(directory: string, name: string): Promise<Candidate | undefined> {
  if (isSavedModelFile(name)) return { name: '.', format: 'tensorflow', directory }
  const file = join(directory, name)
  const format = await formatOfFile(file, name)
  return format === undefined ? undefined : { name, format, directory, file }
}

/** Triton's forms: `model.savedmodel/`, and `model.onnx/` with `model.onnx` and its weights in it. */
async function candidateOfDirectory(directory: string, name: string): Promise<Candidate | undefined> {
  const path = join(directory, name)
  if (name.endsWith('.savedmodel')) return { name, format: 'tensorflow', directory: path }
  if (!name.endsWith('.onnx')) return undefined
  const file = join(path, 'model.onnx')
  const stats = await stat(file).catch(() => undefined)
  return stats?.isFile() === true ? { name, format: 'onnx', directory: path, file } : undefined
}

/** `iris` of `iris.onnx`. */
export function stemOf(name: string): string {
  const dot = name.lastIndexOf('.')
  return dot <= 0 ? name : name.slice(0, dot)
}
