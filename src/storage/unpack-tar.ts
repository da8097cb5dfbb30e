/** Unpacks tar and tgz: files, directories, and links that stay inside; everything else is refused before it is written. */
import { createReadStream, createWriteStream } from 'node:fs'
import { link, mkdir, realpath, symlink } from 'node:fs/promises'
import { dirname, join, posix, sep } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import { Parser, type ReadEntry } from 'tar'
import { InferenceError, messageOf } from '../core/errors.ts'
import { entryPath, refusedEntry, type ArchiveCount } from './archive.ts'
import { diskError } from './file-error.ts'

export interface UnpackOptions {
  /** For messages. */
  readonly archive: string
  readonly count: ArchiveCount
  readonly signal: AbortSignal
}

/** Of a stream, beyond what its entries say they hold: headers and padding. */
const headerBytes = 2 ** 20

/**
 * @param directory is there and empty
 * @throws InferenceError that names the archive and the entry; what was written until then stays
 */
export async function unpackTar(
  file: string,
  directory: string,
  isPacked: boolean,
  options: UnpackOptions,
): Promise<void> {
  const { signal, archive } = options
  const target = new TarTarget(directory, options)
  // zlib of Node runs in other threads; the one inside of the parser would run in this one.
  const parser = new Parser({ strict: true, filter: (path, entry) => target.accepts(path, entry) })
  parser.on('entry', (entry: ReadEntry) => target.take(entry))
  const guard = new Transform({
    transform: (chunk: Buffer, _encoding, done) => done(target.passed(chunk.length), chunk),
    flush: (done) => done(target.problem),
  })
  // To Node, the library's stream is one of the old kind: it writes, and says drain, finish and error.
  const sink = parser as unknown as NodeJS.WritableStream
  try {
    const source = createReadStream(file, { highWaterMark: 2 ** 18 })
    if (isPacked) await pipeline(source, createGunzip({ chunkSize: 2 ** 17 }), guard, sink, { signal })
    else await pipeline(source, guard, sink, { signal })
    await target.written()
  } catch (reason) {
    await target.stop(reason)
    signal.throwIfAborted()
    throw target.problem ?? unreadable(archive, reason)
  }
  await target.makeLinks()
}

/** Judges entries by their headers, writes files one after the other, and links at the end: no file is written through one. */
class TarTarget {
  readonly #directory: string
  readonly #options: UnpackOptions
  readonly #files = new Set<string>()
  readonly #links = new Map<string, string>()
  readonly #failing = new AbortController()
  #writes: Promise<void> = Promise.resolve()
  #allowance = headerBytes
  /** Kept, not thrown: the parser calls where nobody would catch it. */
  problem: InferenceError | undefined

  constructor(directory: string, options: UnpackOptions) {
    this.#directory = directory
    this.#options = options
  }

