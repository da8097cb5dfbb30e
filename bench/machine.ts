/** What a figure depends on: the machine, and the tools found on it. */
import { existsSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { delimiter, join } from 'node:path'

/** Where a program is on the PATH. */
export function findProgram(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

const taskset = availableParallelism() > 1 ? findProgram('taskset') : undefined

/** True where server and generator get a core each. */
export const isPinned = taskset !== undefined

/** A command bound to one core, where the machine has two and can bind. @param core `any`: it runs where there is room */
export function pinned(core: number | 'any', command: readonly string[]): readonly string[] {
  return taskset === undefined || core === 'any' ? command : [taskset, '--cpu-list', String(core), ...command]
}

/** One line for the head of a report. */
export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  const pinning = isPinned ? 'server on core 0, generator on core 1' : 'server and generator not pinned'
  const load = loadavg()[0]?.toFixed(1) ?? '?'
  return `${availableParallelism()} × ${model}, ${memory}, Node ${process.version}; ${pinning}; load average ${load} at start`
}
