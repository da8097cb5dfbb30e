/** What all workers have counted, those that have ended included. */
import { addMetrics, lasting, type ProcessMetrics } from './add-metrics.ts'
import { addStatistics } from './add-statistics.ts'
import { snapshotSchema, type Snapshot } from './messages.ts'
import { formatMetrics, parseMetrics, type Family } from './metrics-text.ts'
import type { WorkerProcess } from './worker-process.ts'

/** What counting needs of a worker. */
export type Counted = Pick<WorkerProcess, 'number' | 'phase' | 'snapshot'> & {
  readonly exchange: Pick<WorkerProcess['exchange'], 'ask'>
}

type Fields = Readonly<Record<string, unknown>>

export class Counts {
  readonly #patienceMs: number
  /** By number of the worker: what its ended processes have counted. */
  readonly #metrics = new Map<number, ProcessMetrics>()
  #statistics: readonly Fields[] = []
  readonly #restarts = new Map<number, number>()

  /** @param patienceMs what a worker has to answer; one that hangs counts as it told last */
  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs
  }

  /** Keeps what a process that has ended had counted when it told last: a counter never goes down. */
  retain({ number, snapshot }: Counted): void {
    if (snapshot === undefined) return
    const own = lasting(metricsOf(number, snapshot))
    const earlier = this.#metrics.get(number)
    const families = earlier === undefined ? own.families : addMetrics([earlier, own])
    this.#metrics.set(number, { worker: String(number), families })
    this.#statistics = addStatistics([this.#statistics, snapshot.statistics])
  }

  countRestart({ number }: Counted): void {
    this.#restarts.set(number, (this.#restarts.get(number) ?? 0) + 1)
  }

  /** @param processes all that run, asked anew */
  async sum(processes: () => readonly Counted[]): Promise<Snapshot> {
    await Promise.all(processes().map((process) => this.#ask(process)))
    const running = processes() // one may have ended meanwhile: then it is retained
    const told = running.flatMap(({ number, snapshot }) => (snapshot === undefined ? [] : [{ number, snapshot }]))
    const metrics = addMetrics([
      ...told.map(({ number, snapshot }) => metricsOf(number, snapshot)),
      ...this.#metrics.values(),
    ])
    const listed = new Set(told.flatMap(({ snapshot }) => snapshot.statistics.map(versionKey)))
    const gone = this.#statistics.filter((model) => listed.has(versionKey(model)))
    const statistics = addStatistics([...told.map(({ snapshot }) => snapshot.statistics), forgetMemory(gone)])
    return { metrics: formatMetrics([...metrics, ...this.#own(running)]), statistics: [...statistics] }
  }

  async #ask(process: Counted): Promise<void> {
    try {
      process.snapshot = snapshotSchema.parse(await process.exchange.ask({ kind: 'snapshot' }, this.#patienceMs))
    } catch {
      // What it told last stands.
    }
  }

  #own(running: readonly Counted[]): readonly Family[] {
    const serving = running.filter(({ phase }) => phase === 'serving').length
    return [
      {
        name: 'servable_workers',
        help: 'Worker processes that serve.',
        type: 'gauge',
        samples: [{ name: 'servable_workers', labels: new Map(), value: serving }],
      },
      {
        name: 'servable_worker_restarts_total',
        help: 'Worker processes that ended unasked.',
        type: 'counter',
        samples: [...new Set([...running.map(({ number }) => number), ...this.#restarts.keys()])]
          .sort()
          .map((number) => ({
            name: 'servable_worker_restarts_total',
            labels: new Map([['worker', String(number)]]),
            value: this.#restarts.get(number) ?? 0,
          })),
      },
    ]
  }
}

function metricsOf(number: number, { metrics }: Snapshot): ProcessMetrics {
  return { worker: String(number), families: parseMetrics(metrics) }
}

function versionKey({ name, version }: Fields): string {
  return `${String(name)}\0${String(version)}`
}

/** The memory of a process that has ended is free. */
function forgetMemory(statistics: readonly Fields[]): readonly Fields[] {
  return statistics.map((model) => ({ ...model, memory_usage: [] }))
}
