/** Model directories built for one test. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'

/** Text or bytes of a file by its path; `{ link }` for a link; gone when the test ends. */
export type Files = Readonly<Record<string, string | Uint8Array | { readonly link: string }>>

export async function directoryWith(files: Files): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'servable-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  for (const [path, content] of Object.entries(files)) {
    const target = join(directory, path)
    await mkdir(path.endsWith('/') ? target : dirname(target), { recursive: true })
    if (path.endsWith('/')) continue
    if (typeof content === 'object' && 'link' in content) await symlink(content.link, target)
    else await writeFile(target, content)
  }
  return directory
}
