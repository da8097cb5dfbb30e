/** The part of the machine that each of several processes may take. */
import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'

/** Of the memory, for all heaps together: models lie outside them. */
const heapFraction = 0.5

export interface Machine {
  /** Bytes that the processes may use altogether. */
  readonly memoryBytes: number
  /** Heap that a process of its own would take at most. */
  readonly heapBytes: number
  /** Flags that this process was started with. */
  readonly flags: readonly string[]
}

/**
 * Flags of V8 for each worker: none where all heaps fit into the memory as they are, or where the user has said how large
 * they may be.
 */
export function heapFlags(workers: number, { memoryBytes, heapBytes, flags }: Machine): readonly string[] {
  if (flags.some((flag) => /max[-_](old[-_]space|heap)[-_]size/.test(flag))) return []
  if (heapBytes * workers <= memoryBytes * heapFraction) return []
  return [`--max-old-space-size=${Math.max(64, Math.floor((memoryBytes * heapFraction) / workers / 2 ** 20))}`]
}

/** This machine, or the container around this process. */
export function thisMachine(): Machine {
  const limit = process.constrainedMemory() || Infinity // 0 where there is none
  return {
    memoryBytes: Math.min(totalmem(), limit),
    heapBytes: getHeapStatistics().heap_size_limit,
    flags: [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''],
  }
}
