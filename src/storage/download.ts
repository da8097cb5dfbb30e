/** One object of a store into one file: taken up where it ended, tried again while that helps, checked at the end. */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { FetchContext } from './fetch-context.ts'
import type { Checksum, OpenedObject, Store, StoredObject } from './store.ts'

export interface Downloaded {
  /** Of the whole file. */
  readonly sha256: string
  readonly bytes: number
}

/** The longest pause before another try. */
const longestPauseMs = 10_000
/** Even a connection that brings a little each time ends some day. */
const mostOpenings = 1_000

/** Thrown where the object is no longer what was listed: the listing has to be made anew. */
export class ObjectChanged extends InferenceError {}

/**
 * Fills `file` with the object. What the file holds is taken for the object's beginning: its name must come from the object's tag.
 *
 * @throws ObjectChanged where the store has another object there now
 * @throws InferenceError as the store does, once further tries are in vain; the beginning stays for the next fetch
 */
export async function download(
  store: Store,
  object: StoredObject,
  file: string,
  context: FetchContext,
): Promise<Downloaded> {
  await mkdir(dirname(file), { recursive: true })
  let failures = 0
  for (let opening = 1; ; opening += 1) {
    const before = await sizeOf(file)
    try {
      return await attempt(store, object, file, context)
    } catch (reason) {
      const error = context.signal.aborted ? aborted(context.signal) : asStoreError(reason, store, object)
      failures = (await sizeOf(file)) > before ? 1 : failures + 1
      const mayHelp = error.code === 'unavailable' && !context.signal.aborted
      if (!mayHelp || failures >= context.limits.maxAttempts || opening >= mostOpenings) throw error
      context.log.warn({ object: object.address, attempt: failures, reason: error.message }, 'download interrupted')
    }
    const pauseMs = Math.min(context.limits.pauseMs * 2 ** (failures - 1), longestPauseMs)
    await sleep(pauseMs, undefined, { signal: context.signal }).catch(() => undefined)
  }
}

async function attempt(store: Store, object: StoredObject, file: string, context: FetchContext): Promise<Downloaded> {
  const isResumable = object.tag !== undefined
  const there = isResumable ? await sizeOf(file) : 0
  const idle = new IdleTimer(context.signal, context.limits.idleMs, object)
  try {
    if (object.bytes !== undefined && there >= object.bytes && there > 0) {
      const hashes = new Hashes(object.checksum)
      await hashes.addFile(file, there)
      return await finish(hashes, file, { there, expected: object.bytes, checksum: object.checksum }, object)
    }
    const opened = await store.open(object, there, idle.signal)
    if (opened === undefined) {
      throw new ObjectChanged('unavailable', `${object.address} has changed while it was read`)
    }
    return await receive(opened, object, file, { ...context, idle })
  } catch (reason) {
    throw idle.reason ?? reason
  } finally {
    idle.stop()
  }
}

/** Writes what comes behind what is there. */
async function receive(
  opened: OpenedObject,
  object: StoredObject,
  file: string,
  { limits, progress, idle }: FetchContext & { readonly idle: IdleTimer },
): Promise<Downloaded> {
  const expected = opened.bytes ?? object.bytes
  const checksum = object.checksum ?? opened.checksum
  if (expected !== undefined && expected > limits.maxBytes) throw tooLarge(object, expected, limits.maxBytes)
  const hashes = new Hashes(checksum)
  const handle = await open(file, opened.offset === 0 ? 'w' : 'r+')
  let there = opened.offset
  try {
    await handle.truncate(there)
    if (there > 0) await hashes.addFile(file, there)
    for await (const chunk of opened.body) {
      idle.pause()
      await handle.write(chunk, 0, chunk.byteLength, there)
      there += chunk.byteLength
      if (there > limits.maxBytes) throw tooLarge(object, there, limits.maxBytes)
      hashes.add(chunk)
      progress(chunk.byteLength)
      idle.restart()
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
  return finish(hashes, file, { there, expected, checksum }, object)
}

interface Ended {
  readonly there: number
  readonly expected: number | undefined
  readonly checksum: Checksum | undefined
}

/** @throws InferenceError `unavailable` where bytes are missing or wrong; wrong ones are removed */
async function finish(
  hashes: Hashes,
  file: string,
  { there, expected, checksum }: Ended,
  { address }: StoredObject,
): Promise<Downloaded> {
  if (expected !== undefined && there < expected) {
    throw new InferenceError('unavailable', `${address} ended after ${there} of ${expected} bytes`)
  }
  const { sha256, other } = hashes.digest()
  const isTooLong = expected !== undefined && there > expected
  if (!isTooLong && (checksum === undefined || other === checksum.hex)) return { sha256, bytes: there }
  await rm(file, { force: true })
  throw new InferenceError(
    'unavailable',
    isTooLong
      ? `${address} has ${there} bytes, its store announced ${expected}`
      : `${address} is damaged: its ${checksum?.algorithm ?? ''} is ${other ?? ''}, the store says ${checksum?.hex ?? ''}`,
  )
}

/** The hash that names the file, and the one that its store knows. */
class Hashes {
  readonly #sha256 = createHash('sha256')
  readonly #other: Hash | undefined

  constructor(checksum: Checksum | undefined) {
    if (checksum === undefined) return
    this.#other = createHash(checksum.algorithm)
    if (checksum.prefix !== undefined) this.#other.update(checksum.prefix)
  }

  add(chunk: Uint8Array): void {
    this.#sha256.update(chunk)
    this.#other?.update(chunk)
  }

  async addFile(file: string, bytes: number): Promise<void> {
    // The stream is one of a file without an encoding: its chunks are buffers.
    for await (const chunk of createReadStream(file, { end: bytes - 1 })) this.add(chunk as Buffer)
  }

  digest(): { readonly sha256: string; readonly other: string | undefined } {
    return { sha256: this.#sha256.digest('hex'), other: this.#other?.digest('hex') }
  }
}

/** Gives up a store that says nothing for too long; the time that this side takes does not count. */
class IdleTimer {
  readonly #controller = new AbortController()
  readonly #timer: NodeJS.Timeout
  readonly signal: AbortSignal
  reason: InferenceError | undefined
  #isPaused = false

  constructor(outer: AbortSignal, idleMs: number, { address }: StoredObject) {
    this.signal = AbortSignal.any([outer, this.#controller.signal])
    this.#timer = setTimeout(() => {
      if (this.#isPaused) return void this.#timer.refresh()
      this.reason = new InferenceError('unavailable', `${address}: nothing has come for ${idleMs / 1000} s`)
      this.#controller.abort(this.reason)
    }, idleMs)
  }

  pause(): void {
    this.#isPaused = true
  }

  restart(): void {
    this.#isPaused = false
    this.#timer.refresh()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}

function asStoreError(reason: unknown, { name }: Store, { address }: StoredObject): InferenceError {
  if (reason instanceof InferenceError) return reason
  const code = reason instanceof Error && 'syscall' in reason && 'path' in reason ? 'internal' : 'unavailable'
  return new InferenceError(code, `${name}: reading ${address} failed: ${messageOf(reason)}`, { cause: reason })
}

function aborted(signal: AbortSignal): InferenceError {
  const reason: unknown = signal.reason
  if (reason instanceof InferenceError) return reason
  return new InferenceError('cancelled', 'the download was cancelled', { cause: reason })
}

function tooLarge({ address }: StoredObject, bytes: number, most: number): InferenceError {
  return new InferenceError('resource_exhausted', `${address} has ${bytes} bytes or more; a model may have ${most}`)
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch {
    return 0
  }
}
