/** Who is told of requests and answers: metrics, statistics, spans, the payload log. */
import type { Log } from '../core/log.ts'
import type { InferenceObserver } from '../dataplane/dataplane.ts'
import { ResponseCache } from '../dataplane/response-cache.ts'
import type { PlannedService } from '../kserve/index.ts'
import type { ModelRepository } from '../repository/model-repository.ts'
import { GraphCounts } from '../telemetry/graph-counts.ts'
import { MeshCounts } from '../telemetry/mesh-counts.ts'
import { Metrics } from '../telemetry/metrics.ts'
import { Observations } from '../telemetry/observations.ts'
import type { PayloadLog } from '../telemetry/payload-log.ts'
import { durationBounds } from '../telemetry/request-counts.ts'
import { Statistics } from '../telemetry/statistics.ts'
import type { Tracer } from '../telemetry/tracer.ts'
import { endsWithin } from './closing.ts'
import { payloadLogOf } from './components/payload-log.ts'
import type { ServeConfig } from './config.ts'
import { isControlled } from './control/access.ts'
import { isMesh, meshSourceOf } from './modelmesh/mesh-source.ts'
import type { RunningCalls } from './running-calls.ts'
import { tracingOf } from './tracing.ts'
import { version } from './version.ts'

export interface Observing {
  readonly metrics: Metrics
  readonly statistics: Statistics
  readonly counts: GraphCounts
  readonly responseCache: ResponseCache
  /** Seconds that requests waited for the load of their model. */
  readonly misses: Observations
  readonly tracer: Tracer | undefined
  readonly payloads: PayloadLog | undefined
  /** Of the data plane, in their order. */
  readonly observers: readonly InferenceObserver[]
  /** Sends what is left, for at most so many milliseconds. */
  close(patienceMs: number): Promise<void>
}

export interface Observed {
  readonly repository: ModelRepository
  readonly calls: RunningCalls
  readonly services: readonly PlannedService[]
  readonly log: Log
}

export function observe(config: ServeConfig, { repository, calls, services, log }: Observed): Observing {
  const statistics = new Statistics()
  const responseCache = new ResponseCache(config.responseCacheBytes)
  const counts = new GraphCounts()
  const tracing = tracingOf(config, process.env, log)
  const payloads = payloadLogOf(config, services, log, isControlled(config))
  const misses = new Observations(durationBounds)
  const mesh = isMesh(config) ? new MeshCounts() : undefined
  if (mesh !== undefined) repository.onChange((status) => mesh.changed(status))
  const metrics = new Metrics({
    version,
    models: () => repository.list(),
    statistics,
    cache: responseCache,
    graphs: counts,
    revisions: () => repository.revisionCounts(),
    memory: { usage: () => repository.memory, misses },
    mesh: mesh && meshSourceOf(mesh, config, repository, misses),
    spans: tracing?.exporter,
    payloads,
  })
  return {
    metrics,
    statistics,
    counts,
    responseCache,
    misses,
    tracer: tracing?.tracer,
    payloads,
    observers: [
      ...(tracing === undefined ? [] : [tracing.tracer]),
      metrics,
      statistics,
      calls,
      ...(mesh === undefined ? [] : [mesh]),
      ...(payloads === undefined ? [] : [payloads]),
    ],
    close: async (patienceMs) => {
      await tracing?.exporter.close()
      // Its sink may be slower than the drain is patient: the rest is dropped then.
      if (payloads !== undefined) await endsWithin(payloads.flushed(), patienceMs)
      payloads?.close()
    },
  }
}
