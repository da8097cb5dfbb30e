/** What the REST door is given, and what its routes share. */
import type { ErrorCode } from '../core/errors.ts'
import type { ModelRef, RequestContext } from '../core/inference.ts'
import type { Log } from '../core/log.ts'
import type { TlsKeys } from '../core/tls.ts'
import type { DataPlane, Verb } from '../dataplane/dataplane.ts'
import type { ExplainedReply, GraphReply, Payload } from '../graph/index.ts'
import type { RestAliases } from './alias-routes.ts'
import type { CloudEventOptions } from './cloud-events.ts'
import type { RestServices } from './serving-routes.ts'
import { InFlight } from './in-flight.ts'
import type { RefuseStatus } from './status.ts'

/** The metrics as this door sees them. */
export interface RestMetrics {
  /** Everything measured, as text of `contentType`. */
  expose(): Promise<{ readonly contentType: string; readonly text: string }>
  /** A request that was refused before the data plane saw it: a body that cannot be decoded, a server that drains. */
  countRefusal(ref: ModelRef, protocol: RequestContext['protocol'], verb: Verb, code: ErrorCode): void
}

/** One request to a graph, as bytes. */
export interface GraphExchange {
  readonly model: ModelRef
  readonly payload: Payload
  readonly context: RequestContext
  /** The answer tells what every step did. */
  readonly isExplained: boolean
}

/** The graphs as this door sees them. */
export interface RestGraphs {
  /** There is none: nothing is to be looked up. */
  readonly isEmpty: boolean
  readonly names: readonly string[]
  has(name: string): boolean
  /** The name of the graph whose host a `Host` header names. */
  atHost(host: string): string | undefined
  /** The name of the graph where it is in this namespace. */
  at(namespace: string, name: string): string | undefined
  /** @throws InferenceError where the graph has no answer */
  answer(exchange: GraphExchange): Promise<GraphReply | ExplainedReply>
}

/** One request to a model that a component answers, as bytes. */
export interface ComponentExchange {
  /** With its query. */
  readonly path: string
  readonly body: Uint8Array
  readonly context: RequestContext
}

export interface ComponentReply {
  readonly status: number
  /** Names in lower case, without those of the connection. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** Transformers and explainers as this door sees them. */
export interface RestComponents {
  /** The name of the component that answers for a model; undefined where it answers itself. */
  standIn(model: string, verb: Verb): string | undefined
  /** @throws InferenceError where the component has no answer */
  answer(dataPlane: DataPlane, name: string, exchange: ComponentExchange): Promise<ComponentReply>
}

export interface RestOptions {
  readonly dataPlane: DataPlane
  readonly metrics: RestMetrics
  readonly log: Log
  /** As `GET /v2` names this server; 'servable' where absent. */
  readonly serverName?: string
  /** As `GET /v2` tells it. */
  readonly version: string
  /** In the clear where absent. */
  readonly tls?: TlsKeys
  readonly limits?: {
    /** Most bytes of one request body, as sent and as inflated. 64 MiB where absent, as Triton. */
    readonly maxRequestBytes?: number
  }
  /** Of requests that a full queue or a time limit refuses; 503 where absent. */
  readonly refuseStatus?: RefuseStatus
  /** Inference graphs; none where absent. */
  readonly graphs?: RestGraphs
  /** InferenceServices by host and path; none where absent. */
  readonly services?: RestServices
  /** Transformers and explainers outside of this process; none where absent. */
  readonly components?: RestComponents
  /** Other names of models; no such paths where absent. */
  readonly aliases?: RestAliases
  /** How answers to CloudEvents are marked. */
  readonly cloudEvents?: CloudEventOptions
  /** False makes `/v2/health/live` answer 503. */
  readonly isLive?: () => boolean
  /** True refuses new inference and makes `/v2/health/ready` answer 503. */
  readonly isDraining?: () => boolean
  /** Aborts what still runs: the deadline of a drain. */
  readonly signal?: AbortSignal
}

/** The options with their defaults, and what is in flight. */
export interface Door {
  readonly dataPlane: DataPlane
  readonly metrics: RestMetrics
  readonly log: Log
  readonly serverName: string
  readonly version: string
  readonly maxRequestBytes: number
  readonly refuseStatus: RefuseStatus
  readonly cloudEvents: CloudEventOptions
  readonly graphs: RestGraphs | undefined
  readonly aliases: RestAliases | undefined
  readonly components: RestComponents | undefined
  readonly isLive: () => boolean
  readonly isDraining: () => boolean
  readonly inFlight: InFlight
}

const defaultMaxRequestBytes = 64 * 1024 * 1024

/** Fills in the defaults. */
export function openDoor(options: RestOptions): Door {
  return {
    dataPlane: options.dataPlane,
    metrics: options.metrics,
    log: options.log,
    serverName: options.serverName ?? 'servable',
    version: options.version,
    maxRequestBytes: options.limits?.maxRequestBytes ?? defaultMaxRequestBytes,
    refuseStatus: options.refuseStatus ?? 503,
    cloudEvents: options.cloudEvents ?? {},
    graphs: options.graphs,
    aliases: options.aliases,
    components: options.components,
    isLive: options.isLive ?? (() => true),
    isDraining: options.isDraining ?? (() => false),
    inFlight: new InFlight(),
  }
}
