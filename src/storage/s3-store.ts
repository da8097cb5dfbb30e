/** S3 and what speaks its protocol, by Amazon's own client: it alone knows all the ways in which credentials come. */
import { Agent as HttpsAgent } from 'node:https'
import { InferenceError, messageOf } from '../core/errors.ts'
import { authorities, booleanVariable, variable, type Environment } from './environment.ts'
import { bucketAndKey, lastOf, pathBelow, prefixOf } from './key-space.ts'
import { optionalPackage } from './optional-package.ts'
import { shownUri } from './location.ts'
import type { Checksum, Listing, OpenedObject, Store, StoredObject } from './store.ts'

const name = 'S3'
/** Far above any model: who lists a million keys has named the wrong prefix. */
const mostPages = 1_000

/** What is used of `@aws-sdk/client-s3`; a release that lacks any of it is refused by `clientModule`. */
interface ClientModule {
  readonly S3Client: new (config: object) => Client
  readonly ListObjectsV2Command: new (input: object) => object
  readonly HeadObjectCommand: new (input: object) => object
  readonly GetObjectCommand: new (input: object) => object
}

interface Client {
  send(command: object, options: { readonly abortSignal: AbortSignal }): Promise<unknown>
  destroy(): void
}

/** The fields of answers that are read, each of which the protocol may leave out. */
interface Answer {
  readonly Contents?: readonly { readonly Key?: string; readonly Size?: number; readonly ETag?: string }[]
  readonly NextContinuationToken?: string
  readonly ContentLength?: number
  readonly ContentRange?: string
  readonly ETag?: string
  readonly ChecksumSHA256?: string
  readonly ChecksumType?: string
  readonly ServerSideEncryption?: string
  readonly SSECustomerAlgorithm?: string
  readonly Body?: AsyncIterable<Uint8Array>
}

/** @throws InferenceError `failed_precondition` without the client's package, `invalid_argument` for settings that cannot be read */
export async function s3Store(uri: string, environment: Environment): Promise<Store> {
  const { bucket, key } = bucketAndKey(uri)
  if (bucket === '') throw new InferenceError('invalid_argument', `${shownUri(uri)} names no bucket: s3://bucket/path`)
  const module = clientModule(await optionalPackage('@aws-sdk/client-s3', 's3:// URIs'))
  return new S3Store({ module, bucket, key, uri: shownUri(uri), ...(await clientConfig(environment)) })
}

function clientModule(module: unknown): ClientModule {
  const wanted = ['S3Client', 'ListObjectsV2Command', 'HeadObjectCommand', 'GetObjectCommand']
  const has = (key: string): boolean =>
    typeof module === 'object' && module !== null && typeof Reflect.get(module, key) === 'function'
  if (wanted.every(has)) return module as ClientModule // each part that is used was looked for
  throw new InferenceError('failed_precondition', '@aws-sdk/client-s3 is of no release that is known: take one of 3.x')
}

interface Configured {
  readonly config: object
  readonly endpoint: string | undefined
}

/** By KServe's variables; what they do not say, the client finds itself (profiles, roles, metadata of the machine). */
async function clientConfig(environment: Environment): Promise<Configured> {
  const endpoint = endpointOf(environment)
  const region = variable(environment, 'AWS_DEFAULT_REGION', 'AWS_REGION') ?? 'us-east-1'
  const ca = await authorities(environment, 'AWS_CA_BUNDLE')
  const isVerified = booleanVariable(environment, 'S3_VERIFY_SSL') ?? true
  const isVirtual = booleanVariable(environment, 'S3_USER_VIRTUAL_BUCKET') ?? false
  const seconds = (key: string, fallback: number): number => Number(variable(environment, key)) || fallback
  const config = {
    region,
    followRegionRedirects: true,
    maxAttempts: seconds('S3_MAX_ATTEMPTS', 3),
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: !isVirtual }),
    ...(booleanVariable(environment, 'S3_USE_ACCELERATE') === true ? { useAccelerateEndpoint: true } : {}),
    ...credentialsOf(environment),
    // Whole files are checked here, with what was there before: the client would check only what it has read itself.
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: seconds('S3_CONNECT_TIMEOUT', 15) * 1000,
      httpsAgent: new HttpsAgent({
        keepAlive: true,
        rejectUnauthorized: isVerified,
        ...(ca === undefined ? {} : { ca }),
      }),
    },
  }
  return { config, endpoint }
}

