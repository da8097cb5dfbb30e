/** What the system says of a file, as an error that its reader can act on. */
import { InferenceError, messageOf } from '../core/errors.ts'

/** `ENOENT`; undefined for what is no error of the system. */
export function codeOf(reason: unknown): string | undefined {
  return reason instanceof Error && 'code' in reason && typeof reason.code === 'string' ? reason.code : undefined
}

/**
 * A full or read-only disk said in words; every other error as it is.
 *
 * @param what was being written, for the message
 */
export function diskError(reason: unknown, what: string): unknown {
  const code = codeOf(reason)
  const words: Readonly<Record<string, string>> = {
    ENOSPC: 'the disk is full: make room, or put the cache elsewhere with --cache-dir',
    EDQUOT: 'the quota of the disk is used up: make room, or put the cache elsewhere with --cache-dir',
    EROFS: 'the disk cannot be written: name another directory with --cache-dir',
    EACCES: 'this process may not write there: name another directory with --cache-dir',
    EPERM: 'this process may not write there: name another directory with --cache-dir',
  }
  const word = code === undefined ? undefined : words[code]
  if (word === undefined) return reason
  return new InferenceError('resource_exhausted', `${what}: ${word} (${messageOf(reason)})`, {
    cause: reason,
  })
}
