/** CloudEvents on V1, as KServe takes and answers them: binary (`ce-*` headers) and structured (one JSON document). */
import { randomUUID } from 'node:crypto'
import { JsonReader } from '../codec/json-reader.ts'
import { ascii } from '../codec/json-string.ts'
import { JsonWriter } from '../codec/json-writer.ts'
import { InferenceError } from '../core/errors.ts'

/** What answers are marked with; KServe's environment variables CE_TYPE, CE_SOURCE and CE_MERGE. */
export interface CloudEventOptions {
  /** `type` of an answer; `io.kserve.inference.response` where absent. */
  readonly type?: string
  /** `source` of an answer; `io.kserve.inference.` and the name of the model where absent. */
  readonly source?: string
  /** An answer has the attributes of its request, but for id and time. */
  readonly isMerging?: boolean
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** A request that came as an event. */
export interface CloudEvent {
  readonly mode: 'binary' | 'structured'
  readonly attributes: Readonly<Record<string, string>>
  /** The body of the request proper. */
  readonly data: Uint8Array
}

/** An answer as an event. */
export interface CloudEventAnswer {
  readonly headers: Readonly<Record<string, string>>
  readonly contentType: string
  readonly body: Uint8Array
}

const required = ['specversion', 'id', 'source', 'type'] as const
const structuredType = 'application/cloudevents+json'

/**
 * The event that a request is, if it is one.
 *
 * @param contentType as the caller sent it
 * @throws InferenceError `invalid_argument` where it says that it is an event and lacks an attribute or its data
 */
export function readCloudEvent(
  headers: Headers,
  contentType: string | undefined,
  body: Uint8Array,
): CloudEvent | undefined {
  if (isStructured(contentType)) return readStructured(body)
  if (!hasEventHeaders(headers)) return undefined
  const attributes: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('ce-') && typeof value === 'string') attributes[name.slice(3)] = decoded(value)
  }
  return { mode: 'binary', attributes, data: body }
}

/** True where a request says that it is an event. */
export function isCloudEvent(headers: Headers, contentType: string | undefined): boolean {
  return hasEventHeaders(headers) || isStructured(contentType)
}

function isStructured(contentType: string | undefined): boolean {
  return contentType?.trim().toLowerCase().startsWith(structuredType) === true
}

function hasEventHeaders(headers: Headers): boolean {
  return headers['ce-specversion'] !== undefined && required.every((name) => headers[`ce-${name}`] !== undefined)
}

/** Header values are percent-encoded where they are not ASCII (CloudEvents HTTP binding, 3.1.3.2). */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value // a bare percent sign: not every sender encodes
  }
}

function readStructured(body: Uint8Array): CloudEvent {
  const reader = new JsonReader(body)
  if (reader.peek() !== ascii.openBrace) throw malformed('it is no JSON object')
  const attributes: Record<string, string> = {}
  let data: Uint8Array | undefined
  for (let open = reader.openObject(); open; open = reader.nextMember()) {
    const key = reader.key()
    if (key === 'data') data = readData(reader)
    else if (key === 'data_base64') data = Buffer.from(readText(reader, key), 'base64')
    else if (!reader.isNull()) attributes[key] = readText(reader, key)
  }
  reader.end()
  for (const name of required) if (attributes[name] === undefined) throw malformed(`attribute '${name}' is missing`)
  if (data === undefined) throw malformed("it has neither 'data' nor 'data_base64'")
  return { mode: 'structured', attributes, data }
}

/** The JSON text of a value, as it is: no number in it is read twice. A string holds the body itself. */
function readData(reader: JsonReader): Uint8Array {
  if (reader.peek() === ascii.quote) return reader.utf8()
  const start = reader.pos
  reader.skipValue()
  return reader.bytes.subarray(start, reader.pos)
}

/** An attribute is a string, an integer or a boolean (CloudEvents JSON format, 2.2). */
function readText(reader: JsonReader, key: string): string {
  const byte = reader.peek()
  if (byte === ascii.quote) return reader.string()
  if (byte === ascii.openBrace || byte === ascii.openBracket) throw malformed(`attribute '${key}' is no string`)
  const start = reader.pos
  reader.skipValue()
  return reader.bytes.toString('utf8', start, reader.pos)
}

/** The answer to an event: an event in the same mode. @param body JSON */
export function answerCloudEvent(
  { mode, attributes: asked }: CloudEvent,
  body: Uint8Array,
  model: string,
  options: CloudEventOptions,
): CloudEventAnswer {
  const attributes: Record<string, string> = {
    ...(options.isMerging === true ? asked : {}),
    specversion: '1.0',
    id: randomUUID(),
    time: new Date().toISOString(),
    type: options.type ?? 'io.kserve.inference.response',
    source: options.source ?? `io.kserve.inference.${model}`,
  }
  if (mode === 'structured') {
    return { headers: {}, contentType: structuredType, body: structured(attributes, body) }
  }
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(attributes)) {
    if (name !== 'datacontenttype') headers[`ce-${name}`] = encodeHeader(value)
  }
  return { headers, contentType: 'application/json', body }
}

function structured(attributes: Readonly<Record<string, string>>, body: Uint8Array): Uint8Array {
  const writer = new JsonWriter()
  writer.raw('{')
  for (const [name, value] of Object.entries(attributes)) {
    writer.string(name)
    writer.raw(':')
    writer.string(value)
    writer.raw(',')
  }
  writer.raw('"data":')
  return Buffer.concat([writer.finish(), body, Buffer.from('}')])
}

/** Percent-encodes what a header cannot hold, and percent signs. */
function encodeHeader(value: string): string {
  return Buffer.from(value)
    .toString() // half a character becomes a whole one
    .replace(/[^\x21\x23\x24\x26-\x7e]/gu, (character) => encodeURIComponent(character))
}

function malformed(what: string): InferenceError {
  return new InferenceError(
    'invalid_argument',
    `Failed to decode or parse structured json cloudevent: ${what}; it needs ${required.join(', ')} and data`,
  )
}