function endpointOf(environment: Environment): string | undefined {
  const given = variable(environment, 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL', 'S3_ENDPOINT')
  if (given === undefined || /^https?:\/\//i.test(given)) return given
  return `${booleanVariable(environment, 'S3_USE_HTTPS') === false ? 'http' : 'https'}://${given}`
}

function credentialsOf(environment: Environment): object {
  if (booleanVariable(environment, 'awsAnonymousCredential') === true) {
    return {
      credentials: { accessKeyId: 'anonymous', secretAccessKey: 'anonymous' },
      signer: { sign: (request: unknown) => Promise.resolve(request) },
    }
  }
  const accessKeyId = variable(environment, 'AWS_ACCESS_KEY_ID')
  const secretAccessKey = variable(environment, 'AWS_SECRET_ACCESS_KEY')
  const sessionToken = variable(environment, 'AWS_SESSION_TOKEN')
  if (accessKeyId === undefined || secretAccessKey === undefined) return {}
  return { credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) } }
}

interface S3Parts extends Configured {
  readonly module: ClientModule
  readonly bucket: string
  readonly key: string
  readonly uri: string
}

class S3Store implements Store {
  readonly name = name
  readonly uri: string
  readonly #parts: S3Parts
  readonly #client: Client

  constructor(parts: S3Parts) {
    this.#parts = parts
    this.uri = parts.uri
    this.#client = new parts.module.S3Client(parts.config)
  }

