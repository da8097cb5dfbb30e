/** How many CPUs this process may really use: the machine's, less what the container's quota takes away. */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/** The text of a file, or undefined where it cannot be read. */
export type ReadText = (path: string) => string | undefined

/** Environment variable: how many processes of this server share the machine. Inherited by the processes of models. */
export const cpuSharersVariable = 'SERVABLE_CPU_SHARERS'

/**
 * Whole CPUs usable by this process, at least 1: the smaller of the scheduler's affinity and the cgroup quota, divided
 * among the workers of one server.
 */
export function usableCpus(): number {
  const sharers = Math.max(1, Number(process.env[cpuSharersVariable] ?? 1) || 1)
  return Math.max(1, Math.floor(Math.min(availableParallelism(), quotaCpus(readText) ?? Infinity) / sharers))
}

/**
 * The CPU quota of this process's cgroup and the groups above it, in CPUs (1.5 is one and a half), or undefined where
 * there is none. Knows cgroup v2 (`cpu.max`) and v1 (`cpu.cfs_quota_us`).
 */
export function quotaCpus(read: ReadText): number | undefined {
  const quotas: number[] = []
  const groups = read('/proc/self/cgroup') ?? '0::/'
  for (const path of ancestors(pathOf(groups, ''))) {
    const quota = parseCpuMax(read(`/sys/fs/cgroup${path}/cpu.max`) ?? '')
    if (quota !== undefined) quotas.push(quota)
  }
  for (const path of ancestors(pathOf(groups, 'cpu'))) {
    for (const mount of ['cpu', 'cpu,cpuacct']) {
      const folder = `/sys/fs/cgroup/${mount}${path}`
      const quota = parseCfs(read(`${folder}/cpu.cfs_quota_us`) ?? '', read(`${folder}/cpu.cfs_period_us`) ?? '')
      if (quota !== undefined) quotas.push(quota)
    }
  }
  return quotas.length === 0 ? undefined : Math.min(...quotas)
}

/** `cpu.max` of cgroup v2: `<quota> <period>` in microseconds, or `max <period>`. */
export function parseCpuMax(text: string): number | undefined {
  const [quota = '', period = ''] = text.trim().split(/\s+/)
  return parseCfs(quota, period)
}

/** The two files of cgroup v1, in microseconds; a quota of -1 is none. */
export function parseCfs(quota: string, period: string): number | undefined {
  const cpus = Number.parseInt(quota, 10) / Number.parseInt(period, 10)
  return Number.isFinite(cpus) && cpus > 0 ? cpus : undefined
}

/** The path of this process below a controller's mount, from `/proc/self/cgroup`: lines `id:controllers:path`. */
function pathOf(groups: string, controller: string): string {
  for (const line of groups.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    if (controllers?.split(',').includes(controller) === true) return path ?? '/'
  }
  return '/'
}

/** `/a/b` → `/a/b`, `/a`, `` (the mount itself, where a container sees its own group). */
function ancestors(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '')
  return Array.from({ length: parts.length + 1 }, (_, index) =>
    parts.slice(0, parts.length - index).reduce((joined, part) => `${joined}/${part}`, ''),
  )
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
