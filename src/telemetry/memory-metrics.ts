/** The metrics of the memory budget, and of requests that waited for a load. */
import { Counter, Gauge } from 'prom-client'
import type { Registry } from 'prom-client'
import type { BudgetUsage } from '../repository/memory-budget.ts'
import type { ModelStatus } from '../repository/status.ts'
import { metricNames } from './metric-names.ts'
import type { Observations } from './observations.ts'
import { ObservedHistogram } from './observed-histogram.ts'
import { durationBounds } from './request-counts.ts'

export interface MemorySource {
  /** Undefined where there is no limit. */
  readonly usage: () => BudgetUsage | undefined
  /** Seconds that requests waited for the load of their model. */
  readonly misses: Observations
}

/** @param views the versions there are, asked at each scrape */
export function addMemoryMetrics(
  registry: Registry,
  { usage, misses }: MemorySource,
  views: () => readonly { readonly status: ModelStatus }[],
): void {
  const registers = [registry]
  const models: Gauge = new Gauge({
    ...metricNames.models,
    labelNames: ['state'],
    registers,
    collect: () => {
      models.reset()
      for (const state of states) models.set({ state }, 0)
      for (const { status } of views()) models.inc({ state: stateOf(status) })
    },
  })
  registry.registerMetric(new ObservedHistogram(metricNames.loadWait, [], durationBounds, () => [[{}, misses]]))
  if (usage() === undefined) return
  const gauge = (key: 'memoryBudget' | 'memoryUsed', of: keyof BudgetUsage): void => {
    const metric: Gauge = new Gauge({ ...metricNames[key], registers, collect: () => metric.set(usage()?.[of] ?? 0) })
  }
  gauge('memoryBudget', 'budgetBytes')
  gauge('memoryUsed', 'usedBytes')
  const evictions: Counter = new Counter({
    ...metricNames.evictions,
    registers,
    collect: () => {
      evictions.reset()
      evictions.inc(usage()?.evictions ?? 0)
    },
  })
  const refusals: Counter = new Counter({
    ...metricNames.memoryRefusals,
    labelNames: ['reason'],
    registers,
    collect: () => {
      refusals.reset()
      refusals.inc({ reason: 'full' }, usage()?.refusals ?? 0)
      refusals.inc({ reason: 'churn' }, usage()?.churnRejections ?? 0)
    },
  })
}

const states = ['loaded', 'standby', 'other'] as const

function stateOf({ state, scheduling }: ModelStatus): (typeof states)[number] {
  if (scheduling !== undefined) return 'loaded'
  return state === 'ready' ? 'standby' : 'other'
}
