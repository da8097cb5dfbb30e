/** A server while it lives: models in the repository, doors on ports, and all of it down again in order. */
import type { FastifyInstance } from 'fastify'
import { InferenceError } from '../core/errors.ts'
import type { InferenceRequest, InferenceResponse, RequestContext } from '../core/inference.ts'
import type { Log } from '../core/log.ts'
import { DataPlane, type Extensions } from '../dataplane/dataplane.ts'
import { withDeadline } from '../dataplane/deadline.ts'
import type { LogSettings } from '../dataplane/log-settings.ts'
import type { LimitTable } from '../dataplane/service-limits.ts'
import type { PlannedService } from '../kserve/index.ts'
import { ModelRepository } from '../repository/model-repository.ts'
import type { ModelStatus } from '../repository/status.ts'
import { VersionLabels } from '../repository/version-labels.ts'
import { createRestApp } from '../rest/app.ts'
import { addControlRoutes } from '../rest/control-routes.ts'
import { defaultGrpcPort, listenFailure, portOf, portsOf, urlHost, type Addresses, type Ports } from './addresses.ts'
import { endsWithin, type CloseOptions, type ClosingStep } from './closing.ts'
import { Components } from './components/components.ts'
import { Forwarder } from './components/forwarder.ts'
import { PredictorDoor } from './components/predictor-door.ts'
import { setLimits } from './components/limits.ts'
import { cloudEventOptions } from './cloud-events.ts'
import type { ServeConfig } from './config.ts'
import type { ModelFinder } from './configured-models.ts'
import { isControlled } from './control/access.ts'
import type { Control } from './control/control.ts'
import { grpcHosts } from './control/hosts.ts'
import { openControl, type ControlStart } from './control/open.ts'
import type { Fetching } from './fetching.ts'
import { followFiles, type FileFollower } from './follow-files.ts'
import { GrpcDoors } from './grpc-doors.ts'
import type { GivenGraphs } from './graphs/definition.ts'
import { Graphs } from './graphs/graphs.ts'
import { LastRequests } from './last-requests.ts'
import { loadModels } from './load-models.ts'
import { withMetricsOf, type Membership, type OwnParts } from './membership.ts'
import { ModelLoader } from './model-loader.ts'
import type { EntryParts } from './modelmesh/mesh-entry.ts'
import { openNames, type OpenedNames } from './modelmesh/open-names.ts'
import type { ServedModelSource } from './models.ts'
import { observe, type Observing } from './observing.ts'
import { repositoryOptions } from './repository-options.ts'
import { RunningCalls } from './running-calls.ts'
import { leaveTerminationMessage } from './termination-log.ts'
import { RecentModels } from './recent-models.ts'
import { readTls } from './tls.ts'
import { UploadDirectory } from './uploads.ts'
import { version } from './version.ts'

/** Left for closing once a drain is cut off, so that all of it stays within `drainSeconds`. */
const graceMs = 500

/** What {@link createServer} has found and opened. */
export interface ServerParts {
  readonly sources: readonly ServedModelSource[]
  readonly graphs: GivenGraphs
  /** Of manifests. */
  readonly services: readonly PlannedService[]
  readonly limits: LimitTable
  readonly finder: ModelFinder
  /** How models at paths of this machine are found that come while the server runs. */
  readonly local: Pick<EntryParts, 'find' | 'formats'>
  readonly control: ControlStart
  readonly fetching: Fetching
  readonly log: Log
  readonly extensions: Extensions
  readonly logSettings: LogSettings
  readonly membership: Membership | undefined
}

/** A server inside this program. Nothing listens and nothing is loaded before {@link Server.start}. */
export class Server {
  readonly dataPlane: DataPlane
  readonly log: Log
  readonly config: ServeConfig
  readonly own: OwnParts
  readonly #repository: ModelRepository
  readonly #app: FastifyInstance
  readonly #grpc: GrpcDoors
  readonly #sources: readonly ServedModelSource[]
  readonly #graphs: Graphs
  readonly #control: Control
  #http: string | undefined
  readonly #components: Components
  readonly #predictorDoor: PredictorDoor
  readonly #abort = new AbortController()
  readonly #calls = new RunningCalls()
  readonly #follower: FileFollower | undefined
  readonly #fetching: Fetching
  readonly #observing: Observing
  readonly #names: OpenedNames
  readonly #recent: RecentModels | undefined
  readonly #uploads: UploadDirectory
  readonly #ownsUploads: boolean
  readonly #isTls: boolean
  #isDraining = false
  #closing: Promise<void> | undefined

