/** What a server makes of manifests: models, graphs and services, and what is not honoured, by name. */
import type { SchedulingOptions } from '../core/scheduling.ts'
import type { SpecPath } from '../graph/index.ts'
import { Complaints, type DocumentComplaints } from './complaints.ts'
import type { Manifest, Manifests } from './manifests.ts'
import { planGraph } from './plan-graph.ts'
import type { PlannedHook } from './plan-components.ts'
import { planService } from './plan-service.ts'
import type { Credentials } from './storage-credentials.ts'
import type { ByRole, PlannedComponent, PlannedLimits, PlannedLogger } from './service-plan.ts'

/** A model of an InferenceService. */
export interface PlannedModel {
  /** Under which it is served. */
  readonly name: string
  /** Absolute path, or URI. */
  readonly path: string
  /** Variables for fetching from a URI. */
  readonly credentials?: Credentials
  /** Of the model format; absent where any will do. */
  readonly format?: string
  readonly instances?: number
  readonly scheduling?: SchedulingOptions
  /** Without a request for so long it is unloaded until the next one. */
  readonly idleSeconds?: number
  /** Modules of transformer and explainer, around those that the model itself names. */
  readonly hooks?: readonly PlannedHook[]
  /** Where the manifest says so: `isvc.yaml:12`. */
  readonly place: string
}

/** An InferenceService, by which graphs and hosts name it. */
export interface PlannedService {
  readonly name: string
  readonly namespace: string
  readonly model: string
  /** Of the calls of a graph. */
  readonly protocol: 'v1' | 'v2'
  /** The ServingRuntime that was chosen. */
  readonly runtime: string
  /** Transformer and explainer that run outside of this process. */
  readonly components: readonly PlannedComponent[]
  readonly limits: ByRole<PlannedLimits>
  readonly loggers: ByRole<PlannedLogger>
  /** Of the predictor: the share of the requests that the newest revision gets, 0 to 100. */
  readonly canaryTrafficPercent?: number
}

export interface PlannedGraph {
  readonly name: string
  readonly namespace: string
  /** The `spec` as it stands in the document, checked. */
  readonly spec: unknown
  /** The `servable` block where it does not stand in the `spec`. */
  readonly servable?: unknown
  /** Where a part of the `spec` stands: `graph.yaml:12`. */
  readonly where: (path: SpecPath) => string
}

export interface Plan {
  readonly models: readonly PlannedModel[]
  readonly services: readonly PlannedService[]
  readonly graphs: readonly PlannedGraph[]
  /** What is asked and not done, one line each, with file and line. What is odd in a graph is told by the engine that opens it. */
  readonly warnings: readonly string[]
}

/** What there is to serve with. */
export interface PlanOptions {
  /** Formats that runtimes are installed for. */
  readonly formats: readonly string[]
  /** Directories that stand for PersistentVolumeClaims, by name. */
  readonly claims?: ReadonlyMap<string, string>
  /** Transformers and explainers may be programs that the server starts. */
  readonly allowCommands?: boolean
  /** There is a sink for loggers that name none. */
  readonly hasPayloadSink?: boolean
}

/** The format of the names of InferenceServices and InferenceGraphs. */
const nameFormat = /^[a-z]([-a-z0-9]*[a-z0-9])?$/

/**
 * Decides what is served. Reads no file.
 *
 * @throws InferenceError `invalid_argument` that lists everything that is wrong, or would be answered otherwise than in a
 *   cluster, with file, line and field
 */
export function plan(manifests: Manifests, options: PlanOptions): Plan {
  const all = new Complaints()
  all.warnings.push(...manifests.warnings)
  const models: PlannedModel[] = []
  const services: PlannedService[] = []
  for (const manifest of manifests.inferenceServices) {
    const complaints = all.of(manifest.where)
    checkName(manifest, complaints)
    const planned = planService(manifest, manifests, options, complaints)
    if (planned === undefined) continue
    refuseSameModel(planned.model, models, manifest, complaints)
    models.push(planned.model)
    services.push(planned.service)
  }
  refuseSameName(manifests.inferenceServices, all)
  refuseSameName(manifests.inferenceGraphs, all)
  const graphs = manifests.inferenceGraphs.flatMap((manifest) => {
    const complaints = all.of(manifest.where)
    checkName(manifest, complaints)
    const model = models.find(({ name }) => name === manifest.name)
    if (model !== undefined) {
      complaints.error(['metadata', 'name'], `'${model.name}' is a model already (${model.place}): rename one of them`)
    }
    return planGraph(manifest, manifests.inferenceServices, complaints) ?? []
  })
  all.throwErrors()
  return { models, services, graphs, warnings: all.warnings }
}

function checkName({ kind, name }: Manifest<unknown>, complaints: DocumentComplaints): void {
  if (nameFormat.test(name)) return
  complaints.error(
    ['metadata', 'name'],
    `the ${kind} "${name}" is invalid: a name must consist of lower case alphanumeric characters or '-', start with a letter and end with an alphanumeric character`,
  )
}

/** Graphs and callers know services and graphs by their names. */
function refuseSameName(manifests: readonly Manifest<unknown>[], all: Complaints): void {
  const seen = new Map<string, Manifest<unknown>>()
  for (const manifest of manifests) {
    const { kind, name, namespace, where } = manifest
    const first = seen.get(name)
    seen.set(name, first ?? manifest)
    if (first === undefined) continue
    const others = `'${first.namespace}' (${first.where(['metadata', 'name'])})`
    const message = `${kind} '${name}' is in the namespaces ${others} and '${namespace}': one server can have only one of them`
    all.of(where).error(['metadata', 'name'], message)
  }
}

function refuseSameModel(
  { name, place }: PlannedModel,
  earlier: readonly PlannedModel[],
  { where }: Manifest<unknown>,
  complaints: DocumentComplaints,
): void {
  const first = earlier.find((each) => each.name === name)
  if (first === undefined) return
  const message = `the model '${name}' is there twice (${first.place}, ${place}): one server has one model of a name, whatever the namespace`
  complaints.add(`${where(['metadata', 'name'])}: ${message}`)
}
