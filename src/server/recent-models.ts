/** Which models were in use when a server ended: the next one loads them before it says that it is ready. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { messageOf } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import type { Log } from '../core/log.ts'
import { systemTimers, type Timers } from '../repository/timers.ts'

/** A server that is killed has told of its models this long ago at most. */
const everyMs = 60_000
const mostModels = 10_000

const fileSchema = z.object({
  models: z.array(z.object({ name: z.string(), version: z.string() })).max(mostModels),
})

export interface RecentParts {
  readonly path: string
  /** The loaded models, the one used last first. */
  readonly list: () => readonly Required<ModelRef>[]
  readonly log: Log
  readonly timers?: Timers
}

export class RecentModels {
  readonly #parts: RecentParts
  readonly #timers: Timers
  #written = ''
  #cancel: () => void = () => undefined
  #tail: Promise<void> = Promise.resolve()

  constructor(parts: RecentParts) {
    this.#parts = parts
    this.#timers = parts.timers ?? systemTimers
  }

  /** What the server before has left; nothing where there is no such file. Never throws: a broken file costs only time. */
  async read(): Promise<readonly Required<ModelRef>[]> {
    const { path, log } = this.#parts
    try {
      return fileSchema.parse(JSON.parse(await readFile(path, 'utf8'))).models
    } catch (reason) {
      const isMissing = reason instanceof Error && 'code' in reason && reason.code === 'ENOENT'
      if (!isMissing)
        log.warn({ file: path, reason: messageOf(reason) }, 'recent models not read, nothing is loaded ahead')
      return []
    }
  }

  /** Writes from now on, where something has changed. */
  follow(): void {
    this.#cancel = this.#timers.after(everyMs, () => {
      void this.write()
      this.follow()
    })
  }

  /** The file is replaced at once; what cannot be written is logged. */
  write(): Promise<void> {
    const models = this.#parts.list().slice(0, mostModels)
    const text = `${JSON.stringify({ models })}\n`
    this.#tail = this.#tail.then(() => this.#replace(text))
    return this.#tail
  }

  close(): void {
    this.#cancel()
  }

  async #replace(text: string): Promise<void> {
    if (text === this.#written) return
    const { path, log } = this.#parts
    try {
      await mkdir(dirname(path), { recursive: true })
      await writeFile(`${path}.${process.pid}`, text)
      await rename(`${path}.${process.pid}`, path)
      this.#written = text
    } catch (reason) {
      log.error({ file: path, reason: messageOf(reason) }, 'recent models not written')
    }
  }
}
