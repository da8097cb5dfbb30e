/** Observations as a Prometheus histogram: prom-client's own looks its labels up on every observation. */
import { Histogram } from 'prom-client'
import type { Observations } from './observations.ts'

export type Labels = Readonly<Record<string, string>>

declare module 'prom-client' {
  // What the registry calls in place of `get` where a metric has it; missing in the package's types.
  interface Histogram {
    getForPromString(): Promise<object>
  }
}

export class ObservedHistogram extends Histogram {
  readonly #bounds: readonly number[]
  readonly #children: () => Iterable<readonly [Labels, Observed]>
  readonly #metricName: string

  /** @param children what was observed, by labels, asked at each scrape */
  constructor(
    { name, help }: { readonly name: string; readonly help: string },
    labelNames: readonly string[],
    bounds: readonly number[],
    children: () => Iterable<readonly [Labels, Observed]>,
  ) {
    super({ name, help, labelNames, buckets: [...bounds], registers: [] })
    this.#metricName = name
    this.#bounds = bounds
    this.#children = children
  }

  override async getForPromString(): Promise<object> {
    const values = [...this.#children()].flatMap(([labels, observations]) => this.#lines(labels, observations))
    return { ...(await super.getForPromString()), values }
  }

  #lines(sharedLabels: Labels, { counts, sum }: Observed) {
    const name = this.#metricName
    let total = 0
    const lines = [...counts].map((count, bucket) => {
      total += count
      const le = this.#bounds[bucket] ?? '+Inf'
      return { metricName: `${name}_bucket`, labels: { le }, sharedLabels, value: total }
    })
    return [
      ...lines,
      { metricName: `${name}_sum`, labels: {}, sharedLabels, value: sum },
      { metricName: `${name}_count`, labels: {}, sharedLabels, value: total },
    ]
  }
}

/** What a histogram shows of observations. */
type Observed = Pick<Observations, 'counts' | 'sum'>
