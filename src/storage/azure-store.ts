/** Azure's blobs by Microsoft's own client: with a key, a service principal, an identity of the machine, a signature, or without. */
import { InferenceError, messageOf } from '../core/errors.ts'
import { azureTarget, type AzureTarget } from './azure-target.ts'
import { variable, type Environment } from './environment.ts'
import { lastOf, pathBelow, prefixOf } from './key-space.ts'
import { shownUri } from './location.ts'
import { optionalPackage } from './optional-package.ts'
import type { Listing, OpenedObject, Store, StoredObject } from './store.ts'

const name = 'Azure'
const purpose = 'blobs of Azure'

/** What is used of `@azure/storage-blob`. */
interface BlobModule {
  readonly ContainerClient: {
    new (url: string, credential?: object): ContainerClient
    new (connection: string, container: string): ContainerClient
  }
  readonly StorageSharedKeyCredential: new (account: string, key: string) => object
}

interface ContainerClient {
  listBlobsFlat(options: object): AsyncIterable<{
    readonly name: string
    readonly properties: {
      readonly contentLength?: number
      readonly etag?: string
      readonly contentMD5?: Uint8Array
      readonly resourceType?: string
    }
  }>
  getBlobClient(name: string): {
    getProperties(options: object): Promise<{
      readonly contentLength?: number
      readonly etag?: string
      readonly contentMD5?: Uint8Array
    }>
    download(offset: number, count: undefined, options: object): Promise<{ readonly readableStreamBody?: unknown }>
  }
}

/** What is used of `@azure/identity`. */
interface IdentityModule {
  readonly ClientSecretCredential: new (tenant: string, client: string, secret: string) => object
  readonly DefaultAzureCredential: new () => object
}

/** @throws InferenceError `failed_precondition` without the client's package, `invalid_argument` for an address that is none */
export async function azureStore(uri: string, environment: Environment): Promise<Store> {
  const target = azureTarget(uri, environment)
  const module = checked<BlobModule>(await optionalPackage('@azure/storage-blob', purpose), [
    'ContainerClient',
    'StorageSharedKeyCredential',
  ])
  return new AzureStore(await openContainer(module, target, environment), target, shownUri(uri))
}

async function openContainer(
  { ContainerClient, StorageSharedKeyCredential }: BlobModule,
  target: AzureTarget,
  environment: Environment,
): Promise<ContainerClient> {
  const connection = variable(environment, 'AZURE_STORAGE_CONNECTION_STRING')
  const key = variable(environment, 'AZURE_STORAGE_ACCESS_KEY', 'AZURE_STORAGE_KEY')
  try {
    if (target.signature !== '') return new ContainerClient(`${target.url}?${target.signature}`)
    if (connection !== undefined) return new ContainerClient(connection, target.container)
    if (key !== undefined) return new ContainerClient(target.url, new StorageSharedKeyCredential(target.account, key))
    const credential = await identity(environment)
    return credential === undefined ? new ContainerClient(target.url) : new ContainerClient(target.url, credential)
  } catch (reason) {
    if (reason instanceof InferenceError) throw reason
    const said = connection === undefined ? 'AZURE_STORAGE_ACCESS_KEY' : 'AZURE_STORAGE_CONNECTION_STRING'
    throw new InferenceError('unauthenticated', `${said} cannot be used for ${target.url}`, { cause: reason })
  }
}

/** A service principal, or the identity that Azure gives to a machine or pod; undefined for who reads without a name. */
async function identity(environment: Environment): Promise<object | undefined> {
  const tenant = variable(environment, 'AZURE_TENANT_ID', 'AZ_TENANT_ID')
  const client = variable(environment, 'AZURE_CLIENT_ID', 'AZ_CLIENT_ID')
  const secret = variable(environment, 'AZURE_CLIENT_SECRET', 'AZ_CLIENT_SECRET')
  const hasToken = variable(environment, 'AZURE_FEDERATED_TOKEN_FILE') !== undefined
  if (client === undefined && !hasToken) return undefined
  const module = checked<IdentityModule>(await optionalPackage('@azure/identity', `credentials for ${purpose}`), [
    'ClientSecretCredential',
    'DefaultAzureCredential',
  ])
  if (tenant !== undefined && client !== undefined && secret !== undefined) {
    return new module.ClientSecretCredential(tenant, client, secret)
  }
  return new module.DefaultAzureCredential()
}

function checked<T>(module: unknown, wanted: readonly string[]): T {
  const isWhole =
    typeof module === 'object' &&
    module !== null &&
    wanted.every((key) => typeof Reflect.get(module, key) === 'function')
  if (isWhole) return module as T // each part that is used was looked for
  throw new InferenceError('failed_precondition', `a package for ${purpose} is of no release that is known`)
}

