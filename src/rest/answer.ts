/** Writes answers: JSON, binary tensors, errors; compressed where the caller asks. */
import type { FastifyReply } from 'fastify'
import { promisify } from 'node:util'
import { deflate, deflateSync, gzip, gzipSync } from 'node:zlib'
import type { LogFields } from '../core/log.ts'
import { answerHeaders, revisionHeader } from '../dataplane/response-headers.ts'
import { encodingFor } from './accept-encoding.ts'
import type { Door } from './options.ts'
import { givenIdOf } from './request-context.ts'
import type { HttpContext } from './request-context.ts'
import { answerOf, type ErrorAnswer } from './status.ts'

export type Body = Uint8Array | readonly Uint8Array[]

const json = 'application/json'
const binary = 'application/octet-stream'

/** A shorter body does not get smaller. */
const compressedFrom = 200
/** A larger body would hold up the event loop for longer than the hop to another thread takes. */
const compressedAsideFrom = 16 * 1024
/** A string and its headers leave in one write; beyond this the copy costs more than the second write. */
const joinedUpTo = 4096
/** The network inside a cluster is fast and the processor dear. */
const compression = { level: 1 }

const compress = {
  gzip: { sync: gzipSync, async: promisify<Uint8Array, object, Buffer>(gzip) },
  deflate: { sync: deflateSync, async: promisify<Uint8Array, object, Buffer>(deflate) },
}

/** What the headers of an answer say beside what every answer's do. */
export interface AnswerHeaders {
  /** Length of the JSON part where binary tensors follow it. */
  readonly headerLength?: number | undefined
  /** By the body where absent. */
  readonly contentType?: string
  /** More headers, the door's own. */
  readonly more?: Readonly<Record<string, string>>
  /** Those that the model set. */
  readonly given?: Readonly<Record<string, string>> | undefined
}

/**
 * Writes a 200 with the body of an inference.
 *
 * @returns undefined where it is written at once: all but large ones that are compressed
 */
export function sendInference(
  reply: FastifyReply,
  context: HttpContext,
  body: Body,
  { headerLength, contentType, more, given: own }: AnswerHeaders,
): Promise<void> | undefined {
  context.release()
  context.answered(body)
  const headers: string[] = ['Content-Type', contentType ?? (headerLength === undefined ? json : binary)]
  if (more !== undefined) for (const [name, value] of Object.entries(more)) headers.push(name, value)
  if (own !== undefined) headers.push(...answerHeaders(own).flat())
  if (context.revision !== undefined) headers.push(revisionHeader, context.revision)
  if (headerLength !== undefined) headers.push('Inference-Header-Content-Length', String(headerLength))
  const given = reply.request.raw.headers
  const givenId = givenIdOf(given)
  if (givenId !== undefined) headers.push('x-request-id', givenId)
  const accepted = given['accept-encoding']
  const encoding = accepted === undefined ? undefined : encodingFor(accepted)
  if (encoding !== undefined && lengthOf(body) >= compressedFrom) return writeCompressed(reply, headers, body, encoding)
  write(reply, headers, body)
  return undefined
}

function writeCompressed(
  reply: FastifyReply,
  headers: string[],
  body: Body,
  encoding: keyof typeof compress,
): Promise<void> | undefined {
  headers.push('Content-Encoding', encoding, 'Vary', 'Accept-Encoding')
  const length = lengthOf(body)
  const whole = body instanceof Uint8Array ? body : Buffer.concat(body, length)
  const { sync, async } = compress[encoding]
  if (length > compressedAsideFrom) return async(whole, compression).then((packed) => write(reply, headers, packed))
  write(reply, headers, sync(whole, compression))
  return undefined
}

/** Tells which revision answers by a response that is about to be opened, where the model has revisions. */
export function markRevision({ raw }: FastifyReply, { revision }: Pick<HttpContext, 'revision'>): void {
  if (revision !== undefined && !raw.headersSent) raw.setHeader(revisionHeader, revision)
}

function lengthOf(body: Body): number {
  if (body instanceof Uint8Array) return body.byteLength
  let length = 0
  for (const chunk of body) length += chunk.byteLength
  return length
}

/** Past fastify's own send: the body is ready as bytes and nothing hooks into it. */
function write(reply: FastifyReply, headers: string[], body: Body): void {
  const { raw } = reply
  headers.push('Content-Length', String(lengthOf(body)))
  reply.hijack()
  if (raw.destroyed) return
  raw.writeHead(200, headers)
  if (!(body instanceof Uint8Array)) {
    raw.cork()
    for (const chunk of body) raw.write(chunk)
    raw.end()
    raw.uncork()
  } else if (body.byteLength <= joinedUpTo) {
    // latin1 takes bytes to characters and back as they are.
    raw.end(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1'), 'latin1')
  } else raw.end(body)
}

/** The body of an error in the shape of a protocol. */
export type ErrorShape = (answer: ErrorAnswer) => string

const plainShape: ErrorShape = ({ message }) => errorBody(message)

/** Answers with an error of any kind; what the caller is not told goes to the log. */
export function sendError(
  door: Door,
  reply: FastifyReply,
  reason: unknown,
  context?: HttpContext,
  shape: ErrorShape = plainShape,
): void {
  context?.release()
  const answer = answerOf(reason, door.refuseStatus)
  const { status, headers, error } = answer
  // Refusals are counted, not told one by one: an overloaded server does not drown in its own log.
  const isFault = status === 500
  if (isFault || door.log.isDebugEnabled) {
    const fields: LogFields = {
      requestId: reply.request.id,
      method: reply.request.method,
      path: reply.request.url,
      status,
      error,
    }
    if (isFault) door.log.warn(fields, 'request failed')
    else door.log.debug(fields, 'request refused')
  }
  if (reply.sent || reply.raw.destroyed) return
  const givenId = givenIdOf(reply.request.raw.headers)
  if (givenId !== undefined) reply.header('x-request-id', givenId)
  if (context?.revision !== undefined) reply.header(revisionHeader, context.revision)
  if (door.isDraining()) reply.header('connection', 'close')
  reply.headers(headers)
  reply
    .code(status)
    .header('content-type', json)
    .send(Buffer.from(shape(answer)))
}

/** Answers with a value as JSON; as bytes, because fastify adds a charset to text. */
export function sendJson(reply: FastifyReply, value: object, status = 200): void {
  reply
    .code(status)
    .header('content-type', json)
    .send(Buffer.from(JSON.stringify(value)))
}

/** The shape of every error but those of OpenAI's routes. */
export function errorBody(message: string): string {
  return JSON.stringify({ error: message })
}
