/** What ties a server to others that answer behind the same ports. */
import type { LogFields } from '../core/log.ts'
import type { LogSettings } from '../dataplane/log-settings.ts'
import type { RepositoryControl } from '../dataplane/model-control.ts'
import type { LogControl, Peers } from '../dataplane/peers.ts'
import type { RestMetrics } from '../rest/options.ts'
import type { DesiredState } from './control/desired.ts'
import type { MeshChange } from './modelmesh/mesh-change.ts'

const metricsType = 'text/plain; version=0.0.4; charset=utf-8'

/** What a server that is one of several gets from those around it. */
export interface Membership {
  readonly peers: Peers
  /** The metrics of all, in Prometheus' text format. */
  metrics(): Promise<string>
  /** Changes the models of all. */
  readonly control: RepositoryControl
  /** Has all of them serve what a state says. */
  readonly objects: (state: DesiredState) => Promise<void>
  /** Changes aliases and vmodels, and the models that came by name, in all of them. */
  readonly names: (change: MeshChange) => Promise<void>
  logControl(own: LogSettings): LogControl
  /** Where the files go that callers upload; removed by who started this process. */
  readonly uploads: string
  /** Fields of every log line. */
  readonly logFields: LogFields
}

/** What this process alone does and has counted, for who adds it up. */
export interface OwnParts {
  readonly control: RepositoryControl
  /** @throws InferenceError where another change came first, or the state cannot be served */
  readonly objects: (state: DesiredState) => void
  /** Waits for the loads that {@link objects} began. */
  readonly settled: () => Promise<void>
  /** @param isReplay it was made elsewhere long ago @throws InferenceError where it cannot be made */
  readonly names: (change: MeshChange, isReplay?: boolean) => void
  readonly logSettings: LogSettings
  metrics(): Promise<string>
}

/** Refusals are counted here, what is shown is the sum of all. */
export function withMetricsOf(membership: Membership, metrics: RestMetrics): RestMetrics {
  return {
    expose: async () => ({ contentType: metricsType, text: await membership.metrics() }),
    countRefusal: (ref, protocol, verb, code) => metrics.countRefusal(ref, protocol, verb, code),
  }
}
