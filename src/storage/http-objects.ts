/** One object over HTTP, from any byte on, as long as it stays the same (RFC 9110 §13–14). */
import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { InferenceError } from '../core/errors.ts'
import type { HttpClient } from './http-client.ts'
import type { Checksum, OpenedObject, StoredObject } from './store.ts'

/** An answer's word for the version of what it holds: a strong or weak ETag, else a date. */
export function tagOf({ headers }: IncomingMessage): string | undefined {
  return headers.etag ?? headers['last-modified']
}

/** What an answer says of its whole object. */
export function checksumOf({ headers }: IncomingMessage): Checksum | undefined {
  const given = String(headers['repr-digest'] ?? headers['digest'] ?? '')
  const [, sha256] = /\bsha-256=:?([A-Za-z0-9+/]{43}=)/i.exec(given) ?? []
  const amazon = headers['x-amz-checksum-sha256']
  const found = sha256 ?? (typeof amazon === 'string' && /^[A-Za-z0-9+/]{43}=$/.test(amazon) ? amazon : undefined)
  if (found !== undefined) return { algorithm: 'sha256', hex: Buffer.from(found, 'base64').toString('hex') }
  const [, md5] = /\bmd5=([A-Za-z0-9+/]{22}==)/.exec(String(headers['x-goog-hash'] ?? '')) ?? []
  return md5 === undefined ? undefined : { algorithm: 'md5', hex: Buffer.from(md5, 'base64').toString('hex') }
}

/** The bytes of the whole object, by an answer with all or a part of it. */
export function bytesOf({ statusCode, headers }: IncomingMessage): number | undefined {
  const text = statusCode === 206 ? /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1] : headers['content-length']
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text)
}

export interface HttpObject {
  readonly url: URL
  /** The version that was listed, where the server gives one. */
  readonly tag?: string | undefined
  /** The address is that of a version: what is there never changes. */
  readonly isPinned?: boolean
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * @returns undefined where it has changed since it was listed
 * @throws InferenceError by `failure` for an answer with another status
 */
export async function openOverHttp(
  client: HttpClient,
  { url, tag, isPinned = false, headers = {} }: HttpObject,
  offset: number,
  signal: AbortSignal,
  failure: (answer: IncomingMessage) => InferenceError,
): Promise<OpenedObject | undefined> {
  // A weak tag promises the same meaning, not the same bytes.
  const isResumed = offset > 0 && tag !== undefined && !tag.startsWith('W/')
  const rest = `bytes=${offset}-`
  const range = isResumed ? { range: rest, 'if-range': tag } : offset > 0 && isPinned ? { range: rest } : {}
  const answer = await client.get(url, { ...headers, ...range }, signal)
  const { statusCode = 0 } = answer
  if (statusCode === 416 && offset > 0) {
    answer.destroy()
    // All of it is here already, where the server tells so; else from the start.
    const [, whole] = /^bytes \*\/(\d+)$/.exec(answer.headers['content-range'] ?? '') ?? []
    if (whole === String(offset)) return { offset, bytes: offset, body: Readable.from([]) }
    return openOverHttp(client, { url, tag, isPinned, headers }, 0, signal, failure)
  }
  if (statusCode === 412 || statusCode === 416) return dropped(answer)
  if (statusCode !== 200 && statusCode !== 206) {
    const error = failure(answer)
    answer.destroy()
    throw error
  }
  if (tag !== undefined && tagOf(answer) !== undefined && tagOf(answer) !== tag) return dropped(answer)
  return opened(answer, statusCode === 206 ? startOf(answer) : 0)
}

/** An answer as an open object. */
export function opened(answer: IncomingMessage, offset: number): OpenedObject {
  const bytes = bytesOf(answer)
  const checksum = checksumOf(answer)
  return {
    offset,
    ...(bytes === undefined ? {} : { bytes }),
    ...(checksum === undefined ? {} : { checksum }),
    body: answer, // without an encoding, its chunks are buffers
  }
}

function startOf(answer: IncomingMessage): number {
  const [, from] = /^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '') ?? []
  if (from !== undefined) return Number(from)
  answer.destroy()
  throw new InferenceError('unavailable', 'a part of an object came without its place (Content-Range)')
}

function dropped(answer: IncomingMessage): undefined {
  answer.destroy()
}

/** An object as a failure names it. */
export type Named = Pick<StoredObject, 'address'>

/** @param advice what would give access */
export function httpFailure(name: string, { address }: Named, statusCode = 0, advice: string): InferenceError {
  const say = (code: InferenceError['code'], message: string) => new InferenceError(code, message)
  if (statusCode === 401) return say('unauthenticated', `${name} authentication failed for '${address}'. ${advice}`)
  if (statusCode === 403) return say('permission_denied', `Access denied to ${name} resource '${address}'. ${advice}`)
  if (statusCode === 404 || statusCode === 410) return say('not_found', `${name} resource '${address}' not found.`)
  const mayPass = statusCode >= 500 || statusCode === 408 || statusCode === 425 || statusCode === 429
  return say(mayPass ? 'unavailable' : 'failed_precondition', `${name}: '${address}' answers with status ${statusCode}`)
}
