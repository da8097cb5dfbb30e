/** Where the model of an InferenceService lies, and with what credentials it is fetched. */
import { InferenceError } from '../core/errors.ts'
import { storageOf as storageOfSpec } from '../storage/index.ts'
import type { DocumentComplaints } from './complaints.ts'
import type { Manifest, Manifests } from './manifests.ts'
import { locate } from './model-location.ts'
import { storageOf, type PredictorModel } from './predictor.ts'
import type { InferenceServiceSpec, Storage } from './schemas.ts'
import { SecretText } from './secret-text.ts'
import { accountCredentials, secretOf, type Credentials } from './storage-credentials.ts'

export interface ServiceLocation {
  /** Absolute path, or URI. */
  readonly path: string
  /** Where the manifest says so: `isvc.yaml:12`. */
  readonly place: string
  /** For a URI. */
  readonly credentials?: Credentials
}

/** KServe's name of the Secret whose entries `storage` names. */
const storageSecret = 'storage-config'
const secretAnnotation = 'serving.kserve.io/storageSecretName'

/** @returns undefined where something is wrong, which is then among the complaints */
export function locationOf(
  manifest: Manifest<InferenceServiceSpec>,
  asked: PredictorModel,
  claims: ReadonlyMap<string, string>,
  objects: Pick<Manifests, 'secrets' | 'serviceAccounts'>,
  complaints: DocumentComplaints,
): ServiceLocation | undefined {
  const { spec, file, where, namespace } = manifest
  const storage = storageOf(spec.predictor, asked, complaints)
  if (storage === undefined) return undefined
  const place = where(storage.path)
  if (storage.kind === 'spec') {
    try {
      return { place, ...specified(storage.spec, manifest, objects) }
    } catch (reason) {
      complaints.error(storage.path, InferenceError.from(reason).message.replace(/^storage: /, ''))
      return undefined
    }
  }
  const location = locate(storage.uri, file, claims)
  switch (location.kind) {
    case 'path':
      return { path: location.path, place }
    case 'remote': {
      const credentials = accountCredentials(objects, namespace, spec.predictor.serviceAccountName)
      return { path: location.uri, place, ...(credentials === undefined ? {} : { credentials }) }
    }
    case 'refused':
      complaints.error(storage.path, location.message)
      return undefined
  }
}

function specified(
  { key, path, parameters }: Storage,
  { namespace, annotations }: Manifest<InferenceServiceSpec>,
  objects: Pick<Manifests, 'secrets'>,
): Pick<ServiceLocation, 'path' | 'credentials'> {
  const secret = secretOf(objects, namespace, annotations[secretAnnotation] ?? storageSecret)
  const entries =
    secret === undefined
      ? undefined
      : Object.fromEntries([...secret.spec.values].map(([name, value]) => [name, value.reveal()]))
  const { uri, environment } = storageOfSpec({ key, path, parameters }, entries)
  const credentials = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, new SecretText(value)] as const],
  )
  return { path: uri, credentials: new Map(credentials) }
}
