/** An archive on this machine, to be unpacked into the cache. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { Store } from './store.ts'

/** @param path of a file */
export function fileStore(path: string): Store {
  const tagOf = async (): Promise<{ readonly tag: string; readonly bytes: number }> => {
    const { size, mtimeMs, ino } = await stat(path)
    return { tag: `${ino} ${size} ${mtimeMs}`, bytes: size }
  }
  return {
    name: 'file',
    uri: path,
    list: async () => {
      try {
        return { objects: [{ path: basename(path), address: path, ...(await tagOf()) }], isFile: true }
      } catch (reason) {
        throw new InferenceError('not_found', `${path} cannot be read: ${messageOf(reason)}`, { cause: reason })
      }
    },
    open: async ({ tag }, offset, signal) => {
      if ((await tagOf()).tag !== tag) return undefined
      return { offset, body: createReadStream(path, { start: offset, signal }) }
    },
    close: () => undefined,
  }
}
