/** How many threads a session has and how many sessions run at once, from what a run costs with one thread and with all. Pure. */

export interface ParallelismFacts {
  /** CPUs that this process may use: the machine's, less what the container's quota takes away. */
  readonly cpus: number
  /** A run with one thread, in microseconds; absent where not measured. */
  readonly oneThreadUs?: number
  /** The same run with a thread for each CPU; absent where not measured. */
  readonly allThreadsUs?: number
  /** What each further session takes, in bytes. */
  readonly weightBytes: number
}

export interface Parallelism {
  /** Intra-op threads of each session. */
  readonly threads: number
  /** Sessions. */
  readonly instances: number
  readonly reason: string
}

/** Below this the CPUs are busy with the requests themselves, and a second session would gain nothing. */
export const parallelRunUs = 2000
/** Threads that reach this share of what as many sessions would do are better: one caller gets its answer sooner. */
const enough = 0.75
/** Further sessions of one model hold no more memory than this together. */
const mostFurtherBytes = 512_000_000

/**
 * Throughput of `i` sessions with `t` threads each, `i · t` = CPUs, is `i` times the speed-up of `t` threads; the speed-up
 * follows from the share of a run that threads make faster (Amdahl), which the two measurements tell. The fewest sessions that
 * reach {@link enough} of the best are taken: they answer a single caller soonest and hold the least memory.
 */
export function chooseParallelism({ cpus, oneThreadUs, allThreadsUs, weightBytes }: ParallelismFacts): Parallelism {
  if (cpus <= 1) return { threads: 1, instances: 1, reason: 'there is one CPU' }
  if (oneThreadUs === undefined)
    return { threads: cpus, instances: 1, reason: `not measured: ${cpus} CPUs, one session` }
  if (oneThreadUs < parallelRunUs) {
    return { threads: 1, instances: 1, reason: `a run takes ${describe(oneThreadUs)}: one thread answers fast enough` }
  }
  if (allThreadsUs === undefined) {
    return { threads: cpus, instances: 1, reason: `not measured with ${cpus} threads: one session with all of them` }
  }
  const speedUp = Math.min(cpus, Math.max(1, oneThreadUs / allThreadsUs))
  const told = `${cpus} threads make a run ${speedUp.toFixed(1)} times as fast (${describe(oneThreadUs)}, ${describe(allThreadsUs)})`
  const parallel = (1 - 1 / speedUp) / (1 - 1 / cpus)
  const most = Math.min(cpus, 1 + Math.floor(mostFurtherBytes / Math.max(1, weightBytes)))
  for (let instances = 1; instances <= most; instances += 1) {
    if (cpus % instances !== 0) continue
    const threads = cpus / instances
    const throughput = instances / (1 - parallel + parallel / threads)
    if (throughput >= enough * cpus) return { threads, instances, reason: `${told}: ${counted(instances, threads)}` }
  }
  const threads = Math.floor(cpus / most)
  return { threads, instances: most, reason: `${told}, more would take too much memory: ${counted(most, threads)}` }
}

function counted(instances: number, threads: number): string {
  return `${instances} ${instances === 1 ? 'session' : 'sessions'} with ${threads} ${threads === 1 ? 'thread' : 'threads'}`
}

function describe(us: number): string {
  return us < 1000 ? `${us.toFixed(0)} µs` : `${(us / 1000).toFixed(1)} ms`
}
