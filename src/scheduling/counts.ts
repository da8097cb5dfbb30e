/** What one scheduler has done: runs by their rows, refusals by their reason. */
import type { BatchCount, RefusalReason } from '../core/scheduling.ts'

/** Sizes that have a counter of their own without a look-up. */
const commonRows = 256
/** Other sizes that are told apart; beyond, they count as the next power of two. */
const mostOtherSizes = 256

export class Counts {
  readonly refusals: Record<RefusalReason, number> = { queue_full: 0, slo: 0, deadline: 0, timeout: 0, cancelled: 0 }
  isolations = 0
  readonly #executions = new Float64Array(commonRows + 1)
  readonly #computeMs = new Float64Array(commonRows + 1)
  readonly #others = new Map<number, { executions: number; computeMs: number }>()

  run(rows: number, computeMs: number): void {
    if (rows > commonRows) {
      this.#other(rows, computeMs)
      return
    }
    this.#executions[rows] = (this.#executions[rows] ?? 0) + 1
    this.#computeMs[rows] = (this.#computeMs[rows] ?? 0) + computeMs
  }

  /** In ascending order of rows. */
  get batches(): readonly BatchCount[] {
    const common: BatchCount[] = []
    this.#executions.forEach((executions, rows) => {
      if (executions > 0) common.push({ rows, executions, computeMs: this.#computeMs[rows] ?? 0 })
    })
    const others = [...this.#others].map(([rows, count]) => ({ rows, ...count }))
    return [...common, ...others.sort((a, b) => a.rows - b.rows)]
  }

  #other(rows: number, computeMs: number): void {
    const isNew = !this.#others.has(rows)
    const key = isNew && this.#others.size >= mostOtherSizes ? 2 ** Math.ceil(Math.log2(rows)) : rows
    const count = this.#others.get(key)
    if (count === undefined) this.#others.set(key, { executions: 1, computeMs })
    else {
      count.executions += 1
      count.computeMs += computeMs
    }
  }
}
