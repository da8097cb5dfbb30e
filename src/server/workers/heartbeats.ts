/** Ends workers whose event loop stands still. */
import type { WorkerProcess } from './worker-process.ts'

export class Heartbeats {
  readonly #processes: Iterable<WorkerProcess>
  readonly #beatMs: number
  readonly #beatsMissed: number
  #timer: NodeJS.Timeout | undefined

  /** @param times `beatsMissed` in a row, each of `beatMs`, are one too many; at the start of a process twice as many */
  constructor(
    processes: Iterable<WorkerProcess>,
    { beatMs, beatsMissed }: { readonly beatMs: number; readonly beatsMissed: number },
  ) {
    this.#processes = processes
    this.#beatMs = beatMs
    this.#beatsMissed = beatsMissed
  }

  watch(): void {
    this.#timer = setInterval(() => this.#look(), this.#beatMs)
  }

  close(): void {
    clearInterval(this.#timer)
  }

  /** A count of looks, not a time: a machine that was suspended has missed none. */
  #look(): void {
    for (const process of this.#processes) {
      process.missedBeats += 1
      const patience = this.#beatsMissed * (process.hasGreeted ? 1 : 2)
      if (process.missedBeats === patience) {
        process.kill(`its event loop stood still for ${(patience * this.#beatMs) / 1000} s`)
      }
    }
  }
}
