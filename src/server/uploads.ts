/** The files that callers send with a load: in a private directory, removed when the model comes from elsewhere or the server ends. */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { Uploads } from '../dataplane/load-override.ts'

/**
 * `<path>/<model>/<moment>-<random>/<file>`. Processes that share it tell by the moment what is older than what they have
 * loaded.
 */
export class UploadDirectory implements Uploads {
  readonly path: string
  #last = 0

  /** @param path one that nobody else can guess where absent; nothing is made there before something is uploaded */
  constructor(path = join(tmpdir(), `servable-uploads-${randomBytes(12).toString('hex')}`)) {
    this.path = path
  }

  now(): number {
    this.#last = Math.max(Date.now(), this.#last + 1)
    return this.#last
  }

  async stage(model: string, files: ReadonlyMap<string, Uint8Array>): Promise<string> {
    const directory = join(this.#of(model), `${this.now()}-${randomBytes(4).toString('hex')}`)
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      for (const [path, content] of files) {
        const file = join(directory, path)
        await mkdir(dirname(file), { recursive: true, mode: 0o700 })
        await writeFile(file, content, { mode: 0o600, flag: 'wx' })
      }
    } catch (cause) {
      await this.drop(directory)
      const message = `the files of model '${model}' cannot be kept: ${messageOf(cause)}`
      throw new InferenceError('resource_exhausted', message, { cause })
    }
    return directory
  }

  async dropBefore(model: string, moment: number): Promise<void> {
    const own = this.#of(model)
    const staged = await readdir(own).catch(() => []) // nothing was uploaded
    const older = staged.filter((name) => Number.parseInt(name, 10) < moment)
    await Promise.all(older.map((name) => this.drop(join(own, name))))
  }

  async drop(directory: string): Promise<void> {
    await rm(directory, { recursive: true, force: true })
  }

  /** Removes everything. */
  close(): Promise<void> {
    return this.drop(this.path)
  }

  #of(model: string): string {
    return join(this.path, encodeURIComponent(model))
  }
}
