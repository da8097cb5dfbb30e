/** Who holds something in a directory that processes share: a file that tells whether its writer still lives. */
import { randomUUID } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { readFile, stat, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'

/** How often a holder shows that it lives. */
const beatMs = 5_000
/** After so long without a sign, a holder elsewhere is taken for dead: an event loop may be held up by a load, not for this long. */
const silenceMs = 60_000

interface Holder {
  /** Where process ids mean the same: machine, boot and namespace. */
  readonly place: string
  readonly pid: number
  /** When the process started, as the system counts: ids of processes are used again. */
  readonly started: string
  /** Of this very hold. */
  readonly id: string
}

const place = [hostname(), systemText('/proc/sys/kernel/random/boot_id'), namespace()].join(' ')
const started = startOf(process.pid) ?? ''
const held = new Set<string>()
let beat: NodeJS.Timeout | undefined

/** @returns the text of a file that says that this process holds something, different each time */
export function holderText(): string {
  const holder: Holder = { place, pid: process.pid, started, id: randomUUID() }
  return JSON.stringify(holder)
}

/** Keeps showing that this process lives, until {@link stopBeating}. */
export function startBeating(file: string): void {
  held.add(file)
  if (beat !== undefined) return
  beat = setInterval(() => {
    const now = new Date()
    for (const each of held) void utimes(each, now, now).catch(() => held.delete(each))
  }, beatMs)
  beat.unref()
}

export function stopBeating(file: string): void {
  held.delete(file)
  if (held.size > 0) return
  clearInterval(beat)
  beat = undefined
}

/**
 * @param file written by {@link holderText}
 * @returns the text of a holder that lives; undefined where it has died, or there is none
 */
export async function livingHolder(file: string): Promise<string | undefined> {
  try {
    const text = await readFile(file, 'utf8')
    const isFresh = Date.now() - (await stat(file)).mtimeMs < silenceMs
    const holder = parse(text)
    if (holder?.place !== place) return isFresh ? text : undefined // half-written, or from elsewhere
    return startOf(holder.pid) === holder.started ? text : undefined
  } catch {
    return undefined
  }
}

function parse(text: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    const { place: where, pid, started: since, id } = value as Partial<Holder> // each is checked below
    if (typeof where !== 'string' || typeof pid !== 'number' || typeof since !== 'string') return undefined
    return typeof id === 'string' ? { place: where, pid, started: since, id } : undefined
  } catch {
    return undefined
  }
}

/** @returns undefined where the process does not exist; a constant where the system does not tell when it started */
function startOf(pid: number): string | undefined {
  try {
    process.kill(pid, 0)
  } catch (reason) {
    const isOthers = reason instanceof Error && 'code' in reason && reason.code === 'EPERM'
    if (!isOthers) return undefined
  }
  // The name of the program, in parentheses, may hold spaces. Of what follows, the first is the state, the 20th the start.
  const fields = systemText(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? []
  if (fields[0] === 'Z') return undefined // has ended, and its parent has not asked how
  return fields[19] ?? 'unknown'
}

function systemText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

function namespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return ''
  }
}
