/** Metrics of each model: what the repository, its scheduler and the statistics know of it when Prometheus asks. */
import { Counter, Gauge, type Registry } from 'prom-client'
import { refusalReasons, type SchedulingSnapshot } from '../core/scheduling.ts'
import type { ModelStatistics } from '../dataplane/statistics.ts'
import { standbyReasons, type ModelStatus } from '../repository/status.ts'
import { metricNames, type MetricKey } from './metric-names.ts'
import { failureReasons, type Failures } from './statistics.ts'

/** One version at the moment of a scrape. */
export interface ModelView {
  readonly status: ModelStatus
  readonly scheduling?: SchedulingSnapshot | undefined
  readonly statistics?: ModelStatistics | undefined
  readonly failures?: Failures | undefined
}

/** One value, one for each value of a further label, or none. */
type Values = number | undefined | readonly (readonly [label: string, value: number])[]

interface PerModel {
  readonly key: MetricKey
  readonly kind: 'gauge' | 'counter'
  /** The label beside model and version. */
  readonly label?: string
  readonly values: (view: ModelView) => Values
}

const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000)

const ofRepository: readonly PerModel[] = [
  { key: 'loadSeconds', kind: 'gauge', values: ({ status }) => seconds(status.loadMs) },
  { key: 'memoryBytes', kind: 'gauge', values: ({ status }) => status.memoryBytes },
  {
    key: 'standbys',
    kind: 'counter',
    label: 'reason',
    values: ({ status }) => status.standbys && standbyReasons.map((reason) => [reason, status.standbys?.[reason] ?? 0]),
  },
  { key: 'ready', kind: 'gauge', values: ({ status }) => (status.state === 'ready' ? 1 : 0) },
]

/** What the scheduler has learned and done. */
const ofScheduling: readonly PerModel[] = [
  { key: 'alpha', kind: 'gauge', values: ({ scheduling }) => seconds(scheduling?.alphaMs) },
  { key: 'beta', kind: 'gauge', values: ({ scheduling }) => seconds(scheduling?.betaMs) },
  { key: 'margin', kind: 'gauge', values: ({ scheduling }) => scheduling?.margin },
  { key: 'efficientBatch', kind: 'gauge', values: ({ scheduling }) => scheduling?.efficientBatch },
  { key: 'batchSize', kind: 'gauge', values: ({ scheduling }) => scheduling?.batchSize },
  {
    key: 'arrivals',
    kind: 'gauge',
    values: ({ scheduling }) => scheduling && scheduling.arrivalsPerMs * 1000,
  },
  { key: 'expectedWait', kind: 'gauge', values: ({ scheduling }) => seconds(scheduling?.expectedWaitMs) },
  { key: 'waitingRequests', kind: 'gauge', values: ({ scheduling }) => scheduling?.waitingRequests },
  { key: 'waitingRows', kind: 'gauge', values: ({ scheduling }) => scheduling?.waitingRows },
  { key: 'runningBatches', kind: 'gauge', values: ({ scheduling }) => scheduling?.runningBatches },
  {
    key: 'refusals',
    kind: 'counter',
    label: 'reason',
    values: ({ scheduling }) => scheduling && refusalReasons.map((reason) => [reason, scheduling.refusals[reason]]),
  },
  { key: 'isolations', kind: 'counter', values: ({ scheduling }) => scheduling?.isolations },
  { key: 'cacheHits', kind: 'counter', values: (view) => cacheOf(view)?.cache_hit.count },
  { key: 'cacheMisses', kind: 'counter', values: (view) => cacheOf(view)?.cache_miss.count },
]

/** Triton's names, labels and units (microseconds), for its dashboards and autoscaling rules. */
const ofTriton: readonly PerModel[] = [
  { key: 'nvSuccess', kind: 'counter', values: (view) => inferenceOf(view)?.success.count },
  {
    key: 'nvFailure',
    kind: 'counter',
    label: 'reason',
    values: ({ failures }) => failures && failureReasons.map((reason) => [reason, failures[reason]]),
  },
  { key: 'nvCount', kind: 'counter', values: ({ statistics }) => statistics?.inference_count },
  { key: 'nvExecutions', kind: 'counter', values: ({ statistics }) => statistics?.execution_count },
  { key: 'nvPending', kind: 'gauge', values: ({ scheduling }) => scheduling?.waitingRequests },
  { key: 'nvRequestUs', kind: 'counter', values: (view) => microseconds(inferenceOf(view)?.success) },
  { key: 'nvQueueUs', kind: 'counter', values: (view) => microseconds(inferenceOf(view)?.queue) },
  { key: 'nvInputUs', kind: 'counter', values: (view) => microseconds(inferenceOf(view)?.compute_input) },
  { key: 'nvInferUs', kind: 'counter', values: (view) => microseconds(inferenceOf(view)?.compute_infer) },
  { key: 'nvOutputUs', kind: 'counter', values: (view) => microseconds(inferenceOf(view)?.compute_output) },
  { key: 'nvLoadSeconds', kind: 'gauge', values: ({ status }) => seconds(status.loadMs) },
  { key: 'nvHits', kind: 'counter', values: (view) => cacheOf(view)?.cache_hit.count },
  { key: 'nvMisses', kind: 'counter', values: (view) => cacheOf(view)?.cache_miss.count },
  { key: 'nvHitUs', kind: 'counter', values: (view) => microseconds(cacheOf(view)?.cache_hit) },
  { key: 'nvMissUs', kind: 'counter', values: (view) => microseconds(cacheOf(view)?.cache_miss) },
]

function inferenceOf({ statistics }: ModelView): ModelStatistics['inference_stats'] | undefined {
  return statistics?.inference_stats
}

/** Only of models whose answers are kept. */
function cacheOf(view: ModelView): ModelStatistics['inference_stats'] | undefined {
  return view.status.metadata?.isCached === true ? inferenceOf(view) : undefined
}

function microseconds(duration: { readonly ns: number } | undefined): number | undefined {
  return duration === undefined ? undefined : Math.round(duration.ns / 1000)
}

/** @param views the versions there are, asked at each scrape */
export function addModelMetrics(registry: Registry, views: () => readonly ModelView[]): void {
  for (const metric of [...ofRepository, ...ofScheduling, ...ofTriton]) addMetric(registry, metric, views)
  const batching: Gauge = new Gauge({
    ...metricNames.batching,
    labelNames: ['model', 'version', 'batching', 'reason'],
    registers: [registry],
    collect: () => {
      batching.reset()
      for (const { status, scheduling } of views()) {
        if (scheduling === undefined) continue
        const { isBatching, reason } = scheduling
        batching.set(
          { model: status.ref.name, version: status.ref.version, batching: isBatching ? 'on' : 'off', reason },
          1,
        )
      }
    },
  })
}

function addMetric(
  registry: Registry,
  { key, kind, label, values }: PerModel,
  views: () => readonly ModelView[],
): void {
  const options = {
    ...metricNames[key],
    labelNames: ['model', 'version', ...(label === undefined ? [] : [label])],
    registers: [registry],
    collect: () => {
      metric.reset()
      for (const view of views()) {
        const labels = { model: view.status.ref.name, version: view.status.ref.version }
        const found = values(view)
        if (found === undefined) continue
        if (typeof found === 'number') metric.inc(labels, found)
        else for (const [name, value] of found) metric.inc({ ...labels, [label ?? '']: name }, value)
      }
    },
  }
  const metric: Counter | Gauge = kind === 'gauge' ? new Gauge(options) : new Counter(options)
}