  /** @returns what is wrong with the stream, its entries included */
  passed(bytes: number): InferenceError | undefined {
    this.#allowance -= bytes
    if (this.#allowance < 0) this.#fail(this.#invalid('holds much that belongs to no file of it'))
    return this.problem
  }

  accepts(path: string, entry: unknown): boolean {
    if (this.problem !== undefined) return false
    try {
      // While an archive is read, the library gives the entry; a file's stat it gives only where one is made.
      this.#check(path, entry as ReadEntry)
      return true
    } catch (reason) {
      this.#fail(reason)
      return false
    }
  }

  /** The parser waits with the next entry until this one was read. */
  take(entry: ReadEntry): void {
    this.#writes = this.#writes
      .then(() => this.#write(entry))
      .catch((reason: unknown) => this.#fail(reason))
      .finally(() => entry.resume())
  }

  async written(): Promise<void> {
    await this.#writes
    if (this.problem !== undefined) throw this.problem
    if (this.#files.size + this.#links.size === 0) throw this.#invalid('is an empty archive, or none')
  }

  /** Nothing is written any more once this has ended. */
  async stop(reason: unknown): Promise<void> {
    this.#failing.abort(reason)
    await this.#writes
  }

  async makeLinks(): Promise<void> {
    const root = (await realpath(this.#directory)) + sep
    const refuse = (path: string, why: string) => refusedEntry(this.#options.archive, path, why)
    for (const [path, target] of this.#links) {
      const above = path.split('/').map((_, index, parts) => parts.slice(0, index).join('/'))
      if (above.some((each) => this.#links.has(each))) throw refuse(path, 'an entry behind a link')
      await mkdir(dirname(this.#at(path)), { recursive: true })
      await symlink(target, this.#at(path)).catch(() => {
        throw refuse(path, 'a link in the place of another entry')
      })
    }
    // By where they really lead: a link may pass through another.
    for (const path of this.#links.keys()) {
      const real = await realpath(this.#at(path)).catch(() => undefined)
      if (real === undefined) throw refuse(path, 'a link that leads nowhere')
      if (!`${real}${sep}`.startsWith(root)) throw refuse(path, 'a link that leads out of its directory')
    }
  }

  #check(path: string, entry: ReadEntry): void {
    const { archive, count } = this.#options
    const clean = this.#clean(path)
    count.add(entry.size)
    this.#allowance += entry.size + 4096 // its header, extended ones, and what fills its last block
    if (isDirectory(entry)) return
    if (clean === '') throw refusedEntry(archive, path, 'an entry without a name')
    if (entry.type === 'SymbolicLink') this.#links.set(clean, this.#linkTarget(clean, path, entry.linkpath))
    else if (entry.type === 'Link') {
      if (!this.#files.has(this.#clean(entry.linkpath ?? ''))) {
        throw refusedEntry(archive, path, 'a link to what is no file of the archive')
      }
      this.#files.add(clean)
    } else if (['File', 'OldFile', 'ContiguousFile'].includes(entry.type)) this.#files.add(clean)
    else throw refusedEntry(archive, path, `of the type ${entry.type}: only files, directories and links are unpacked`)
  }

  #linkTarget(clean: string, path: string, target = ''): string {
    const led = posix.normalize(posix.join(posix.dirname(clean), target))
    const isInside = target !== '' && !target.startsWith('/') && !/[\\\0]/.test(target) && led.split('/')[0] !== '..'
    if (isInside) return target
    throw refusedEntry(this.#options.archive, path, 'a link that leads out of its directory')
  }

  async #write(entry: ReadEntry): Promise<void> {
    if (this.problem !== undefined || this.#failing.signal.aborted || entry.type === 'SymbolicLink') return
    const path = this.#at(this.#clean(entry.path))
    if (isDirectory(entry)) {
      await mkdir(path, { recursive: true })
      return
    }
    await mkdir(dirname(path), { recursive: true })
    if (entry.type === 'Link') {
      await link(this.#at(this.#clean(entry.linkpath ?? '')), path)
      return
    }
    // Who packed it may have had other rights: the mode of the entry is left aside.
    const file = createWriteStream(path, { flags: 'wx', mode: 0o644 })
    await pipeline(entry as AsyncIterable<Uint8Array>, file, { signal: this.#failing.signal })
  }

  #clean(path: string): string {
    return entryPath(path, this.#options.archive).join('/')
  }

  #at(clean: string): string {
    return join(this.#directory, clean)
  }

  #invalid(what: string): InferenceError {
    return new InferenceError('invalid_argument', `${this.#options.archive} ${what}`)
  }

  #fail(reason: unknown): void {
    if (this.problem !== undefined || this.#failing.signal.aborted) return
    this.problem = unreadable(this.#options.archive, reason)
    this.#failing.abort(reason)
  }
}

function isDirectory({ type }: ReadEntry): boolean {
  return type === 'Directory' || type === 'GNUDumpDir'
}

/** A full disk is no fault of the archive. */
export function unreadable(archive: string, reason: unknown): InferenceError {
  const known = diskError(reason, archive)
  if (known instanceof InferenceError) return known
  return new InferenceError('invalid_argument', `${archive} cannot be unpacked: ${messageOf(reason)}`, {
    cause: reason,
  })
}
