/** What the parts of the API's description are made of. */

export type Json = Readonly<Record<string, unknown>>

export const modelParameter = pathParameter('model', 'Name of the model, percent-encoded: `a/b` is `a%2Fb`.')
export const versionParameter = pathParameter(
  'version',
  'Version of the model; the newest ready one where the path names none.',
)
export const headerLength = {
  name: 'Inference-Header-Content-Length',
  in: 'header',
  description:
    'Bytes of the JSON part, uncompressed, where binary tensors follow it; 0: the whole body is the one input.',
  schema: { type: 'integer', minimum: 0 },
}

/** What an inference may end with. */
export const callErrors: Json = {
  400: error('The request is wrong; the text names what and where'),
  404: error('No such model or version'),
  413: error('The body is larger than the limit, as sent or inflated'),
  415: error('The Content-Encoding is neither gzip nor deflate'),
  429: {
    ...error('Too many requests wait, where the server answers so'),
    headers: { 'Retry-After': { schema: { type: 'integer' } } },
  },
  500: error('The model failed'),
  503: {
    ...error('The model or the server is not ready, or too many requests wait'),
    headers: { 'Retry-After': { schema: { type: 'integer' } } },
  },
  504: error('The deadline of the request passed'),
}

/** One method of a path. */
export function operation(operationId: string, tag: string, summary: string, responses: Json): Json {
  return { operationId, tags: [tag], summary, responses }
}

/** A part of a path. */
function pathParameter(name: string, description: string): Json {
  return { name, in: 'path', required: true, description, schema: { type: 'string' } }
}

/** A schema of the document. */
export function ref(schema: string): Json {
  return { $ref: `#/components/schemas/${schema}` }
}

/** An answer of that schema. */
export function jsonOf(schema: string): Json {
  return { description: schema, content: { 'application/json': { schema: ref(schema) } } }
}

/** An answer that is an error. */
export function error(description: string): Json {
  return { description, content: { 'application/json': { schema: ref('Error') } } }
}

/** An answer with tensors. */
export function tensorsOf(schema: string): Json {
  const { description, schema: type } = headerLength
  return {
    description: schema,
    headers: { 'Inference-Header-Content-Length': { description, schema: type } },
    content: tensorContent(schema),
  }
}

/** JSON, or JSON with the raw bytes of tensors behind it. */
export function tensorContent(schema: string): Json {
  return { 'application/json': { schema: ref(schema) }, 'application/octet-stream': {} }
}
