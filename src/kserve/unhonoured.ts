/** What an InferenceService asks and Servable does not do: refused where answers would differ, told where not. */
import type { SpecPath } from '../graph/index.ts'
import type { DocumentComplaints } from './complaints.ts'
import { podFields } from './fields.ts'
import type { Manifest } from './manifests.ts'
import type { PredictorModel } from './predictor.ts'
import type { InferenceServiceSpec } from './schemas.ts'

/** What single fields of a predictor ask for in vain. */
const notDone: readonly (readonly [field: string, message: string])[] = [
  ['canaryTrafficPercent', 'all requests go to this revision: there is no earlier one'],
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
const quietAnnotations = [
  'deploymentMode',
  'storageSecretName',
  'enable-prometheus-scraping',
  'enable-metric-aggregation',
]

/** One warning for each thing that is not done. */
export function tellUnhonoured(
  { spec: { predictor, canary }, annotations, namespace }: Manifest<InferenceServiceSpec>,
  { given, path }: PredictorModel,
  complaints: DocumentComplaints,
  accounts: readonly Manifest<unknown>[],
): void {
  const base: SpecPath = ['spec', 'predictor']
  if (canary !== undefined && canary.length > 0) {
    complaints.warn(['spec', 'canary'], 'all requests go to the predictor, none to a canary')
  }
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
  const account = accounts.find((each) => each.name === predictor.serviceAccountName && each.namespace === namespace)
  const cluster = fields.filter(
    (field) => clusterFields.includes(field) && !(field === 'serviceAccountName' && account !== undefined),
  )
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
