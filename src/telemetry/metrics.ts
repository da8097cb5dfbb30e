/** Every metric of this server: its name, its labels, and where its values come from. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { ErrorCode, InferenceError } from '../core/errors.ts'
import type { InferenceResponse, ModelRef, RequestContext } from '../core/inference.ts'
import type { Call, InferenceObserver, Verb } from '../dataplane/dataplane.ts'
import type { ModelStatus } from '../repository/status.ts'
import { ensure } from './observations.ts'
import type { Observations } from './observations.ts'
import { durationBounds, kserveBounds, ModelCounts, phases } from './request-counts.ts'

export interface MetricsOptions {
  /** Version of this server, for `servable_build_info`. */
  readonly version: string
  /** The models there are, asked at each scrape: `repository.list()`. */
  readonly models: () => readonly ModelStatus[]
}

type Labels = Readonly<Record<string, string>>

/**
 * Counts what the data plane does and exposes it as Prometheus text, in a registry of its own: two servers in one process
 * do not mix. Callers cannot grow it: models that do not exist share the label `model=""`.
 */
export class Metrics implements InferenceObserver {
  readonly #registry = new Registry()
  readonly #models: () => readonly ModelStatus[]
  readonly #counts = new Map<string, ModelCounts>()
  /** By the name that the caller gave, known or not; without the idle ones. */
  readonly #inFlight = new Map<string, number>()

  constructor({ version, models }: MetricsOptions) {
    this.#models = models
    this.#addRequestMetrics()
    this.#addModelMetrics()
    const build = new Gauge({
      name: 'servable_build_info',
      help: 'Version of the server and of Node.js; always 1.',
      labelNames: ['version', 'node'],
      registers: [this.#registry],
    })
    build.set({ version, node: process.versions.node }, 1)
    for (const metric of processMetrics()) this.#registry.registerMetric(metric)
  }

  /** Everything measured, in Prometheus' text format. */
  async expose(): Promise<{ readonly contentType: string; readonly text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() }
  }

  onRequest({ request }: Call): void {
    const { name } = request.model
    this.#inFlight.set(name, (this.#inFlight.get(name) ?? 0) + 1)
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
    const left = (this.#inFlight.get(name) ?? 1) - 1
    // Names that callers make up must not stay; the others do, lest the table be made anew all the time.
    if (left > 0 || ref !== undefined) this.#inFlight.set(name, left)
    else this.#inFlight.delete(name)
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
      name: 'servable_requests_total',
      help: 'Requests answered, by what they asked for and the code they ended with.',
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
    const duration = {
      name: 'servable_request_duration_seconds',
      help: 'Time in the data plane: queue, hooks and model.',
    }
    const durationLabels = ['model', 'version', 'protocol']
    this.#registry.registerMetric(
      new ObservedHistogram(duration, durationLabels, durationBounds, function* () {
        for (const [model, version, protocol, counts] of entries(byModel)) {
          yield [{ model, version, protocol }, counts.duration]
        }
      }),
    )
    for (const phase of phases) {
      const name = `request_${phase}_seconds` // KServe's
      const help = `${phase} request latency`
      this.#registry.registerMetric(
        new ObservedHistogram({ name, help }, ['model_name'], kserveBounds, function* () {
          for (const [model, counts] of byModel) yield [{ model_name: model }, counts.phases[phase]]
        }),
      )
    }
    const inFlight: Gauge = new Gauge({
      name: 'servable_requests_in_flight',
      help: 'Requests in the data plane right now, waiting ones included.',
      labelNames: ['model'],
      registers,
      collect: () => {
        inFlight.reset()
        for (const { ref } of this.#models()) inFlight.set({ model: ref.name }, 0)
        for (const [name, count] of this.#inFlight) inFlight.inc({ model: this.#known({ name }).name }, count)
      },
    })
  }

  #addModelMetrics(): void {
    const perModel = (name: string, help: string, value: (status: ModelStatus) => number | undefined): void => {
      const gauge: Gauge = new Gauge({
        name,
        help,
        labelNames: ['model', 'version'],
        registers: [this.#registry],
        collect: () => {
          gauge.reset()
          for (const status of this.#models()) {
            const set = value(status)
            if (set !== undefined) gauge.set({ model: status.ref.name, version: status.ref.version }, set)
          }
        },
      })
    }
    perModel('servable_model_load_seconds', 'Time that the last load took.', ({ loadMs }) =>
      loadMs === undefined ? undefined : loadMs / 1000,
    )
    perModel('servable_model_memory_bytes', 'Memory that the loaded weights hold.', ({ memoryBytes }) => memoryBytes)
    perModel('servable_model_ready', '1 where the model answers requests.', ({ state }) => (state === 'ready' ? 1 : 0))
    const info: Gauge = new Gauge({
      name: 'servable_model_info',
      help: 'Where a ready model runs and why; always 1.',
      labelNames: ['model', 'version', 'runtime', 'device', 'placement', 'device_reason'],
      registers: [this.#registry],
      collect: () => {
        info.reset()
        for (const status of this.#models()) if (status.state === 'ready') info.set(describe(status), 1)
      },
    })
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

declare module 'prom-client' {
  // What the registry calls in place of `get` where a metric has it; missing in the package's types.
  interface Histogram {
    getForPromString(): Promise<object>
  }
}

/** Observations as a Prometheus histogram: prom-client's own looks its labels up on every observation. */
class ObservedHistogram extends Histogram {
  readonly #bounds: readonly number[]
  readonly #children: () => Iterable<readonly [Labels, Observations]>
  readonly #metricName: string

  constructor(
    { name, help }: { readonly name: string; readonly help: string },
    labelNames: readonly string[],
    bounds: readonly number[],
    children: () => Iterable<readonly [Labels, Observations]>,
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

  #lines(sharedLabels: Labels, { counts, sum }: Observations) {
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