  /** Use {@link createServer}. */
  constructor(config: ServeConfig, parts: ServerParts) {
    const { sources, log, logSettings, extensions, membership } = parts
    this.config = config
    this.log = log
    this.#fetching = parts.fetching
    this.#sources = sources
    this.#repository = new ModelRepository(
      log,
      repositoryOptions(config, (ms) => observing.misses.observe(ms / 1000)),
    )
    for (const { entry } of sources) this.#repository.announce(entry)
    const observing = observe(config, {
      repository: this.#repository,
      calls: this.#calls,
      services: parts.services,
      log,
    })
    this.#observing = observing
    const { metrics, statistics, counts, responseCache, observers, tracer } = observing
    const labels = new VersionLabels()
    const finder: ModelFinder = {
      ...parts.finder,
      all: async () => [
        ...(await parts.finder.all()),
        ...(await this.#control.find()),
        ...this.#components.sources,
        ...this.#graphs.sources,
      ],
    }
    this.#uploads = new UploadDirectory(membership?.uploads, config)
    this.#ownsUploads = membership === undefined
    const loader = new ModelLoader({
      ...{ repository: this.#repository, finder, labels, uploads: this.#uploads },
      signal: this.#abort.signal,
    })
    loader.begin(sources)
    this.#follower = followFiles(config, { finder: parts.finder, loader, log })
    this.#names = openNames({
      ...{ config, log, repository: this.#repository, local: { ...parts.local, environment: process.env } },
      ...{ signal: this.#abort.signal, share: membership?.names },
    })
    parts.limits.follow((name) => this.#names.repository.named({ name }).name)
    this.own = {
      control: loader,
      names: (change, isReplay) => this.#names.apply(change, isReplay),
      objects: (state) => this.#control.become(state),
      settled: () => this.#control.settled(),
      logSettings,
      metrics: async () => (await metrics.expose()).text,
    }
    if (config.recentFile !== undefined) {
      this.#recent = new RecentModels({ path: config.recentFile, list: () => this.#repository.recent(), log })
    }
    const planeParts: Extensions = {
      ...extensions,
      uploads: this.#uploads,
      statistics,
      labels,
      responseCache,
      ...(config.modelControl === 'explicit' ? { control: membership?.control ?? loader } : {}),
    }
    const tls = readTls(config)
    const restMetrics = membership === undefined ? metrics : withMetricsOf(membership, metrics)
    const rest = {
      metrics: restMetrics,
      log,
      version,
      limits: { maxRequestBytes: config.maxRequestBytes },
      refuseStatus: config.refuseStatus,
      cloudEvents: cloudEventOptions(process.env),
      isDraining: () => this.#isDraining,
      signal: this.#abort.signal,
    }
    this.#predictorDoor = new PredictorDoor(
      () => {
        // Requests that were taken before a drain go on to the model.
        const dataPlane = new DataPlane(this.#repository, observers, planeParts)
        return createRestApp({ ...rest, dataPlane, isDraining: () => false })
      },
      config.host,
      config.predictorPort,
    )
    this.#components = new Components({
      forwarder: new Forwarder(config.maxRequestBytes),
      log,
      predictor: () => this.#predictorDoor.address(),
    })
    this.#addComponents(parts)
    this.dataPlane = new DataPlane(this.#names.repository, observers, {
      ...planeParts,
      standIn: (name, verb) => this.#components.standIn(this.#names.repository.named({ name }).name, verb),
    })
    this.#graphs = new Graphs(parts.graphs, {
      models: new Set(sources.map(({ ref }) => ref.name)),
      repository: this.#repository,
      dataPlane: this.dataPlane,
      components: this.#components,
      counts,
      tracer,
      log,
      config,
      signal: this.#abort.signal,
    })
    loader.begin([...this.#components.sources, ...this.#graphs.sources])
    this.#control = openControl(parts.control, {
      repository: this.#repository,
      graphs: this.#graphs,
      components: this.#components,
      limits: parts.limits,
      payloads: observing.payloads,
      sources,
      config,
      log,
      signal: this.#abort.signal,
      http: () => this.#http,
      share: membership?.objects,
    })
    this.#isTls = tls !== undefined
    this.#app = createRestApp({
      ...rest,
      ...(tls === undefined ? {} : { tls }),
      dataPlane: this.dataPlane,
      aliases: this.#names.aliases,
      graphs: this.#graphs,
      services: this.#control.hosts,
      components: this.#components,
    })
    if (isControlled(config)) addControlRoutes(this.#app, this.#control)
    this.#grpc = new GrpcDoors(
      {
        dataPlane: this.dataPlane,
        hosts: grpcHosts(this.#graphs, this.#control.hosts),
        metrics,
        log,
        version,
        limits: { maxMessageBytes: config.maxRequestBytes },
        refuseStatus: config.grpcRefuseStatus,
        ...(this.#names.mesh === undefined ? {} : { mesh: this.#names.mesh }),
      },
      tls,
      { ...parts.local, config, repository: this.#repository, environment: process.env, log },
    )
  }

  /** Transformers and explainers outside of this process, and the limits of services. */
  #addComponents({ services, sources, graphs, limits }: ServerParts): void {
    const taken = new Set([...sources.map(({ ref }) => ref.name), ...graphs.graphs.map(({ name }) => name)])
    for (const service of services) this.#components.add(service, (name) => taken.has(name))
    for (const { entry } of this.#components.sources) this.#repository.announce(entry)
    for (const service of services) setLimits(limits, service)
  }

  /** Where the models of this server come from, in the order of their names. */
  get sources(): readonly ServedModelSource[] {
    return this.#sources
  }

  /** Listens, then loads all models. The doors are open meanwhile: alive, not ready. */
  async start(): Promise<Addresses> {
    const addresses = await this.listen()
    await this.load()
    return addresses
  }

  /**
   * Opens the doors.
   * @throws InferenceError `failed_precondition` where a port is taken or not allowed
   */
  async listen(ports: Ports = portsOf(this.config)): Promise<Addresses> {
    const { host } = this.config
    const { httpPort, grpcPort = httpPort === 0 ? 0 : defaultGrpcPort } = ports
    try {
      await this.#app.listen({ host, port: httpPort })
    } catch (reason) {
      throw new InferenceError('failed_precondition', listenFailure(reason, host, httpPort), { cause: reason })
    }
    const http = `${this.#isTls ? 'https' : 'http'}://${urlHost(host)}:${portOf(this.#app.server)}`
    this.#http = http
    try {
      return { http, ...(await this.#grpc.listen(host, grpcPort)) }
    } catch (reason) {
      await this.#app.close()
      throw reason
    }
  }

  /**
   * Loads every model. A failed one does not throw: its status says why, and the server is not ready.
   *
   * @param unloaded names of models that callers have unloaded: they are known, and not loaded
   */
  async load(unloaded: ReadonlySet<string> = new Set()): Promise<readonly ModelStatus[]> {
    await this.#names.restore()
    await this.#follower?.poll.begin(this.#sources)
    const models = await loadModels(this.#sources, unloaded, {
      repository: this.#repository,
      config: this.config,
      signal: this.#abort.signal,
    })
    const components = await this.#components.start(this.#repository, this.#abort.signal, unloaded)
    if (this.#recent !== undefined) {
      await this.#repository.warm(await this.#recent.read())
      this.#recent.follow()
    }
    const statuses = [...models, ...components, ...(await this.#graphs.start(unloaded))]
    this.#follower?.start()
    const failed = statuses.filter((status) => status.state === 'failed')
    if (failed.length > 0) leaveTerminationMessage(this.config.terminationLog, failed, this.log)
    return statuses
  }

  /** Calls a model without a socket: for programs that hold the server. */
  infer(request: InferenceRequest, context: Partial<RequestContext> = {}): Promise<InferenceResponse> {
    const own: RequestContext = {
      requestId: context.requestId ?? request.id ?? '',
      protocol: context.protocol ?? 'library',
      signal: context.signal ?? this.#abort.signal,
      headers: context.headers ?? {},
    }
    const { deadline } = context
    if (deadline === undefined) return this.dataPlane.infer(request, own)
    return withDeadline(own, deadline, (limited) => this.dataPlane.infer(request, limited))
  }

  /** Refuses new work, finishes what runs, closes everything; all within `drainSeconds`. */
  close(options: CloseOptions = {}): Promise<void> {
    this.#fetching.close()
    this.#closing ??= this.#close(options)
    return this.#closing
  }

  async #close(options: CloseOptions): Promise<void> {
    const drainMs = this.config.drainSeconds * 1000
    const patienceMs = Math.max(0, drainMs - graceMs)
    const drained = this.#drain(patienceMs, options)
    if (await endsWithin(drained, patienceMs)) return
    this.log.warn({ drainSeconds: this.config.drainSeconds }, 'drain deadline passed, running calls are cut off')
    this.#abort.abort(new InferenceError('unavailable', 'Server is shutting down.'))
    if (await endsWithin(drained, graceMs)) return
    this.log.error({}, 'a call does not end, its connection is closed')
    this.#app.server.close()
    this.#app.server.closeAllConnections()
  }

  /** The door stays open until the last call has ended: who comes meanwhile is refused with a reason, not with a reset. */
  async #drain(patienceMs: number, { isReplaced = false, quietMs = 0, together }: CloseOptions): Promise<void> {
    const started = performance.now()
    const left = (): number => patienceMs - (performance.now() - started)
    this.#isDraining = !isReplaced
    await this.#follower?.close()
    const grpcDrained = this.#grpc.drain(patienceMs, { isReplaced })
    const last = new LastRequests(this.#app.server)
    if (isReplaced) last.stopListening()
    await this.#calls.idle()
    const step = async (done: ClosingStep): Promise<void> => {
      if (together !== undefined) await endsWithin(together(done), left() - graceMs)
    }
    await step('idle')
    if (quietMs > 0 && !isReplaced) await last.closePort(() => step('closed'))
    await last.quiet(quietMs, left())
    this.#isDraining = true
    await this.#calls.idle()
    await Promise.all([this.#app.close(), grpcDrained])
    this.#abort.abort(new InferenceError('unavailable', 'Server is shutting down.'))
    this.#graphs.close()
    this.#grpc.close()
    this.#names.close()
    this.#recent?.close()
    await this.#recent?.write()
    await this.#repository.close()
    if (this.#ownsUploads) await this.#uploads.close()
    this.#components.close()
    await this.#predictorDoor.close()
    await this.#observing.close(Math.max(0, left() - graceMs))
  }
}