class AzureStore implements Store {
  readonly name = name
  readonly uri: string
  readonly #container: ContainerClient
  readonly #target: AzureTarget

  constructor(container: ContainerClient, target: AzureTarget, uri: string) {
    this.#container = container
    this.#target = target
    this.uri = uri
  }

  /** The blob of that very name, else all below it. */
  async list(signal: AbortSignal): Promise<Listing> {
    const { key } = this.#target
    try {
      const exact = key === '' ? undefined : await this.#exact(key, signal)
      if (exact !== undefined) return { objects: [exact], isFile: true }
      const prefix = prefixOf(key)
      const objects: StoredObject[] = []
      for await (const { name: blob, properties } of this.#container.listBlobsFlat({ prefix, abortSignal: signal })) {
        const path = pathBelow(prefix, blob)
        // Accounts with directories list these too, as blobs of no bytes.
        if (path !== undefined && properties.resourceType !== 'directory') {
          objects.push(this.#object(blob, path, properties))
        }
      }
      return { objects, isFile: false }
    } catch (reason) {
      throw this.#failure(reason, this.uri)
    }
  }

  async #exact(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    try {
      const properties = await this.#container.getBlobClient(key).getProperties({ abortSignal: signal })
      return this.#object(key, lastOf(key), properties)
    } catch (reason) {
      if (statusOf(reason) === 404) return undefined
      throw reason
    }
  }

  async open(object: StoredObject, offset: number, signal: AbortSignal): Promise<OpenedObject | undefined> {
    const blob = this.#container.getBlobClient(object.address.slice(this.#target.url.length + 1))
    try {
      const answer = await blob.download(offset, undefined, {
        abortSignal: signal,
        maxRetryRequests: 0, // taking up again is done here, for all stores alike
        ...(object.tag === undefined ? {} : { conditions: { ifMatch: object.tag } }),
      })
      // In Node, the body is a stream of buffers; in browsers there is none.
      return { offset, body: answer.readableStreamBody as AsyncIterable<Uint8Array> }
    } catch (reason) {
      if ([412, 416].includes(statusOf(reason) ?? 0)) return undefined
      throw this.#failure(reason, object.address)
    }
  }

  close(): void {
    // The client has no connections of its own.
  }

  #object(
    key: string,
    path: string,
    { contentLength, etag, contentMD5 }: { contentLength?: number; etag?: string; contentMD5?: Uint8Array },
  ): StoredObject {
    const md5 = contentMD5?.length === 16 ? Buffer.from(contentMD5).toString('hex') : undefined
    return {
      path,
      address: `${this.#target.url}/${key}`,
      ...(contentLength === undefined ? {} : { bytes: contentLength }),
      // Listings leave the quotes out that answers have.
      ...(etag === undefined ? {} : { tag: `"${etag.replaceAll('"', '')}"` }),
      ...(md5 === undefined ? {} : { checksum: { algorithm: 'md5', hex: md5 } }),
    }
  }

  #failure(reason: unknown, address: string): InferenceError {
    if (reason instanceof InferenceError) return reason
    const status = statusOf(reason)
    const say = (kind: InferenceError['code'], message: string) => new InferenceError(kind, message, { cause: reason })
    const advice =
      'Set AZURE_STORAGE_ACCESS_KEY, AZURE_TENANT_ID/AZURE_CLIENT_ID/AZURE_CLIENT_SECRET, or a signature in the address.'
    const isIdentity = reason instanceof Error && /Credential|Authentication/.test(reason.name)
    if (isIdentity || status === 401)
      return say('unauthenticated', `Azure authentication failed for '${address}'. ${advice}`)
    if (status === 403) return say('permission_denied', `Access denied to Azure resource '${address}'. ${advice}`)
    if (status === 404 || status === 409)
      return say('not_found', `Azure resource '${address}' not found, or not public. ${advice}`)
    if (status !== undefined && status < 500 && status !== 429) {
      return say('failed_precondition', `Azure: '${address}' answers with status ${status}`)
    }
    const what =
      status === undefined
        ? `Failed to connect to Azure endpoint '${this.#target.url}'`
        : `Azure answers with status ${status}`
    return say('unavailable', `${what}: ${messageOf(reason).split('\n')[0] ?? ''}`)
  }
}

function statusOf(reason: unknown): number | undefined {
  const status: unknown = typeof reason === 'object' && reason !== null ? Reflect.get(reason, 'statusCode') : undefined
  return typeof status === 'number' ? status : undefined
}
