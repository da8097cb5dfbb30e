/** Locks between processes: files that only one can make. One whose holder has died is taken over. */
import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { InferenceError } from '../core/errors.ts'
import { codeOf } from './file-error.ts'
import { holderText, livingHolder, startBeating, stopBeating } from './holder.ts'

/** How long to wait before looking again: short at first, as most of what is waited for is nearly done. */
const firstLookMs = 20
const lastLookMs = 500

/**
 * Runs `work` while nobody else does under the same lock, in this process or another.
 *
 * A hold that outlives its holder's signs of life may be taken over; what is done under a lock must stand that, as everything
 * in the cache does: files get their names when they are complete.
 *
 * @param file made for the time of the work; its directory is made where it is missing
 * @throws what `work` throws, or the signal's reason
 */
export async function withLock<T>(file: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const before = turns.get(file) ?? Promise.resolve()
  let end: () => void = () => undefined
  const turn = before.then(() => new Promise<void>((resolve) => (end = resolve)))
  turns.set(file, turn)
  void turn.then(() => turns.get(file) === turn && turns.delete(file))
  try {
    await unlessAborted(before, signal)
    return await whenFree(file, signal, work)
  } finally {
    void before.then(() => end())
  }
}

/** Within this process nobody has to look again and again: per lock the end of what was asked for last. */
const turns = new Map<string, Promise<void>>()

async function unlessAborted(done: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  let stop: () => void = () => undefined
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(InferenceError.from(signal.reason))
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    await Promise.race([done, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

async function whenFree<T>(file: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (let waitMs = firstLookMs; ; waitMs = Math.min(waitMs * 2, lastLookMs)) {
    signal.throwIfAborted()
    const outcome = await tryLock(file, work)
    if (outcome !== undefined) return outcome.value
    await sleep(waitMs, undefined, { signal })
  }
}

/** @returns undefined where somebody else holds the lock; `work` was not begun then */
export async function tryLock<T>(file: string, work: () => Promise<T>): Promise<{ readonly value: T } | undefined> {
  const text = holderText()
  if (!(await take(file, text))) return undefined
  startBeating(file)
  try {
    return { value: await work() }
  } finally {
    stopBeating(file)
    await release(file, text)
  }
}

async function take(file: string, text: string): Promise<boolean> {
  if (await create(file, text)) return true
  if ((await livingHolder(file)) !== undefined) return false
  await removeDead(file)
  return create(file, text)
}

/** By a link, so that the file is never seen without its holder; some network shares know no links. */
async function create(file: string, text: string): Promise<boolean> {
  await mkdir(dirname(file), { recursive: true })
  const draft = `${file}.${randomUUID()}`
  try {
    await writeFile(draft, text)
    await link(draft, file).catch((reason: unknown) => {
      if (codeOf(reason) === 'EEXIST') throw reason
      return writeFile(file, text, { flag: 'wx' })
    })
    return true
  } catch (reason) {
    if (codeOf(reason) === 'EEXIST') return false
    throw reason
  } finally {
    await rm(draft, { force: true })
  }
}

/** Somebody may take the lock between the look and the rename: then what was taken away lives, and is put back. */
async function removeDead(file: string): Promise<void> {
  const aside = `${file}.${randomUUID()}`
  try {
    await rename(file, aside)
  } catch {
    return // somebody else was faster
  }
  if ((await livingHolder(aside)) !== undefined) await link(aside, file).catch(() => undefined)
  await rm(aside, { force: true })
}

async function release(file: string, text: string): Promise<void> {
  const found = await readFile(file, 'utf8').catch(() => undefined)
  if (found === text) await rm(file, { force: true })
}
