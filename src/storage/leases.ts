/** Who uses which model of the cache: what is in use is not removed. */
import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CachePaths } from './cache-paths.ts'
import { holderText, livingHolder, startBeating, stopBeating } from './holder.ts'

/** @returns ends the use; the end of this process does so too */
export async function lease(paths: CachePaths, key: string): Promise<() => Promise<void>> {
  const file = join(paths.leases, key, randomUUID())
  await mkdir(join(paths.leases, key), { recursive: true })
  await writeFile(file, holderText())
  startBeating(file)
  return async () => {
    stopBeating(file)
    await rm(file, { force: true })
  }
}

/** Forgets what dead processes used. */
export async function isLeased(paths: CachePaths, key: string): Promise<boolean> {
  const directory = join(paths.leases, key)
  const names = await readdir(directory).catch(() => [])
  let isInUse = false
  for (const name of names) {
    const file = join(directory, name)
    if ((await livingHolder(file)) !== undefined) isInUse = true
    else await rm(file, { force: true })
  }
  return isInUse
}
