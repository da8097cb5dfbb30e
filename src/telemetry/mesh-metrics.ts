/** The metrics of ModelMesh, under its names, as far as one process has them. */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { ModelStatus } from '../repository/status.ts'
import { meshAgeBounds, meshSizeBounds, meshTimeBounds, type MeshCounts } from './mesh-counts.ts'
import { metricNames, type MetricKey } from './metric-names.ts'
import type { Observations } from './observations.ts'
import { ObservedHistogram } from './observed-histogram.ts'

export interface MeshSource {
  readonly counts: MeshCounts
  /** Seconds that requests waited for the load of their model. */
  readonly misses: Observations
  /** Memory that models may take together, in bytes. */
  readonly capacityBytes: number
  /** What they take. */
  readonly usedBytes: () => number
}

type Views = () => readonly { readonly status: ModelStatus }[]

/** @param views the versions there are, asked at each scrape */
export function addMeshMetrics(registry: Registry, source: MeshSource, views: Views): void {
  addHistograms(registry, source)
  addGauges(registry, source, views)
  addCounter(registry, 'mmLoadFailure', () => source.counts.loadFailures)
  addCounter(registry, 'mmEvicted', () => source.counts.evictions)
}

function addHistograms(registry: Registry, { counts, misses }: MeshSource): void {
  const single: readonly (readonly [MetricKey, readonly number[], () => Pick<Observations, 'counts' | 'sum'>])[] = [
    ['mmQueue', meshTimeBounds, () => counts.queueMs],
    ['mmMiss', meshTimeBounds, () => ({ counts: misses.counts, sum: misses.sum * 1000 })],
    ['mmLoad', meshTimeBounds, () => counts.loadMs],
    ['mmUnload', meshTimeBounds, () => counts.unloadMs],
    ['mmAge', meshAgeBounds, () => counts.ageMs],
    ['mmSize', meshSizeBounds, () => counts.sizes],
  ]
  for (const [key, bounds, observed] of single) {
    registry.registerMetric(new ObservedHistogram(metricNames[key], [], bounds, () => [[{}, observed()]]))
  }
  const byRequest = [
    ['mmRequest', 'totalMs'],
    ['mmInvoke', 'invokeMs'],
  ] as const
  for (const [key, of] of byRequest) {
    registry.registerMetric(
      new ObservedHistogram(metricNames[key], ['method', 'code'], meshTimeBounds, function* () {
        for (const requests of counts.requests.values()) {
          yield [{ method: requests.method, code: requests.code }, requests[of]]
        }
      }),
    )
  }
}

function addGauges(registry: Registry, { counts, capacityBytes, usedBytes }: MeshSource, views: Views): void {
  const gauge = (key: MetricKey, value: () => number): void => {
    const metric: Gauge = new Gauge({
      ...metricNames[key],
      registers: [registry],
      collect: () => metric.set(value()),
    })
  }
  const number = (of: (status: ModelStatus) => boolean): number =>
    new Set(views().flatMap(({ status }) => (of(status) ? [status.ref.name] : []))).size
  gauge('mmManaged', () => number(() => true))
  gauge('mmLoaded', () => number(({ scheduling }) => scheduling !== undefined))
  gauge('mmFailed', () => number(({ state }) => state === 'failed'))
  gauge('mmModels', () => views().filter(({ status }) => status.scheduling !== undefined).length)
  gauge('mmCapacity', () => capacityBytes)
  gauge('mmUsed', usedBytes)
  gauge('mmUsedShare', () => Math.round((usedBytes() / capacityBytes) * 10_000))
  gauge('mmLru', () => (counts.leastRecentUse ?? 0) / 1000)
  gauge('mmLruAge', () => ageOf(counts.leastRecentUse) / 1000)
}

/** Milliseconds. */
function ageOf(use: number | undefined): number {
  return use === undefined ? 0 : Math.max(0, Date.now() - use)
}

function addCounter(registry: Registry, key: MetricKey, value: () => number): void {
  const metric: Counter = new Counter({
    ...metricNames[key],
    registers: [registry],
    collect: () => {
      metric.reset()
      metric.inc(value())
    },
  })
}
