/** Archives of models: which files are ones, and what they may hold. */
import { open } from 'node:fs/promises'
import { InferenceError } from '../core/errors.ts'

export type ArchiveKind = 'tar' | 'tgz' | 'zip'

/** What an archive may cost. */
export interface ArchiveLimits {
  readonly maxFiles: number
  /** Bytes of all files together, unpacked. */
  readonly maxBytes: number
}

/** What an archive may unpack to however small it is: weights that are mostly zeros pack well. */
const freeBytes = 2 ** 30
/** Beyond that, so many times its own size. */
const mostRatio = 200

const extensions: readonly (readonly [RegExp, ArchiveKind])[] = [
  [/\.tar$/i, 'tar'],
  [/\.(tar\.gz|tgz)$/i, 'tgz'],
  [/\.zip$/i, 'zip'],
]
const contentTypes: readonly (readonly [RegExp, ArchiveKind])[] = [
  [/^application\/(x-)?(g?tar|ustar)\b/i, 'tar'],
  [/^application\/((x-)?gzip|x-compressed|x-gtar-compressed|x-tgz)\b/i, 'tgz'],
  [/^application\/(x-)?zip(-compressed)?\b/i, 'zip'],
]
/** Other packings of tar that a model may be offered in. */
const unreadable = /\.(tar\.(bz2|xz|zst|lz4|z)|tbz2?|txz|7z|rar)$/i

/**
 * @param name of a file
 * @param contentType as its store gives it: counts for names without an extension only, as every file of weights may be a zip
 * @throws InferenceError `invalid_argument` for an archive that cannot be read
 */
export function archiveKind(name: string, contentType?: string): ArchiveKind | undefined {
  if (unreadable.test(name)) {
    throw new InferenceError('invalid_argument', `${name}: archives are read as .tar, .tar.gz, .tgz and .zip`)
  }
  const [, byName] = extensions.find(([pattern]) => pattern.test(name)) ?? []
  if (byName !== undefined || contentType === undefined || /\.[a-z]\w*$/i.test(name)) return byName
  return contentTypes.find(([pattern]) => pattern.test(contentType))?.[1]
}

/** `iris.tar.gz` → `iris`, where it is one */
export function withoutArchiveExtension(name: string, kind: ArchiveKind | undefined): string {
  if (kind === undefined) return name
  const stem = extensions.reduce((rest, [pattern]) => rest.replace(pattern, ''), name)
  return stem === '' ? 'model' : stem
}

/** By the first bytes: what is called `.tgz` may be a plain tar, and a page that says "not found". */
export async function actualKind(file: string): Promise<ArchiveKind | undefined> {
  const handle = await open(file)
  try {
    const head = Buffer.alloc(262)
    await handle.read(head, 0, head.length, 0)
    if (head.readUInt16BE(0) === 0x1f8b) return 'tgz'
    if (head.readUInt16BE(0) === 0x504b) return 'zip'
    const isEmptyTar = head.every((byte) => byte === 0)
    return head.toString('latin1', 257, 262) === 'ustar' || isEmptyTar || isOldTar(head) ? 'tar' : undefined
  } finally {
    await handle.close()
  }
}

/** Before POSIX there was no mark; the mode in octal digits stands at 100. */
function isOldTar(head: Buffer): boolean {
  return /^[ 0-7]{6,7}[ \0]/.test(head.toString('latin1', 100, 108))
}

/** Counts what comes out of an archive, and says no in time. */
export class ArchiveCount {
  readonly #archive: string
  readonly #maxFiles: number
  readonly #maxBytes: number
  #files = 0
  #bytes = 0

  /** @param archive for messages */
  constructor(archive: string, packedBytes: number, limits: ArchiveLimits) {
    this.#archive = archive
    this.#maxFiles = limits.maxFiles
    this.#maxBytes = Math.min(limits.maxBytes, Math.max(freeBytes, packedBytes * mostRatio))
  }

  get bytes(): number {
    return this.#bytes
  }

  /** @throws InferenceError `resource_exhausted` where it is one too many, or one too large */
  add(bytes: number): void {
    this.#files += 1
    this.#bytes += bytes
    if (this.#files > this.#maxFiles) {
      throw new InferenceError('resource_exhausted', `${this.#archive} has more than ${this.#maxFiles} entries`)
    }
    if (this.#bytes > this.#maxBytes) {
      throw new InferenceError(
        'resource_exhausted',
        `${this.#archive} would unpack to more than ${this.#maxBytes} bytes, which is more than such an archive may`,
      )
    }
  }
}

/**
 * @returns the parts of an entry's path below the directory; none for the directory itself
 * @throws InferenceError `invalid_argument` for one that leads out of it, or that no file system can hold
 */
export function entryPath(path: string, archive: string): readonly string[] {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  const isWrong =
    path.startsWith('/') ||
    /[\\\0]/.test(path) ||
    /^[a-z]:/i.test(path) ||
    parts.includes('..') ||
    parts.length > 100 ||
    parts.some((part) => Buffer.byteLength(part) > 255)
  if (!isWrong) return parts
  throw new InferenceError(
    'invalid_argument',
    `${archive} holds ${JSON.stringify(path.slice(0, 200))}, which leads out of its directory or is no path`,
  )
}

/** An entry that is neither file nor directory nor a link that may be. */
export function refusedEntry(archive: string, path: string, why: string): InferenceError {
  return new InferenceError('invalid_argument', `${archive} holds ${JSON.stringify(path.slice(0, 200))}, ${why}`)
}
