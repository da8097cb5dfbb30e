/** A single file at an http or https address. */
import type { IncomingMessage } from 'node:http'
import { InferenceError } from '../core/errors.ts'
import { archiveKind } from './archive.ts'
import { hashOf } from './cache-paths.ts'
import { authorities, type Environment } from './environment.ts'
import { HttpClient } from './http-client.ts'
import { bytesOf, checksumOf, httpFailure, opened, openOverHttp, tagOf } from './http-objects.ts'
import { shownUri } from './location.ts'
import type { Listing, OpenedObject, Store, StoredObject } from './store.ts'

const name = 'HTTP'

/** Queries that are signatures: they change while the file stays the same. */
const signature = /(^|[?&])(x-amz-signature|x-goog-signature|signature|sig|token|key-pair-id)=/i

/**
 * @param uri http or https
 * @param environment `<host>-headers`: a JSON object of headers to send to that host, as in KServe
 * @throws InferenceError `invalid_argument` where the address or the headers cannot be read
 */
export async function httpStore(uri: string, environment: Environment): Promise<Store> {
  if (!URL.canParse(uri)) throw new InferenceError('invalid_argument', `${shownUri(uri)} is no address`)
  const url = new URL(uri)
  const ca = await authorities(environment)
  const headers = headersFor(url.hostname, environment)
  return new HttpStore(url, new HttpClient({ name, headers, ...(ca === undefined ? {} : { ca }) }))
}

class HttpStore implements Store {
  readonly name = name
  readonly uri: string
  readonly #url: URL
  readonly #client: HttpClient
  /** The answer to the listing, where it is the whole file. */
  #whole: IncomingMessage | undefined
  /** As the server says it, which the object's own tag may add to. */
  #tag: string | undefined

  constructor(url: URL, client: HttpClient) {
    this.#url = url
    this.#client = client
    this.uri = shownUri(url.href)
  }

  /** Asks for one byte: that tells all about the file, of signed addresses too, which allow no HEAD. */
  async list(signal: AbortSignal): Promise<Listing> {
    this.#whole?.destroy()
    this.#whole = undefined
    let answer = await this.#client.get(this.#url, { range: 'bytes=0-0' }, signal)
    if (answer.statusCode === 416) {
      answer.resume()
      answer = await this.#client.get(this.#url, {}, signal) // the file is empty
    }
    try {
      return { objects: [this.#listed(answer)], isFile: true }
    } catch (reason) {
      answer.destroy()
      throw reason
    }
  }

  #listed(answer: IncomingMessage): StoredObject {
    const { statusCode, headers } = answer
    if (statusCode !== 200 && statusCode !== 206) throw this.#failure(answer)
    const path = fileName(this.#url, headers['content-disposition'])
    const { 'content-type': contentType = '', 'content-encoding': encoding = '' } = headers
    const kind = archiveKind(path, contentType)
    if (contentType.startsWith('text/html') && !/\.html?$/i.test(path)) {
      throw new InferenceError(
        'failed_precondition',
        `${this.uri} answers with a page (text/html) and not with a file: is there a login before it?`,
      )
    }
    if (encoding !== '' && encoding !== 'identity' && kind === undefined) {
      throw new InferenceError('failed_precondition', `${this.uri} is sent packed (Content-Encoding: ${encoding})`)
    }
    if (statusCode === 206) answer.resume()
    else this.#whole = answer
    this.#tag = tagOf(answer)
    const bytes = bytesOf(answer)
    const checksum = checksumOf(answer)
    const { search } = this.#url
    const query = search === '' || signature.test(search) ? '' : ` ${hashOf(search)}`
    return {
      path,
      address: this.uri,
      ...(bytes === undefined ? {} : { bytes }),
      ...(this.#tag === undefined ? {} : { tag: this.#tag + query }),
      ...(checksum === undefined ? {} : { checksum }),
      contentType,
    }
  }

  async open(_object: StoredObject, offset: number, signal: AbortSignal): Promise<OpenedObject | undefined> {
    const whole = this.#whole
    this.#whole = undefined
    if (whole !== undefined && !whole.destroyed) {
      const end = (): void => void whole.destroy()
      signal.addEventListener('abort', end, { once: true })
      whole.once('close', () => signal.removeEventListener('abort', end))
      return opened(whole, 0)
    }
    const wanted = { url: this.#url, tag: this.#tag }
    return openOverHttp(this.#client, wanted, offset, signal, (answer) => this.#failure(answer))
  }

  close(): void {
    this.#whole?.destroy()
    this.#client.close()
  }

  #failure({ statusCode }: IncomingMessage): InferenceError {
    const advice = `Give what the host asks for in the variable '${this.#url.hostname}-headers', as {"Authorization": "…"}.`
    return httpFailure(name, { address: this.uri }, statusCode, advice)
  }
}

/** The last part of the address, or the name that the server gives where that has no extension. */
function fileName({ pathname }: URL, disposition: string | undefined): string {
  const [last = ''] = pathname.split('/').slice(-1)
  const fromUrl = decoded(last)
  if (/\.\w+$/.test(fromUrl)) return fromUrl
  const [, quoted, plain] = /filename="([^"]*)"|filename=([^;\s]+)/i.exec(disposition ?? '') ?? []
  const given = (quoted ?? plain ?? '').split(/[\\/]/).at(-1) ?? ''
  if (/^[^.].*\.\w+$/.test(given)) return given
  return fromUrl === '' ? 'model' : fromUrl
}

function decoded(text: string): string {
  try {
    const name = decodeURIComponent(text)
    return /[/\\]/.test(name) ? text : name
  } catch {
    return text
  }
}

function headersFor(host: string, environment: Environment): Readonly<Record<string, string>> {
  const variable = `${host}-headers`
  const text = environment[variable]
  if (text === undefined || text.trim() === '') return {}
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined // said below; the text may hold a secret
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  const entries: readonly (readonly [string, unknown])[] = isObject ? Object.entries(value as object) : []
  const headers = entries.flatMap(([key, given]) => (typeof given === 'string' ? [[key.toLowerCase(), given]] : []))
  if (isObject && headers.length === entries.length) return Object.fromEntries(headers) as Record<string, string>
  throw new InferenceError('invalid_argument', `${variable}: expected a JSON object of texts, {"Authorization": "…"}`)
}
