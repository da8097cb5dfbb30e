/** Unpacks zip: files and directories; links and encrypted entries are refused. */
import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { openPromise, type Entry, type ZipFile } from 'yauzl'
import { InferenceError } from '../core/errors.ts'
import { entryPath, refusedEntry } from './archive.ts'
import { unreadable, type UnpackOptions } from './unpack-tar.ts'

/** Of Unix' modes, the bits that tell the type of a file, and those of a link. */
const typeBits = 0o170000
const linkType = 0o120000

/**
 * @param directory is there and empty
 * @throws InferenceError that names the archive and the entry; what was written until then stays
 */
export async function unpackZip(file: string, directory: string, options: UnpackOptions): Promise<void> {
  const { archive, signal } = options
  let zip: ZipFile | undefined
  try {
    zip = await openPromise(file, { autoClose: false, lazyEntries: true, validateEntrySizes: true })
    let files = 0
    for await (const entry of zip.eachEntry()) {
      signal.throwIfAborted()
      if (await unpackEntry(zip, entry, directory, options)) files += 1
    }
    if (files === 0) throw new InferenceError('invalid_argument', `${archive} is an empty archive`)
  } catch (reason) {
    signal.throwIfAborted()
    throw unreadable(archive, reason)
  } finally {
    zip?.close()
  }
}

/** @returns whether it was a file */
async function unpackEntry(
  zip: ZipFile,
  entry: Entry,
  directory: string,
  { archive, count, signal }: UnpackOptions,
): Promise<boolean> {
  const { fileName, uncompressedSize, externalFileAttributes } = entry
  const parts = entryPath(fileName, archive)
  count.add(uncompressedSize)
  if (((externalFileAttributes >>> 16) & typeBits) === linkType) {
    throw refusedEntry(archive, fileName, 'a link: give the file itself')
  }
  if (entry.isEncrypted()) throw refusedEntry(archive, fileName, 'which is encrypted: pack it without a password')
  const path = join(directory, ...parts)
  if (fileName.endsWith('/')) {
    await mkdir(path, { recursive: true })
    return false
  }
  await mkdir(dirname(path), { recursive: true })
  const content = await zip.openReadStreamPromise(entry)
  await pipeline(content, createWriteStream(path, { flags: 'wx', mode: 0o644 }), { signal })
  return true
}
