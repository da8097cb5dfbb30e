/** The files that callers send with a load: in a private directory, removed when the model comes from elsewhere or the server ends. */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { Uploads } from '../dataplane/load-override.ts'

/** How much may lie there. */
export interface UploadLimits {
  /** Of all models together; 0: nothing is taken. */
  readonly maxUploadBytes: number
  /** Of one model. */
  readonly maxUploadFiles: number
}

/**
 * `<path>/<model>/<moment>-<bytes>-<random>/<file>`. Processes that share it tell by the moment what is older than what they have
 * loaded, and by the bytes how much lies there.
 */
export class UploadDirectory implements Uploads {
  readonly path: string
  readonly #limits: UploadLimits
  /** What something was loaded from, though the load as a whole may have failed. */
  readonly #kept = new Set<string>()
  #last = 0

  /** @param path one that nobody else can guess where absent; nothing is made there before something is uploaded */
  constructor(
    path = join(tmpdir(), `servable-uploads-${randomBytes(12).toString('hex')}`),
    limits: UploadLimits = { maxUploadBytes: 2 ** 30, maxUploadFiles: 1000 },
  ) {
    this.#limits = limits
    this.path = path
  }

  now(): number {
    this.#last = Math.max(Date.now(), this.#last + 1)
    return this.#last
  }

  async stage(model: string, files: ReadonlyMap<string, Uint8Array>): Promise<string> {
    const bytes = [...files.values()].reduce((sum, content) => sum + content.byteLength, 0)
    this.#check(model, files.size)
    const directory = join(this.#of(model), `${this.now()}-${bytes}-${randomBytes(4).toString('hex')}`)
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      await this.#checkRoom(model)
      for (const [path, content] of files) {
        const file = join(directory, path)
        await mkdir(dirname(file), { recursive: true, mode: 0o700 })
        await writeFile(file, content, { mode: 0o600, flag: 'wx' })
      }
    } catch (cause) {
      await this.drop(directory)
      if (cause instanceof InferenceError) throw cause
      const message = `the files of model '${model}' cannot be kept: ${messageOf(cause)}`
      throw new InferenceError('resource_exhausted', message, { cause })
    }
    return directory
  }

  async dropBefore(model: string, moment: number): Promise<void> {
    const own = this.#of(model)
    const staged = await readdir(own).catch(() => []) // nothing was uploaded
    const older = staged.filter((name) => Number.parseInt(name, 10) < moment)
    for (const name of older) this.#kept.delete(join(own, name))
    await Promise.all(older.map((name) => this.drop(join(own, name))))
  }

  /** Something is loaded from there: only what comes later removes it. */
  keep(directory: string): void {
    this.#kept.add(directory)
  }

  async drop(directory: string): Promise<void> {
    if (this.#kept.has(directory)) return
    await rm(directory, { recursive: true, force: true })
  }

  /** Removes everything. */
  close(): Promise<void> {
    return this.drop(this.path)
  }

  #check(model: string, files: number): void {
    const { maxUploadBytes, maxUploadFiles } = this.#limits
    if (maxUploadBytes === 0) {
      throw new InferenceError('unimplemented', 'this server takes no files of models: --max-upload-bytes is 0')
    }
    if (files <= maxUploadFiles) return
    throw exhausted(`${files} files are given for model '${model}', --max-upload-files allows ${maxUploadFiles}`)
  }

  /** The new one is there already, so that of several at once not all find the same room. */
  async #checkRoom(model: string): Promise<void> {
    const { maxUploadBytes } = this.#limits
    const models = await readdir(this.path)
    const staged = await Promise.all(models.map((name) => readdir(join(this.path, name)).catch(() => [])))
    const held = staged.flat().reduce((sum, name) => sum + Number(name.split('-')[1] ?? 0), 0)
    if (held <= maxUploadBytes) return
    const text = `with those of model '${model}' the files that callers have brought have ${held} bytes, --max-upload-bytes allows ${maxUploadBytes}; unload models that are not needed`
    throw exhausted(text)
  }

  #of(model: string): string {
    return join(this.path, encodeURIComponent(model))
  }
}

function exhausted(message: string): InferenceError {
  return new InferenceError('resource_exhausted', message)
}
