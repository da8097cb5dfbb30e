/** The graphs of one server: read and checked at its start, found by name and by host. */
import { InferenceError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { DataPlane } from '../../dataplane/dataplane.ts'
import { compileHeaderPatterns, loadSpec } from '../../graph/index.ts'
import type { ExplainedReply, GraphReply, GraphSpec } from '../../graph/index.ts'
import type { ModelRepository } from '../../repository/model-repository.ts'
import type { ModelStatus } from '../../repository/status.ts'
import type { GraphExchange, RestComponents, RestGraphs } from '../../rest/options.ts'
import type { GraphCounts } from '../../telemetry/graph-counts.ts'
import type { Tracer } from '../../telemetry/tracer.ts'
import type { ServeConfig } from '../config.ts'
import type { ServedModelSource } from '../models.ts'
import type { GivenGraphs, GraphDefinition } from './definition.ts'
import { GraphReadiness } from './readiness.ts'
import { RemoteServices } from './remote.ts'
import { resolveServices } from './services.ts'
import { ServedGraph, type ReadyGraph, type Surroundings } from './served-graph.ts'

/** KServe's, of what names none. */
const defaultNamespace = 'default'

/** The server around them. */
export interface GraphHost {
  /** Names of its models. */
  readonly models: ReadonlySet<string>
  readonly repository: ModelRepository
  readonly dataPlane: DataPlane
  /** Transformers of its models. */
  readonly components?: RestComponents
  readonly counts: GraphCounts
  readonly tracer?: Tracer | undefined
  readonly log: Log
  readonly config: Pick<ServeConfig, 'refuseStatus' | 'maxRequestBytes'>
  /** Ends loads when the server closes. */
  readonly signal: AbortSignal
}

export class Graphs implements RestGraphs {
  readonly #host: GraphHost
  readonly #around: Surroundings
  readonly #remote: RemoteServices
  #served: ServedSet = { byName: new Map(), marks: new Map(), ordered: [], byHost: new Map() }
  readonly #readiness: GraphReadiness

  /** @throws InferenceError `invalid_argument` for whatever is wrong with a graph, with its place */
  constructor(given: GivenGraphs, host: GraphHost) {
    const { dataPlane, components, log, counts, repository, config } = host
    this.#host = host
    this.#remote = new RemoteServices(config.maxRequestBytes)
    this.#around = {
      dataPlane,
      ...(components === undefined ? {} : { components }),
      log,
      counts,
      tracer: host.tracer,
      refuseStatus: config.refuseStatus,
      remote: this.#remote,
      graph: (name) => this.#served.byName.get(name),
    }
    this.#served = this.#serve(given, host.models)
    for (const { entry } of this.sources) repository.announce(entry)
    this.#readiness = new GraphReadiness(repository, this.#served.ordered, host.signal)
  }

  /** What the repository is told of them, those that others call first. */
  get sources(): readonly ServedModelSource[] {
    return this.#served.ordered.map(({ source }) => source)
  }

  /**
   * Serves these graphs in place of those before; those that stay the same are left as they are.
   *
   * @param models names of the models of the server
   * @throws InferenceError as the constructor; nothing has changed then
   */
  replace(given: GivenGraphs, models: ReadonlySet<string>): void {
    const before = this.#served
    const served = this.#serve(given, models)
    this.#served = served
    for (const name of before.byName.keys()) if (!served.byName.has(name)) void this.#host.repository.forget(name)
    const fresh = served.ordered.filter((graph) => before.byName.get(graph.ref.name) !== graph)
    this.#readiness.become(served.ordered, fresh)
  }

  /** Loads them once the models have loaded. @param unloaded names of those that callers have unloaded */
  start(unloaded: ReadonlySet<string>): Promise<readonly ModelStatus[]> {
    return this.#readiness.start(unloaded)
  }

  get names(): readonly string[] {
    return [...this.#served.byName.keys()]
  }

  has(name: string): boolean {
    return this.#served.byName.has(name)
  }

  get isEmpty(): boolean {
    return this.#served.byName.size === 0
  }

  atHost(host: string): string | undefined {
    if (this.#served.byHost.size === 0) return undefined
    const text = host.toLowerCase()
    const end = /:\d*$/.exec(text)?.index ?? text.length
    let dot = text.indexOf('.')
    while (dot !== -1 && dot < end) {
      const next = text.indexOf('.', dot + 1)
      const name =
        this.#served.byHost.get(text.slice(0, dot + 1)) ??
        this.#served.byHost.get(text.slice(0, next === -1 || next > end ? end : next))
      if (name !== undefined) return name
      dot = next
    }
    return undefined
  }

  at(namespace: string, name: string): string | undefined {
    return this.#served.byName.get(name)?.namespace === namespace ? name : undefined
  }

  async answer(exchange: GraphExchange): Promise<GraphReply | ExplainedReply> {
    const { name } = exchange.model
    const graph = this.#served.byName.get(name)
    if (graph === undefined) throw new InferenceError('not_found', `InferenceGraph with name ${name} does not exist.`)
    return graph.answer(exchange)
  }

  /** Closes the connections to services elsewhere; the repository closes the graphs. */
  close(): void {
    this.#readiness.close()
    this.#remote.close()
  }

  #serve(given: GivenGraphs, models: ReadonlySet<string>): ServedSet {
    const before = this.#served
    const ready = readGraphs(given, models, this.#host.log)
    const marks = new Map(ready.map((graph) => [graph.name, markOf(graph, given)]))
    const graphs = ready.map((graph) => {
      const known = before.byName.get(graph.name)
      const isSame = known !== undefined && before.marks.get(graph.name) === marks.get(graph.name)
      return isSame ? known : new ServedGraph(graph, this.#around)
    })
    const byName = new Map(graphs.map((graph) => [graph.ref.name, graph]))
    return { byName, marks, ordered: inOrder(graphs), byHost: hostsOf(graphs) }
  }
}

/** The graphs that are served, and how they are found. */
interface ServedSet {
  readonly byName: ReadonlyMap<string, ServedGraph>
  /** What tells a graph from one of the same name. */
  readonly marks: ReadonlyMap<string, string>
  /** Those that others call come first. */
  readonly ordered: readonly ServedGraph[]
  /** By `<name>.<namespace>` and `<name>-<namespace>.`, with which a host begins. */
  readonly byHost: ReadonlyMap<string, string>
}

function markOf({ name, namespace, services }: ReadyGraph, { graphs }: GivenGraphs): string {
  const given = graphs.find((graph) => graph.name === name)
  return JSON.stringify([namespace, given?.spec, given?.servable, given?.propagateHeaders, [...services.values()]])
}

function hostsOf(graphs: readonly ServedGraph[]): ReadonlyMap<string, string> {
  const byHost = new Map<string, string>()
  for (const { ref, namespace } of graphs) {
    for (const host of [`${ref.name}.${namespace}`, `${ref.name}-${namespace}.`]) {
      const key = host.toLowerCase()
      const other = byHost.get(key)
      if (other !== undefined)
        throw invalid(`graphs '${other}' and '${ref.name}' would both answer on the same host ${host}`)
      byHost.set(key, ref.name)
    }
  }
  return byHost
}

function readGraphs({ graphs, services }: GivenGraphs, models: ReadonlySet<string>, log: Log): ReadyGraph[] {
  const names = new Set<string>()
  for (const { name } of graphs) {
    if (name === '' || /[/\\:]/.test(name)) {
      throw invalid(`a graph cannot be named '${name}': no slash, backslash or colon`)
    }
    if (models.has(name)) throw invalid(`'${name}' is the name of a model and of a graph: rename one of them`)
    if (names.has(name)) throw invalid(`two graphs are named '${name}': callers could not tell them apart`)
    names.add(name)
  }
  return graphs.map((graph) => {
    const { name, namespace = defaultNamespace } = graph
    const { spec, warnings } = readSpecOf(graph)
    const propagate = compileHeaderPatterns(graph.propagateHeaders ?? [])
    const odd = propagate.refused.map((text) => `propagateHeaders: ${text}: it lets no header through`)
    for (const warning of [...warnings, ...unusedTimeouts(spec), ...odd]) log.warn({ graph: name, warning }, 'graph')
    return {
      name,
      namespace,
      spec,
      services: resolveServices(graph, spec, { models, graphs: names, services }),
      propagate,
    }
  })
}

/** Those of KServe's listener. */
function unusedTimeouts({ timeouts: { serverRead, serverWrite, serverIdle } }: GraphSpec): string[] {
  return Object.entries({ serverRead, serverWrite, serverIdle })
    .filter(([, value]) => value !== undefined)
    .map(([key]) => `routerTimeouts.${key} has no effect: all graphs and models share one listener`)
}

function readSpecOf({ name, spec, servable, where }: GraphDefinition): ReturnType<typeof loadSpec> {
  try {
    return loadSpec(spec, where, servable)
  } catch (reason) {
    const { code, message } = InferenceError.from(reason)
    const told = message.split('\n').map((line) => `graph '${name}': ${line}`)
    throw new InferenceError(code, told.join('\n'), { cause: reason })
  }
}

/** Called ones before their callers. @throws InferenceError `invalid_argument` where graphs call each other in a circle */
function inOrder(graphs: readonly ServedGraph[]): readonly ServedGraph[] {
  const waiting = new Set(graphs)
  const done = new Set<string>()
  const isBlocked = ({ dependencies }: ServedGraph): boolean =>
    dependencies.some((name) => !done.has(name) && [...waiting].some(({ ref }) => ref.name === name))
  while (waiting.size > 0) {
    const free = [...waiting].filter((graph) => !isBlocked(graph))
    if (free.length === 0) {
      throw invalid(`graphs call each other in a circle: ${[...waiting].map(({ ref }) => ref.name).join(', ')}`)
    }
    for (const graph of free) {
      waiting.delete(graph)
      done.add(graph.ref.name)
    }
  }
  return [...done].flatMap((name) => graphs.filter(({ ref }) => ref.name === name))
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
