/** The metrics of this server: their labels, and where their values come from. Their names are in `metric-names.ts`. */
import { setImmediate as letOthersRun } from 'node:timers/promises'
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'
import type { ErrorCode, InferenceError } from '../core/errors.ts'
import type { InferenceResponse, ModelRef, RequestContext } from '../core/inference.ts'
import type { Call, InferenceObserver, TokenEvent, Verb } from '../dataplane/dataplane.ts'
import type { CacheUsage } from '../dataplane/response-cache.ts'
import type { ModelStatus } from '../repository/status.ts'
import { batchRowBounds, batchRowsOf } from './batch-rows.ts'
import type { GraphCounts } from './graph-counts.ts'
import { addGraphMetrics } from './graph-metrics.ts'
import { addRevisionMetrics } from './revision-metrics.ts'
import type { RevisionCount } from '../repository/model-repository.ts'
import { addMemoryMetrics, type MemorySource } from './memory-metrics.ts'
import { addMeshMetrics, type MeshSource } from './mesh-metrics.ts'
import { kservePhase, metricNames } from './metric-names.ts'
import { addModelMetrics, type ModelView } from './model-metrics.ts'
import { ensure } from './observations.ts'
import type { PayloadLog } from './payload-log.ts'
import { addPayloadMetrics } from './payload-metrics.ts'
import { addSpanMetrics, type SpanCounts } from './span-metrics.ts'
import { ObservedHistogram, type Labels } from './observed-histogram.ts'
import { durationBounds, kserveBounds, ModelCounts, phases } from './request-counts.ts'
import type { Statistics } from './statistics.ts'
import { addTokenMetrics, TokenCounts } from './token-metrics.ts'

export interface MetricsOptions {
  /** Version of this server, for `servable_build_info`. */
  readonly version: string
  /** The models there are, asked at each scrape: `repository.list()`. */
  readonly models: () => readonly ModelStatus[]
  /** What else is known of models: Triton's metrics are made of it. */
  readonly statistics?: Statistics
  readonly cache?: { readonly usage: CacheUsage }
  readonly graphs?: GraphCounts
  /** What each revision of a model was given. */
  readonly revisions?: () => readonly RevisionCount[]
  readonly memory?: MemorySource
  readonly mesh?: MeshSource | undefined
  readonly spans?: SpanCounts | undefined
  readonly payloads?: PayloadLog | undefined
}

/** How long a scrape works before requests have their turn, in milliseconds: a metric of all models at a time. */
const sliceMs = 5

/**
 * Counts what the data plane does and exposes it as Prometheus text, in a registry of its own: two servers in one process
 * do not mix. Callers cannot grow it: models that do not exist share the label `model=""`.
 */
export class Metrics implements InferenceObserver {
  readonly #registry = new Registry()
  readonly #models: () => readonly ModelStatus[]
  readonly #statistics: Statistics | undefined
  /** The models as they are at this scrape: all metrics tell of the same moment. */
  #views: readonly ModelView[] = []
  readonly #counts = new Map<string, ModelCounts>()
  readonly #tokens = new TokenCounts()
  /** By the name that the caller gave, known or not; without the idle ones. */
  readonly #inFlight = new Map<string, { count: number }>()