  /** The object of that very key, else all below it. Who may not list may still read an object. */
  async list(signal: AbortSignal): Promise<Listing> {
    const { key, module, bucket } = this.#parts
    if (key !== '') {
      const head = new module.HeadObjectCommand({ Bucket: bucket, Key: key })
      const answer = await this.#send(head, signal).catch((reason: unknown) => {
        const error = this.#failure(reason, this.uri)
        // A store says "not found" or, to those who may not list, "forbidden" of what is not there.
        if (error.code !== 'not_found' && error.code !== 'permission_denied') throw error
        return undefined
      })
      if (answer !== undefined) {
        return { objects: [this.#object(key, lastOf(key), answer.ContentLength, answer.ETag)], isFile: true }
      }
    }
    return { objects: await this.#below(prefixOf(key), signal), isFile: false }
  }

  async #below(prefix: string, signal: AbortSignal): Promise<readonly StoredObject[]> {
    const { module, bucket } = this.#parts
    const objects: StoredObject[] = []
    let token: string | undefined
    for (let page = 0; page < mostPages; page += 1) {
      const command = new module.ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token })
      const answer = await this.#send(command, signal).catch((reason: unknown) => {
        throw this.#failure(reason, this.uri)
      })
      for (const { Key: key = '', Size: bytes, ETag: tag } of answer.Contents ?? []) {
        const path = pathBelow(prefix, key)
        if (path !== undefined) objects.push(this.#object(key, path, bytes, tag))
      }
      token = answer.NextContinuationToken
      if (token === undefined) return objects
    }
    throw new InferenceError('resource_exhausted', `${this.uri} has too many objects: name the model's own prefix`)
  }

  async open(object: StoredObject, offset: number, signal: AbortSignal): Promise<OpenedObject | undefined> {
    const { module, bucket } = this.#parts
    const input = {
      Bucket: bucket,
      Key: object.address.slice(this.#addressOf('').length),
      ChecksumMode: 'ENABLED',
      ...(object.tag === undefined ? {} : { IfMatch: object.tag }),
      ...(offset === 0 ? {} : { Range: `bytes=${offset}-` }),
    }
    try {
      const answer = await this.#send(new module.GetObjectCommand(input), signal)
      if (answer.Body === undefined) throw new Error('an answer without a body')
      const from = Number(/^bytes (\d+)-/.exec(answer.ContentRange ?? '')?.[1] ?? 0)
      const checksum = checksumOf(answer, bucket)
      return { offset: from, body: answer.Body, ...(checksum === undefined ? {} : { checksum }) }
    } catch (reason) {
      if ([412, 416].includes(statusOf(reason) ?? 0)) return undefined
      throw this.#failure(reason, object.address)
    }
  }

  close(): void {
    this.#client.destroy()
  }

  #object(key: string, path: string, bytes: number | undefined, tag: string | undefined): StoredObject {
    return {
      path,
      address: this.#addressOf(key),
      ...(bytes === undefined ? {} : { bytes }),
      ...(tag === undefined ? {} : { tag }),
    }
  }

  /** With the endpoint: buckets of different stores may have one name. */
  #addressOf(key: string): string {
    const { bucket, endpoint } = this.#parts
    return `s3://${bucket}${endpoint === undefined ? '' : ` at ${endpoint}`}/${key}`
  }

  async #send(command: object, signal: AbortSignal): Promise<Answer> {
    // Every field of an Answer may be absent, and those that are there are as the protocol has them.
    return (await this.#client.send(command, { abortSignal: signal })) as Answer
  }

  #failure(reason: unknown, address: string): InferenceError {
    if (reason instanceof InferenceError) return reason
    const status = statusOf(reason)
    const code = reason instanceof Error ? reason.name : ''
    const say = (kind: InferenceError['code'], message: string) => new InferenceError(kind, message, { cause: reason })
    const isUnknownKey = ['InvalidAccessKeyId', 'SignatureDoesNotMatch', 'ExpiredToken', 'InvalidToken'].includes(code)
    if (isUnknownKey || status === 401 || code === 'CredentialsProviderError') {
      const advice = 'Set AWS_ACCESS_KEY_ID/AWS_SECRET_ACCESS_KEY or use awsAnonymousCredential=true.'
      const why = isUnknownKey ? ` (${code})` : ''
      return say('unauthenticated', `S3 authentication failed${why} for '${address}'. ${advice}`)
    }
    if (status === 403) {
      const advice = 'The credentials (AWS_ACCESS_KEY_ID or the role) need s3:GetObject and s3:ListBucket.'
      return say('permission_denied', `Access denied to S3 resource '${address}'. ${advice}`)
    }
    if (status === 404) {
      const what = code === 'NoSuchBucket' ? `bucket '${this.#parts.bucket}'` : `resource '${address}'`
      return say('not_found', `S3 ${what} not found.`)
    }
    if (status !== undefined && status < 500 && status !== 429 && status !== 408) {
      return say('failed_precondition', `S3: '${address}': ${code || `status ${status}`}`)
    }
    const where = this.#parts.endpoint ?? 'of AWS'
    const what =
      status === undefined ? `Failed to connect to S3 endpoint '${where}'` : `S3 answers with status ${status}`
    const detail = messageOf(reason) === '' ? code : messageOf(reason)
    return say('unavailable', `${what}: ${detail}`)
  }
}

function statusOf(reason: unknown): number | undefined {
  const metadata: unknown = typeof reason === 'object' && reason !== null ? Reflect.get(reason, '$metadata') : undefined
  const status: unknown =
    typeof metadata === 'object' && metadata !== null ? Reflect.get(metadata, 'httpStatusCode') : undefined
  return typeof status === 'number' ? status : undefined
}

/** A SHA-256 of the whole object; else the ETag, which is its MD5 unless it was encrypted with a key or sent in parts. */
function checksumOf(answer: Answer, bucket: string): Checksum | undefined {
  const { ChecksumSHA256: sha256, ChecksumType: type, ETag: tag, ServerSideEncryption: encryption } = answer
  if (sha256 !== undefined && /^[A-Za-z0-9+/]{43}=$/.test(sha256) && type !== 'COMPOSITE') {
    return { algorithm: 'sha256', hex: Buffer.from(sha256, 'base64').toString('hex') }
  }
  const [, md5] = /^"([0-9a-f]{32})"$/.exec(tag ?? '') ?? []
  const isPlain = (encryption === undefined || encryption === 'AES256') && answer.SSECustomerAlgorithm === undefined
  const isExpress = bucket.endsWith('--x-s3') // whose ETags are no hashes
  return md5 !== undefined && isPlain && !isExpress ? { algorithm: 'md5', hex: md5 } : undefined
}
