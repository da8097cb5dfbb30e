/** Credentials for a model's files, from the Secrets of the service's account, as KServe's webhook takes them. */
import type { Manifest, Manifests, SecretContent } from './manifests.ts'
import { SecretText } from './secret-text.ts'

/** Variables by name, as KServe's storage initializer reads them. */
export type Credentials = ReadonlyMap<string, SecretText>

type Objects = Pick<Manifests, 'secrets' | 'serviceAccounts'>

const defaultAccount = 'default'
const prefix = 'serving.kserve.io/s3-'
/** What a Secret for S3 says in annotations, and the variable that stands for it. */
const s3Annotations: readonly (readonly [annotation: string, variable: string])[] = [
  ['region', 'AWS_DEFAULT_REGION'],
  ['verifyssl', 'S3_VERIFY_SSL'],
  ['useanoncredential', 'awsAnonymousCredential'],
  ['usevirtualbucket', 'S3_USER_VIRTUAL_BUCKET'],
  ['useaccelerate', 'S3_USE_ACCELERATE'],
  ['cabundle', 'AWS_CA_BUNDLE'],
]

const azureKeys = ['CLIENT_ID', 'CLIENT_SECRET', 'TENANT_ID', 'SUBSCRIPTION_ID', 'STORAGE_ACCESS_KEY']

/**
 * The variables of all Secrets of an account; of two that set the same one the first counts.
 *
 * @param account name; the namespace's default one where absent
 * @returns undefined where the account is in no manifest
 */
export function accountCredentials(
  objects: Objects,
  namespace: string,
  account = defaultAccount,
): Credentials | undefined {
  const found = objects.serviceAccounts.find((each) => each.name === account && each.namespace === namespace)
  if (found === undefined) return undefined
  const variables = new Map<string, SecretText>()
  for (const name of found.spec.secrets) {
    const secret = secretOf(objects, namespace, name)
    if (secret === undefined) continue
    for (const [key, value] of variablesOf(secret)) if (!variables.has(key)) variables.set(key, value)
  }
  return variables
}

export function secretOf(
  { secrets }: Pick<Objects, 'secrets'>,
  namespace: string,
  name: string,
): Manifest<SecretContent> | undefined {
  return secrets.find((each) => each.name === name && each.namespace === namespace)
}

/** By the keys that are in it, in the order in which KServe looks for them. */
function variablesOf({ spec: { values }, annotations }: Manifest<SecretContent>): Credentials {
  const id = values.get('awsAccessKeyID') ?? values.get('AWS_ACCESS_KEY_ID')
  const key = values.get('awsSecretAccessKey') ?? values.get('AWS_SECRET_ACCESS_KEY')
  if (id !== undefined || key !== undefined || Object.keys(annotations).some((each) => each.startsWith(prefix))) {
    return withValues([
      ['AWS_ACCESS_KEY_ID', id],
      ['AWS_SECRET_ACCESS_KEY', key],
      ['AWS_SESSION_TOKEN', values.get('awsSessionToken') ?? values.get('AWS_SESSION_TOKEN')],
      ['AWS_ENDPOINT_URL', endpointOf(annotations)],
      ...s3Annotations.map(([name, variable]) => [variable, textOf(annotations[`${prefix}${name}`])] as const),
    ])
  }
  const google = values.get('gcloud-application-credentials.json')
  if (google !== undefined) return new Map([['GOOGLE_APPLICATION_CREDENTIALS_JSON', google]])
  const azure = azureKeys.map(
    (name) => [`AZURE_${name}`, values.get(`AZURE_${name}`) ?? values.get(`AZ_${name}`)] as const,
  )
  if (azure.some(([, value]) => value !== undefined)) return withValues(azure)
  const host = values.get('https-host')
  if (host !== undefined) return withValues([[`${host.reveal().trim()}-headers`, values.get('headers')]])
  return withValues([['HF_TOKEN', values.get('HF_TOKEN')]])
}

function endpointOf(annotations: Readonly<Record<string, string>>): SecretText | undefined {
  const endpoint = annotations[`${prefix}endpoint`]
  if (endpoint === undefined) return undefined
  if (endpoint.includes('://')) return textOf(endpoint)
  return textOf(`${annotations[`${prefix}usehttps`] === '0' ? 'http' : 'https'}://${endpoint}`)
}

function textOf(value: string | undefined): SecretText | undefined {
  return value === undefined ? undefined : new SecretText(value)
}

function withValues(entries: readonly (readonly [string, SecretText | undefined])[]): Credentials {
  return new Map(entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])))
}
