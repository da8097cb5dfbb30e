/** The doors of all workers close together: who finds one closed shall not find another open that closes on it. */
import type { WorkerProcess } from './worker-process.ts'

/** Tells all, once a step has come about in each that has doors. @param stop nothing is told before it fires */
export function tellSteps(processes: ReadonlySet<WorkerProcess>, stop: AbortSignal): void {
  if (!stop.aborted) return
  for (const step of ['idle', 'closed'] as const) {
    for (const { steps, addresses } of processes) if (!steps.has(step) && addresses !== undefined) return
    for (const process of processes) process.send({ kind: 'together', step })
  }
}
