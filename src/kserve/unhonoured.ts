/** What an InferenceService asks and Servable does not do: refused where answers would differ, told where not. */
import type { SpecPath } from '../graph/index.ts'
import type { DocumentComplaints } from './complaints.ts'
import { podFields } from './fields.ts'
import type { Manifest } from './manifests.ts'
import type { PredictorModel } from './predictor.ts'
import type { InferenceServiceSpec } from './schemas.ts'

/** Parts of a service that see every request or answer. */
export function refuseComponents(spec: InferenceServiceSpec, complaints: DocumentComplaints): void {
  const advice = {
    transformer: 'write what it does as a hook beside the model (model.yaml: hooks)',
    explainer: 'explain requests would go unanswered',
  }
  for (const part of ['transformer', 'explainer'] as const) {
    if (spec[part] === undefined) continue
    const image = imageOf(spec[part])
    const what = image === undefined ? 'it' : `the image '${image}'`
    complaints.error(['spec', part], `${what} is a container, and Servable runs none: ${advice[part]}, or leave it out`)
  }
  if (spec.canary !== undefined && spec.canary.length > 0) {
    complaints.warn(['spec', 'canary'], 'all requests go to the predictor, none to a canary')
  }
}

function imageOf(part: object): string | undefined {
  const containers: unknown = 'containers' in part ? part.containers : undefined
  const first: unknown = Array.isArray(containers) ? containers[0] : undefined
  if (typeof first !== 'object' || first === null || !('image' in first)) return undefined
  return typeof first.image === 'string' ? first.image : undefined
}

/** What single fields of a predictor ask for in vain. */
const notDone: readonly (readonly [field: string, message: string])[] = [
  ['canaryTrafficPercent', 'all requests go to this revision: there is no earlier one'],
  ['containerConcurrency', 'the number of requests at a time follows from the sessions of the model'],
  ['timeout', 'requests have the time limits that callers give, or slo_ms of model.yaml'],
  ['logger', 'requests and answers are not logged'],
  ['workerSpec', 'the model runs in this process, without workers on other nodes'],
  ['initContainers', 'they are not run'],
]

/** How a cluster scales: one word for all of it. */
const scalingFields = ['maxReplicas', 'scaleTarget', 'scaleMetric', 'scaleMetricType', 'autoScaling']
const clusterFields: readonly string[] = [
  ...podFields,
  'deploymentStrategy',
  'serviceAccountName',
  'storageContainerName',
]

const annotationPrefix = 'serving.kserve.io/'
/** Annotations of KServe that ask for nothing that matters here. */
const quietAnnotations = ['deploymentMode', 'enable-prometheus-scraping', 'enable-metric-aggregation']

/** One warning for each thing that is not done. */
export function tellUnhonoured(
  { spec: { predictor }, annotations }: Manifest<InferenceServiceSpec>,
  { given, path }: PredictorModel,
  complaints: DocumentComplaints,
): void {
  const base: SpecPath = ['spec', 'predictor']
  for (const [field, message] of notDone) {
    if (predictor[field] !== undefined) complaints.warn([...base, field], `not honoured: ${message}`)
  }
  const fields = Object.entries(predictor).flatMap(([field, value]) => (value === undefined ? [] : [field]))
  const scaling = fields.filter(
    (field) => scalingFields.includes(field) && !(field === 'maxReplicas' && predictor.maxReplicas === 1),
  )
  if (scaling.length > 0) {
    complaints.warn(
      [...base, scaling[0] ?? ''],
      `not honoured: sessions do not follow the load (${scaling.join(', ')})`,
    )
  }
  const cluster = fields.filter((field) => clusterFields.includes(field))
  if (cluster.length > 0) complaints.warn(base, `only a cluster can honour ${cluster.join(', ')}`)
  if (predictor.batcher?.timeout !== undefined) {
    complaints.warn([...base, 'batcher', 'timeout'], 'has no effect, as in KServe')
  }
  if (given.confidential !== undefined) {
    complaints.error([...path, 'confidential'], 'encrypted models cannot be read: give the plain files')
  }
  tellAnnotations(annotations, complaints)
}

function tellAnnotations(annotations: Readonly<Record<string, string>>, complaints: DocumentComplaints): void {
  const asked = Object.keys(annotations).filter(
    (name) => name.startsWith(annotationPrefix) && !quietAnnotations.includes(name.slice(annotationPrefix.length)),
  )
  const others = asked.filter((name) => name !== `${annotationPrefix}stop`)
  if (others.length > 0) complaints.warn(['metadata', 'annotations'], `only a cluster can honour ${others.join(', ')}`)
}
