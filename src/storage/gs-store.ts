/** Google Cloud Storage by its JSON API; Google's own library gives the token, where there are credentials. */
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import { authorities, variable, type Environment } from './environment.ts'
import { HttpClient } from './http-client.ts'
import { httpFailure, openOverHttp } from './http-objects.ts'
import { bucketAndKey, lastOf, pathBelow, prefixOf } from './key-space.ts'
import { shownUri } from './location.ts'
import { optionalPackage } from './optional-package.ts'
import type { Listing, OpenedObject, Store, StoredObject } from './store.ts'

const name = 'GCS'
const publicEndpoint = 'https://storage.googleapis.com'
const scope = 'https://www.googleapis.com/auth/devstorage.read_only'
/** Where KServe mounts a service account. */
const mountedCredentials = '/var/secrets/gcloud-application-credentials.json'
const maxListingBytes = 64 * 2 ** 20
const mostPages = 1_000
const advice =
  'Give a service account in GOOGLE_APPLICATION_CREDENTIALS that may read it (storage.objects.get and list), and npm install google-auth-library.'

const item = z.object({
  name: z.string(),
  size: z.string().regex(/^\d+$/),
  generation: z.string(),
  md5Hash: z.string().optional(),
})
const page = z.object({ items: z.array(item).optional(), nextPageToken: z.string().optional() })

/** The headers of a call; none for who reads without a name. */
type Authorize = () => Promise<Readonly<Record<string, string>>>

/** @throws InferenceError `failed_precondition` where credentials are named and cannot be used */
export async function gsStore(uri: string, environment: Environment, log: Log): Promise<Store> {
  const { bucket, key } = bucketAndKey(uri)
  if (bucket === '') throw new InferenceError('invalid_argument', `${shownUri(uri)} names no bucket: gs://bucket/path`)
  const emulator = variable(environment, 'STORAGE_EMULATOR_HOST')
  const endpoint = emulator === undefined ? publicEndpoint : endpointOf(emulator)
  const ca = await authorities(environment)
  const authorize = emulator === undefined ? await authorization(environment, log) : anonymous
  const client = new HttpClient({ name, ...(ca === undefined ? {} : { ca }) })
  return new GsStore({ bucket, key, endpoint, uri: shownUri(uri), authorize }, client)
}

function endpointOf(emulator: string): string {
  const url = /^https?:\/\//i.test(emulator) ? emulator : `http://${emulator}`
  if (URL.canParse(url)) return new URL(url).origin
  throw new InferenceError('invalid_argument', 'STORAGE_EMULATOR_HOST: expected an address')
}

const anonymous: Authorize = () => Promise.resolve({})

/** As KServe does: what is named must work; what the machine may have is tried; else without a name. */
async function authorization(environment: Environment, log: Log): Promise<Authorize> {
  const named = variable(environment, 'GOOGLE_APPLICATION_CREDENTIALS')
  const home = join(homedir(), '.config', 'gcloud', 'application_default_credentials.json')
  const keyFile = named ?? [mountedCredentials, home].find((file) => existsSync(file))
  const module = await optionalPackage('google-auth-library', 'credentials for gs:// URIs').catch((reason: unknown) => {
    if (keyFile !== undefined) throw reason
    return undefined
  })
  if (module === undefined) return anonymous
  const auth = openAuth(module, keyFile)
  try {
    await auth.getAccessToken()
  } catch (reason) {
    if (keyFile === undefined) {
      log.debug({ reason: messageOf(reason) }, 'no credentials of Google, gs:// is read without')
      return anonymous
    }
    throw new InferenceError(
      'unauthenticated',
      `GCS credentials of ${keyFile} are not accepted: ${messageOf(reason)}`,
      {
        cause: reason,
      },
    )
  }
  return async () => ({ authorization: `Bearer ${(await auth.getAccessToken()) ?? ''}` })
}

/** What is used of `google-auth-library`. */
interface Auth {
  /** Kept until it ends, then anew. */
  getAccessToken(): Promise<string | null | undefined>
}

function openAuth(module: unknown, keyFile: string | undefined): Auth {
  const GoogleAuth: unknown =
    typeof module === 'object' && module !== null ? Reflect.get(module, 'GoogleAuth') : undefined
  if (typeof GoogleAuth !== 'function') {
    throw new InferenceError('failed_precondition', 'google-auth-library is of no release that is known')
  }
  // Its documented constructor, there since the first release.
  return new (GoogleAuth as new (options: object) => Auth)({
    scopes: [scope],
    ...(keyFile === undefined ? {} : { keyFile }),
  })
}