  constructor({
    version,
    models,
    statistics,
    cache,
    graphs,
    revisions,
    memory,
    mesh,
    spans,
    payloads,
  }: MetricsOptions) {
    this.#models = models
    this.#statistics = statistics
    this.#addRequestMetrics()
    this.#addModelMetrics()
    addTokenMetrics(this.#registry, this.#tokens)
    if (cache !== undefined) this.#addCacheMetrics(cache)
    if (graphs !== undefined) addGraphMetrics(this.#registry, graphs)
    if (revisions !== undefined) addRevisionMetrics(this.#registry, revisions)
    if (memory !== undefined) addMemoryMetrics(this.#registry, memory, () => this.#views)
    if (mesh !== undefined) addMeshMetrics(this.#registry, mesh, () => this.#views)
    if (spans !== undefined) addSpanMetrics(this.#registry, spans)
    if (payloads !== undefined) addPayloadMetrics(this.#registry, payloads)
    const build = new Gauge({
      ...metricNames.build,
      labelNames: ['version', 'node'],
      registers: [this.#registry],
    })
    build.set({ version, node: process.versions.node }, 1)
    for (const metric of processMetrics()) this.#registry.registerMetric(metric)
  }

  /** Everything measured, in Prometheus' text format. Thousands of models take a second of work: requests are served in between. */
  async expose(): Promise<{ readonly contentType: string; readonly text: string }> {
    this.#views = this.#models().map((status) => this.#viewOf(status))
    const texts: string[] = []
    let sliceEnds = performance.now() + sliceMs
    for (const { name } of this.#registry.getMetricsAsArray()) {
      texts.push(await this.#registry.getSingleMetricAsString(name))
      if (performance.now() < sliceEnds) continue
      await letOthersRun()
      sliceEnds = performance.now() + sliceMs
    }
    return { contentType: this.#registry.contentType, text: `${texts.join('\n\n')}\n` }
  }

  onRequest({ request }: Call): void {
    const { name } = request.model
    ensure(this.#inFlight, name, () => ({ count: 0 })).count += 1
  }

  onResponse(call: Call, response: InferenceResponse): void {
    this.#leave(call)
    const counts = this.#countsOf(response.model.name)
    const { name, version } = call.ref ?? response.model
    this.#count(name, version, call, 'ok')
    counts.addTimings(call.verb, call.timings)
  }

  onError(call: Call, error: InferenceError): void {
    this.#leave(call)
    const { name, version } = call.ref ?? this.#known(call.request.model)
    this.#count(name, version, call, error.code)
  }

  onTokens({ ref, request }: Call, event: TokenEvent): void {
    this.#tokens.add((ref ?? request.model).name, event)
  }

  /** Counts a request that a door refused before the data plane saw it. */
  countRefusal(ref: ModelRef, protocol: RequestContext['protocol'], verb: Verb, code: ErrorCode): void {
    const { name, version } = this.#known(ref)
    this.#countsOf(name).of(version, protocol).count(verb, code)
  }

  #count(name: string, version: string, call: Call, code: string): void {
    const counts = this.#countsOf(name).of(version, call.context.protocol)
    counts.count(call.verb, code)
    counts.duration.observe(call.timings.totalMs / 1000)
  }

  #countsOf(name: string): ModelCounts {
    return ensure(this.#counts, name, () => new ModelCounts())
  }

  #leave({ request, ref }: Call): void {
    const { name } = request.model
    const running = this.#inFlight.get(name)
    if (running === undefined) return
    running.count -= 1
    // Names that callers make up must not stay; the others do, lest the table be made anew all the time.
    if (running.count === 0 && ref === undefined) this.#inFlight.delete(name)
  }

  /** The reference where such a model exists; elsewhere empty names, so that callers cannot invent labels. */
  #known({ name, version }: ModelRef): Required<ModelRef> {
    const models = this.#models().filter(({ ref }) => ref.name === name)
    if (models.length === 0) return { name: '', version: '' }
    return { name, version: models.some(({ ref }) => ref.version === version) ? (version ?? '') : '' }
  }

  #addRequestMetrics(): void {
    const registers = [this.#registry]
    const byModel = this.#counts
    const requests: Counter = new Counter({
      ...metricNames.requests,
      labelNames: ['model', 'version', 'protocol', 'verb', 'code'],
      registers,
      collect: () => {
        requests.reset()
        for (const [model, version, protocol, { codes }] of entries(byModel)) {
          for (const [key, count] of codes) {
            const [verb = '', code = ''] = key.split(' ')
            requests.inc({ model, version, protocol, verb, code }, count)
          }
        }
      },
    })
    const durationLabels = ['model', 'version', 'protocol']
    this.#registry.registerMetric(
      new ObservedHistogram(metricNames.duration, durationLabels, durationBounds, function* () {
        for (const [model, version, protocol, counts] of entries(byModel)) {
          yield [{ model, version, protocol }, counts.duration]
        }
      }),
    )
    this.#registry.registerMetric(
      new ObservedHistogram(metricNames.queueWait, ['model'], durationBounds, function* () {
        for (const [model, counts] of byModel) yield [{ model }, counts.queueWait]
      }),
    )
    for (const phase of phases) {
      this.#registry.registerMetric(
        new ObservedHistogram(kservePhase(phase), ['model_name'], kserveBounds, function* () {
          for (const [model, counts] of byModel) yield [{ model_name: model }, counts.phases[phase]]
        }),
      )
    }
    const inFlight: Gauge = new Gauge({
      ...metricNames.inFlight,
      labelNames: ['model'],
      registers,
      collect: () => {
        inFlight.reset()
        const known = new Set(this.#views.map(({ status }) => status.ref.name))
        for (const model of known) inFlight.set({ model }, 0)
        for (const [name, { count }] of this.#inFlight) inFlight.inc({ model: known.has(name) ? name : '' }, count)
      },
    })
  }

  #addModelMetrics(): void {
    addModelMetrics(this.#registry, () => this.#views)
    const views = (): readonly ModelView[] => this.#views
    this.#registry.registerMetric(
      new ObservedHistogram(metricNames.batchRows, ['model', 'version'], batchRowBounds, function* () {
        for (const { status, scheduling } of views()) {
          if (scheduling === undefined) continue
          yield [{ model: status.ref.name, version: status.ref.version }, batchRowsOf(scheduling.batches)]
        }
      }),
    )
    const info: Gauge = new Gauge({
      ...metricNames.info,
      labelNames: ['model', 'version', 'runtime', 'device', 'placement', 'device_reason'],
      registers: [this.#registry],
      collect: () => {
        info.reset()
        for (const { status } of this.#views) if (status.state === 'ready') info.set(describe(status), 1)
      },
    })
  }

  #addCacheMetrics(cache: { readonly usage: CacheUsage }): void {
    const registers = [this.#registry]
    const entries: Gauge = new Gauge({
      ...metricNames.cacheEntries,
      registers,
      collect: () => entries.set(cache.usage.entries),
    })
    const bytes: Gauge = new Gauge({
      ...metricNames.cacheBytes,
      registers,
      collect: () => bytes.set(cache.usage.bytes),
    })
    const evictions: Counter = new Counter({
      ...metricNames.cacheEvictions,
      registers,
      collect: () => {
        evictions.reset()
        evictions.inc(cache.usage.evictions)
      },
    })
  }

  #viewOf(status: ModelStatus): ModelView {
    const scheduling = status.scheduling?.()
    const isServed = status.state === 'ready'
    return {
      status,
      scheduling,
      statistics: isServed ? this.#statistics?.statisticsOf(status, scheduling) : undefined,
      failures: isServed ? this.#statistics?.failuresOf(status.ref) : undefined,
    }
  }
}

function describe({ ref, runtime, metadata }: ModelStatus): Labels {
  const { device = '', placement = '', device_reason = '' } = metadata?.parameters ?? {}
  return {
    model: ref.name,
    version: ref.version,
    runtime,
    device: String(device),
    placement: String(placement),
    device_reason: String(device_reason),
  }
}

function* entries(byModel: ReadonlyMap<string, ModelCounts>) {
  for (const [model, { versions }] of byModel) {
    for (const [version, protocols] of versions) {
      for (const [protocol, counts] of protocols) yield [model, version, protocol, counts] as const
    }
  }
}

let processRegistry: Registry | undefined

/** CPU, memory, event loop and garbage collection: measured once per process, shown by every server in it. */
function processMetrics() {
  if (processRegistry === undefined) {
    processRegistry = new Registry()
    collectDefaultMetrics({ register: processRegistry })
  }
  const names = processRegistry.getMetricsAsArray().map((metric) => metric.name)
  return names.flatMap((name) => processRegistry?.getSingleMetric(name) ?? [])
}
