/** Reads a request body into one buffer, inflates it, and never asks for its Content-Type. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { gunzip, inflate, inflateRaw } from 'node:zlib'
import { InferenceError } from '../core/errors.ts'
import { HttpRefusal } from './status.ts'

type Done = (error: Error | null, body?: Buffer) => void

const empty = Buffer.alloc(0)

/**
 * Reads the whole body.
 *
 * @param maxBytes limit of the bytes as sent and as inflated
 * @param done called once; with an HttpRefusal of 400, 413 or 415; never where the caller goes away first
 */
export function readBody(headers: IncomingHttpHeaders, payload: Readable, maxBytes: number, done: Done): void {
  const inflater = inflaterOf(headers['content-encoding'])
  if (inflater instanceof HttpRefusal) {
    done(inflater)
    return
  }
  const finish: Done =
    inflater === undefined
      ? done
      : (error, body = empty) => {
          if (error !== null) done(error)
          else inflateBody(inflater, body, maxBytes, done)
        }
  const declared = headers['content-length']
  if (declared === undefined) collectChunks(payload, maxBytes, finish)
  else {
    const length = Number(declared) // digits only: the HTTP parser has refused anything else
    if (length > maxBytes) done(tooLarge(maxBytes))
    else collectKnown(payload, length, paddingFor(headers), finish)
  }
}

/** The body is as long as Content-Length says: the HTTP parser sees to that. */
function collectKnown(payload: Readable, length: number, padding: number, done: Done): void {
  let body: Buffer = empty
  let received = 0
  payload.on('data', (chunk: Buffer) => {
    if (received === 0) {
      if (chunk.length === length && padding === 0) body = chunk
      else {
        // Not before the first byte: a header alone buys no memory.
        body = Buffer.allocUnsafeSlow(padding + length).subarray(padding)
        chunk.copy(body)
      }
    } else chunk.copy(body, received)
    received += chunk.length
  })
  payload.on('end', () => done(null, body))
  payload.on('error', ignore)
}

function collectChunks(payload: Readable, maxBytes: number, done: Done): void {
  const chunks: Buffer[] = []
  let received = 0
  payload.on('data', (chunk: Buffer) => {
    received += chunk.length
    if (received <= maxBytes) chunks.push(chunk)
    else if (received - chunk.length <= maxBytes) {
      chunks.length = 0
      done(tooLarge(maxBytes))
    }
  })
  payload.on('end', () => {
    if (received <= maxBytes) done(null, Buffer.concat(chunks, received))
  })
  payload.on('error', ignore)
}

/** The caller went away while sending: nobody waits for an answer. */
function ignore(): void {}

/** Below this a copy of the tensors costs less than the padding is worth. */
const paddedFrom = 16 * 1024

/** Bytes to leave free before the body, so that the tensors behind the JSON header start aligned for every datatype. */
function paddingFor(headers: IncomingHttpHeaders): number {
  const headerLength = Number(headers['inference-header-content-length'])
  if (!(headerLength > 0) || Number(headers['content-length']) < paddedFrom) return 0
  return (8 - (headerLength % 8)) % 8
}

type Inflater = 'gzip' | 'deflate'

function inflaterOf(encoding: string | undefined): Inflater | HttpRefusal | undefined {
  if (encoding === undefined) return undefined
  switch (encoding.trim().toLowerCase()) {
    case '':
    case 'identity':
      return undefined
    case 'gzip':
    case 'x-gzip':
      return 'gzip'
    case 'deflate':
      return 'deflate'
    default:
      return new HttpRefusal(415, `Content-Encoding '${encoding}' is not supported; send gzip, deflate or none`, {
        'accept-encoding': 'gzip, deflate',
      })
  }
}

function inflateBody(inflater: Inflater, body: Buffer, maxBytes: number, done: Done): void {
  const inflated = (error: (Error & { code?: string }) | null, bytes: Buffer): void => {
    if (error === null) done(null, bytes)
    else if (error.code === 'ERR_BUFFER_TOO_LARGE') done(tooLarge(maxBytes))
    else done(new HttpRefusal(400, `the request body is not valid ${inflater}: ${error.message}`))
  }
  const options = { maxOutputLength: maxBytes }
  if (inflater === 'gzip') gunzip(body, options, inflated)
  else if (hasZlibHeader(body)) inflate(body, options, inflated)
  else inflateRaw(body, options, inflated)
}

/** `deflate` means zlib's format (RFC 9110, 8.4.1.2), but some clients send the bare stream. */
function hasZlibHeader(body: Buffer): boolean {
  const [first = 0, second = 0] = body
  return (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0
}

function tooLarge(maxBytes: number): HttpRefusal {
  return new HttpRefusal(413, `the request body is larger than the limit of ${maxBytes} bytes (max-request-bytes)`)
}

/**
 * Length of the JSON part of a binary request, in uncompressed bytes; 0 marks a raw request, which has none.
 *
 * @throws InferenceError `invalid_argument` in Triton's words where it is no number from 0 to the length of the body
 */
export function headerLengthOf(headers: IncomingHttpHeaders, bodyLength: number): number | undefined {
  const given = headers['inference-header-content-length']
  if (given === undefined) return undefined
  const text = Array.isArray(given) ? given.join(', ') : given
  const length = /^\d{1,15}$/.test(text) ? Number(text) : -1
  if (length < 0 || length > bodyLength) {
    throw new InferenceError(
      'invalid_argument',
      `inference header size should be in range (0, ${bodyLength}), got: ${text}`,
    )
  }
  return length
}
