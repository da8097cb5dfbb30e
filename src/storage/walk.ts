/** The files below a directory. Node before 20.12 does not say of an entry where it lies, later ones no longer by the same name. */
import type { Stats } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/** Links are none. What goes away meanwhile is left out. */
export async function filesBelow(
  directory: string,
): Promise<readonly { readonly path: string; readonly stats: Stats }[]> {
  const found: { path: string; stats: Stats }[] = []
  for (const name of await readdir(directory, { recursive: true })) {
    const path = join(directory, name)
    const stats = await lstat(path).catch(() => undefined)
    if (stats?.isFile() === true) found.push({ path, stats })
  }
  return found
}
