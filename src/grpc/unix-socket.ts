/** A path on which a server listens: what a process that is gone left there makes room, and who may connect. */
import { chmod, lstat, unlink } from 'node:fs/promises'
import { connect, type Server } from 'node:net'
import { InferenceError, messageOf } from '../core/errors.ts'

/** Longer ones are cut off without a word, as Linux has room for 108 bytes and an end. */
const longestPath = 107
/** The server's user and group: in a pod, the containers of both share it. */
const permissions = 0o660

/**
 * Has `server` listen at a path.
 *
 * @throws InferenceError `failed_precondition` where another process answers there, something else lies there, or the path cannot
 *   be used
 */
export async function listenAt(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > longestPath) {
    throw refusal(path, `it is longer than the ${longestPath} bytes that a socket's path may have`)
  }
  await removeStale(path)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
    await chmod(path, permissions)
  } catch (reason) {
    throw refusal(path, messageOf(reason), reason)
  }
}

async function removeStale(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined)
  if (stats === undefined) return
  if (!stats.isSocket()) throw refusal(path, 'there is something else of that name')
  if (await answers(path)) throw refusal(path, 'another process listens there')
  await unlink(path).catch((reason: unknown) => {
    throw refusal(path, `what another process left there cannot be removed: ${messageOf(reason)}`, reason)
  })
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const end = (isThere: boolean): void => {
      socket.destroy()
      resolve(isThere)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
  })
}

function refusal(path: string, why: string, cause?: unknown): InferenceError {
  return new InferenceError('failed_precondition', `gRPC cannot listen at unix:${path}: ${why}`, { cause })
}
