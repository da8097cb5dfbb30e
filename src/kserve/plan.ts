/** What a server makes of manifests: models, graphs and services, and what is not honoured, by name. */
import type { SchedulingOptions } from '../core/scheduling.ts'
import type { GraphSpec } from '../graph/index.ts'
import { Complaints, type DocumentComplaints } from './complaints.ts'
import type { Manifest, Manifests } from './manifests.ts'
import { planGraph } from './plan-graph.ts'
import { planService } from './plan-service.ts'

/** A model of an InferenceService. */
export interface PlannedModel {
  /** Under which it is served. */
  readonly name: string
  /** Absolute. */
  readonly path: string
  /** Of the model format; absent where any will do. */
  readonly format?: string
  readonly instances?: number
  readonly scheduling?: SchedulingOptions
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
}

export interface PlannedGraph {
  readonly name: string
  readonly namespace: string
  readonly spec: GraphSpec
  /** `graph.yaml:5` */
  readonly place: string
}

export interface Plan {
  readonly models: readonly PlannedModel[]
  readonly services: readonly PlannedService[]
  readonly graphs: readonly PlannedGraph[]
  /** What is asked and not done, one line each, with file and line. */
  readonly warnings: readonly string[]
}

/** What there is to serve with. */
export interface PlanOptions {
  /** Formats that runtimes are installed for. */
  readonly formats: readonly string[]
  /** Directories that stand for PersistentVolumeClaims, by name. */
  readonly claims?: ReadonlyMap<string, string>
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
  const stopped = new Set<string>()
  for (const manifest of manifests.inferenceServices) {
    const complaints = all.of(manifest.where)
    checkName(manifest, complaints)
    const planned = planService(manifest, manifests.servingRuntimes, options, complaints)
    if (planned === 'stopped') stopped.add(keyOf(manifest))
    if (planned === undefined || planned === 'stopped') continue
    refuseSameModel(planned.model, models, manifest, complaints)
    models.push(planned.model)
    services.push(planned.service)
  }
  // A service that has errors is there for its graph: they are told once.
  const known = manifests.inferenceServices.filter((each) => !stopped.has(keyOf(each)))
  const graphs = manifests.inferenceGraphs.flatMap((manifest) => {
    const complaints = all.of(manifest.where)
    checkName(manifest, complaints)
    return planGraph(manifest, known, complaints) ?? []
  })
  all.throwErrors()
  return { models, services, graphs, warnings: all.warnings }
}

function keyOf({ namespace, name }: Manifest<unknown>): string {
  return `${namespace}/${name}`
}

function checkName({ kind, name }: Manifest<unknown>, complaints: DocumentComplaints): void {
  if (nameFormat.test(name)) return
  complaints.error(
    ['metadata', 'name'],
    `the ${kind} "${name}" is invalid: a name must consist of lower case alphanumeric characters or '-', start with a letter and end with an alphanumeric character`,
  )
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
