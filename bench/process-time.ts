/** Processor time of processes, as Linux tells it; undefined elsewhere. */
import { readdirSync, readFileSync } from 'node:fs'

/** Linux counts processor time in ticks of this length for every program, whatever the kernel was built with. */
const tickMs = 10

interface Stat {
  readonly parent: number
  /** Of its own threads, in milliseconds. */
  readonly ownMs: number
  /** Of its children that have ended and were waited for. */
  readonly childrenMs: number
}

/** Of a process and all its descendants, in milliseconds: a server may be several processes. */
export function cpuMs(pid: number | undefined): number | undefined {
  const root = pid === undefined ? undefined : statOf(pid)
  if (pid === undefined || root === undefined) return undefined
  const parents = new Map<number, Stat>()
  for (const name of readdirSync('/proc')) {
    const stat = /^\d+$/.test(name) ? statOf(Number(name)) : undefined
    if (stat !== undefined) parents.set(Number(name), stat)
  }
  let total = 0
  for (const [process, { ownMs }] of parents) if (isWithin(process, pid, parents)) total += ownMs
  return total
}

/** Of all children of this process that have ended, in milliseconds. */
export function endedChildrenCpuMs(): number | undefined {
  return statOf('self')?.childrenMs
}

function isWithin(process: number, root: number, parents: ReadonlyMap<number, Stat>): boolean {
  for (let at: number | undefined = process; at !== undefined && at > 0; at = parents.get(at)?.parent) {
    if (at === root) return true
  }
  return false
}

function statOf(pid: number | 'self'): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ') // the name before may hold spaces
    const ticks = (index: number): number => Number(fields[index]) * tickMs
    return { parent: Number(fields[1]), ownMs: ticks(11) + ticks(12), childrenMs: ticks(13) + ticks(14) }
  } catch {
    return undefined
  }
}
