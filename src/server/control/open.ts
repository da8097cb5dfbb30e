/** The control of one server: what it began with, and where changes go. */
import { InferenceError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { LimitTable } from '../../dataplane/service-limits.ts'
import { noManifests, plan, readManifests, type Manifests, type Plan, type PlanOptions } from '../../kserve/index.ts'
import type { ModelRepository } from '../../repository/model-repository.ts'
import type { PayloadLog } from '../../telemetry/payload-log.ts'
import type { Components } from '../components/components.ts'
import { setLimits } from '../components/limits.ts'
import { setLoggers } from '../components/payload-log.ts'
import type { ServeConfig } from '../config.ts'
import type { GivenGraphs } from '../graphs/definition.ts'
import type { Graphs } from '../graphs/graphs.ts'
import type { ModelSources, ServedModelSource } from '../models.ts'
import type { Condition } from './conditions.ts'
import { Control, type ControlParts } from './control.ts'
import { revisionName } from './desired.ts'
import { ObjectSources } from './objects.ts'

/** What the manifests of the start are, and how others are read. */
export interface ControlStart {
  readonly manifests: Manifests
  readonly planned: Plan
  readonly planOptions: PlanOptions
  readonly find: (wanted: ModelSources) => Promise<readonly ServedModelSource[]>
  /** Graphs and services that no manifest brought. */
  readonly own: GivenGraphs
}

/** Reads what the control of a server needs to know of its start. */
export async function controlStartOf(
  { file }: Pick<ServeConfig, 'file'>,
  planned: Plan | undefined,
  rest: Pick<ControlStart, 'planOptions' | 'find' | 'own'>,
): Promise<ControlStart> {
  const manifests = file.length === 0 ? noManifests : await readManifests(file)
  return { manifests, planned: planned ?? plan(noManifests, rest.planOptions), ...rest }
}

/** The models of InferenceServices as their first revisions. */
export function asFirstRevisions(
  sources: readonly ServedModelSource[],
  planned: Plan | undefined,
): readonly ServedModelSource[] {
  const services = new Map(planned?.services.map(({ model, name }) => [model, name]))
  return sources.map((source) => {
    const service = services.get(source.ref.name)
    return service === undefined
      ? source
      : { ...source, entry: { ...source.entry, revision: revisionName(service, 1) } }
  })
}

/** The server around. */
export interface ControlHost {
  readonly repository: ModelRepository
  readonly graphs: Graphs
  readonly components: Components
  readonly limits: LimitTable
  readonly payloads: PayloadLog | undefined
  readonly sources: readonly ServedModelSource[]
  readonly config: Pick<ServeConfig, 'domain' | 'payloadLogUrl'>
  readonly log: Log
  readonly signal: AbortSignal
  readonly http: () => string | undefined
  readonly share: ControlParts['share']
}

export function openControl(start: ControlStart, host: ControlHost): Control {
  const { manifests, planned, planOptions, find, own } = start
  const { repository, graphs, log, signal, config, http, share } = host
  const brought = new Set(planned.models.map(({ name }) => name))
  const fixed = new Set(host.sources.map(({ ref }) => ref.name).filter((name) => !brought.has(name)))
  const following = new ServiceParts(planned, host)
  return new Control({
    repository,
    log,
    signal,
    find,
    planOptions,
    planned,
    sources: new ObjectSources(manifests),
    now: Date.now,
    isTaken: (name) => fixed.has(name) || own.graphs.some((graph) => graph.name === name),
    setGraphs: (given, services, models) => {
      const all = { graphs: [...own.graphs, ...given], services: { ...services, ...own.services } }
      graphs.replace(all, new Set([...fixed, ...models]))
    },
    setServices: (next) => following.become(next),
    conditionOf: (name) => conditionOf(repository, name),
    domain: config.domain,
    http,
    share,
  })
}

function conditionOf(repository: ModelRepository, name: string): Omit<Condition, 'type'> {
  try {
    const { state, reason } = repository.status({ name })
    if (state === 'ready') return { status: 'True' }
    if (state === 'failed')
      return { status: 'False', reason: 'Failed', ...(reason === undefined ? {} : { message: reason }) }
    return { status: 'Unknown', ...(reason === undefined ? {} : { message: reason }) }
  } catch (reason) {
    return { status: 'Unknown', message: InferenceError.from(reason).message }
  }
}

/** What surrounds the models of services: limits, transformers, explainers. */
class ServiceParts {
  readonly #host: ControlHost
  #planned: Plan

  constructor(planned: Plan, host: ControlHost) {
    this.#planned = planned
    this.#host = host
  }

  become(planned: Plan): void {
    const { limits, components, payloads, repository, signal, config } = this.#host
    const before = new Map(this.#planned.services.map((service) => [service.model, service]))
    const after = new Set(planned.services.map(({ model }) => model))
    for (const service of this.#planned.services) {
      const { model } = service
      if (after.has(model)) continue
      setLimits(limits, { model, limits: {} })
      if (payloads !== undefined) setLoggers(payloads, { ...service, loggers: {} }, undefined)
      for (const name of components.remove(model)) void repository.forget(name)
    }
    this.#planned = planned
    for (const service of planned.services) {
      const { model, components: wanted } = service
      setLimits(limits, service)
      const known = before.get(model)
      if (payloads !== undefined) setLoggers(payloads, service, config.payloadLogUrl)
      if (JSON.stringify(known?.components ?? []) === JSON.stringify(wanted)) continue
      for (const name of components.remove(model)) void repository.forget(name)
      for (const { entry } of components.add(service, () => false)) void repository.load(entry, signal)
    }
  }
}
