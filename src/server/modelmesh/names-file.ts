/** What callers have changed of names and registered models, kept in a file for the next start: a change a line. */
import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { InferenceError, messageOf } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import { keepChange, type MeshChange } from './mesh-change.ts'

/** So many lines that later ones have overtaken are left in the file before it is written anew. */
const mostOvertaken = 1000

const info = z.object({ type: z.string(), path: z.string(), key: z.string() })
const target = z.object({ model: z.string(), version: z.string().optional(), weight: z.number() })

const changeSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('register'),
    id: z.string(),
    info,
    isAutoDeleted: z.boolean(),
    isLoadedNow: z.boolean(),
    lastUsedTime: z.number(),
  }),
  z.object({ kind: z.literal('unregister'), id: z.string(), isAutomatic: z.boolean() }),
  z.object({
    kind: z.literal('vmodel'),
    id: z.string(),
    target: z.string(),
    owner: z.string().optional(),
    info: info.optional(),
    isUpdate: z.boolean(),
    isForced: z.boolean(),
    isAutoDeleted: z.boolean(),
    isLoadedNow: z.boolean(),
    lastUsedTime: z.number(),
  }),
  z.object({ kind: z.literal('delete-vmodel'), id: z.string(), owner: z.string().optional() }),
  z.object({ kind: z.literal('alias'), id: z.string(), targets: z.array(target) }),
])

export class NamesFile {
  readonly #path: string
  readonly #log: Log
  readonly #isShared: boolean
  readonly #byKey = new Map<string, MeshChange>()
  #lines = 0
  readonly #pending: MeshChange[] = []
  #tail: Promise<void> = Promise.resolve()

  /** @param isShared others write to it, too: it grows until one alone serves */
  constructor(path: string, log: Log, isShared: boolean) {
    this.#path = path
    this.#isShared = isShared
    this.#log = log
  }

  /**
   * What held when the server ended, in an order in which it can be made again. A line that makes no sense, as of a write that
   * was cut off, is told and left out.
   *
   * @throws InferenceError `failed_precondition` where the file cannot be read
   */
  async read(): Promise<readonly MeshChange[]> {
    const lines = (await this.#text()).split('\n')
    for (const [index, line] of lines.entries()) {
      if (line.trim() === '') continue
      const change = changeOf(line)
      if (change !== undefined) this.#keep(change)
      else this.#log.warn({ file: this.#path, line: index + 1 }, 'a line of the names file makes no sense')
    }
    return [...this.#byKey.values()]
  }

  /** Returns once it is written, or that is given up: then it is logged, and the change holds until the server ends. */
  note(change: MeshChange): Promise<void> {
    this.#keep(change)
    this.#pending.push(change)
    this.#tail = this.#tail.then(() => this.#write())
    return this.#tail
  }

  /** All that has come since the last write, at once. */
  async #write(): Promise<void> {
    const changes = this.#pending.splice(0)
    if (changes.length === 0) return
    try {
      await mkdir(dirname(this.#path), { recursive: true })
      if (this.#isShared || this.#lines <= this.#byKey.size + mostOvertaken) {
        await appendFile(this.#path, linesOf(changes))
        return
      }
      const all = [...this.#byKey.values()]
      await writeFile(`${this.#path}.new`, linesOf(all))
      await rename(`${this.#path}.new`, this.#path)
      this.#lines = all.length
    } catch (reason) {
      const [first] = changes
      const fields = { file: this.#path, changes: changes.length, name: first?.id, reason: messageOf(reason) }
      this.#log.error(fields, 'changes not kept for the next start')
    }
  }

  #keep(change: MeshChange): void {
    this.#lines += 1
    keepChange(this.#byKey, change)
  }

  async #text(): Promise<string> {
    try {
      return await readFile(this.#path, 'utf8')
    } catch (reason) {
      if (reason instanceof Error && 'code' in reason && reason.code === 'ENOENT') return ''
      throw new InferenceError('failed_precondition', `names file: ${messageOf(reason)}`, { cause: reason })
    }
  }
}

function linesOf(changes: readonly MeshChange[]): string {
  return changes.map((change) => `${JSON.stringify(change)}\n`).join('')
}

function changeOf(line: string): MeshChange | undefined {
  try {
    const { data } = changeSchema.safeParse(JSON.parse(line))
    // Optional members that are absent are absent: JSON has no undefined.
    return data as MeshChange | undefined
  } catch {
    return undefined
  }
}