interface GsParts {
  readonly bucket: string
  readonly key: string
  readonly endpoint: string
  readonly uri: string
  readonly authorize: Authorize
}

class GsStore implements Store {
  readonly name = name
  readonly uri: string
  readonly #parts: GsParts
  readonly #client: HttpClient

  constructor(parts: GsParts, client: HttpClient) {
    this.#parts = parts
    this.#client = client
    this.uri = parts.uri
  }

  /** The object of that very name, else all below it. */
  async list(signal: AbortSignal): Promise<Listing> {
    const { key } = this.#parts
    if (key !== '') {
      const [first] = (await this.#page(key, undefined, signal, 1)).items ?? []
      if (first?.name === key) return { objects: [this.#object(first, lastOf(key))], isFile: true }
    }
    const prefix = prefixOf(key)
    const objects: StoredObject[] = []
    let token: string | undefined
    for (let pages = 0; pages < mostPages; pages += 1) {
      const { items = [], nextPageToken } = await this.#page(prefix, token, signal)
      for (const each of items) {
        const path = pathBelow(prefix, each.name)
        if (path !== undefined) objects.push(this.#object(each, path))
      }
      token = nextPageToken
      if (token === undefined) return { objects, isFile: false }
    }
    throw new InferenceError('resource_exhausted', `${this.uri} has too many objects: name the model's own prefix`)
  }

  async open(object: StoredObject, offset: number, signal: AbortSignal): Promise<OpenedObject | undefined> {
    const key = object.address.slice(this.#addressOf('').length)
    const url = this.#url(`/o/${encodeURIComponent(key)}`, { alt: 'media', generation: object.tag ?? '' })
    // Packed objects come as they are stored: what the listing says of size and hash is true of that only.
    const headers = { ...(await this.#parts.authorize()), 'accept-encoding': 'gzip' }
    const wanted = { url, isPinned: true, headers }
    try {
      return await openOverHttp(this.#client, wanted, offset, signal, ({ statusCode }) =>
        httpFailure(name, object, statusCode, advice),
      )
    } catch (reason) {
      // The bucket keeps no older generations: the object was written anew.
      if (reason instanceof InferenceError && reason.code === 'not_found') return undefined
      throw reason
    }
  }

  close(): void {
    this.#client.close()
  }

  async #page(
    prefix: string,
    token: string | undefined,
    signal: AbortSignal,
    most = 1000,
  ): Promise<z.infer<typeof page>> {
    const url = this.#url('/o', {
      prefix,
      maxResults: String(most),
      fields: 'items(name,size,generation,md5Hash),nextPageToken',
      ...(token === undefined ? {} : { pageToken: token }),
    })
    const answer = await this.#client.get(url, await this.#parts.authorize(), signal)
    if (answer.statusCode !== 200) {
      answer.resume()
      throw httpFailure(name, { address: this.uri }, answer.statusCode, advice)
    }
    const parsed = page.safeParse(await this.#client.json(answer, url, maxListingBytes))
    if (parsed.success) return parsed.data
    throw new InferenceError('unavailable', `${name} lists ${this.uri} in a form that cannot be read`)
  }

  #object({ name: key, size, generation, md5Hash }: z.infer<typeof item>, path: string): StoredObject {
    const md5 = md5Hash === undefined ? undefined : Buffer.from(md5Hash, 'base64').toString('hex')
    return {
      path,
      address: this.#addressOf(key),
      bytes: Number(size),
      tag: generation,
      ...(md5?.length === 32 ? { checksum: { algorithm: 'md5', hex: md5 } } : {}),
    }
  }

  #addressOf(key: string): string {
    const { bucket, endpoint } = this.#parts
    return `gs://${bucket}${endpoint === publicEndpoint ? '' : ` at ${endpoint}`}/${key}`
  }

  #url(path: string, query: Readonly<Record<string, string>>): URL {
    const { endpoint, bucket } = this.#parts
    const url = new URL(`${endpoint}/storage/v1/b/${encodeURIComponent(bucket)}${path}`)
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value)
    return url
  }
}
