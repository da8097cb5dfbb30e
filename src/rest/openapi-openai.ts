/** OpenAI's routes in the description of the API, where a model answers them. */
import { operation, type Json } from './openapi-parts.ts'

/** What each route is for, by its path below the prefixes. */
const summaries = {
  '/completions': ['Completion', 'Continues a text.'],
  '/chat/completions': ['ChatCompletion', 'Answers a conversation.'],
  '/responses': ['Response', 'Answers a conversation, as items.'],
  '/messages': ['Message', "Answers a conversation, in Anthropic's form."],
  '/embeddings': ['Embedding', 'Texts as vectors.'],
  '/pooling': ['Pooling', 'Hidden states of texts.'],
  '/rerank': ['Rerank', 'Orders documents by a question.'],
  '/score': ['Score', 'How well pairs of texts belong together.'],
  '/classify': ['Classification', 'Classes of texts.'],
  '/moderations': ['Moderation', 'What is wrong with a text.'],
  '/images/generations': ['Image', 'Makes images from a text.'],
  '/audio/speech': ['Speech', 'Speaks a text.'],
} as const

/** The paths of requests that name their model in the body, below the prefixes. */
export const openAiCalls = Object.keys(summaries)

const error: Json = {
  description: "What is wrong, in OpenAI's shape, of this server or the model's own",
  content: {
    'application/json': {
      schema: {
        type: 'object',
        required: ['error'],
        properties: {
          error: {
            type: 'object',
            required: ['message'],
            properties: { message: { type: 'string' }, type: { type: 'string' }, param: {}, code: {} },
          },
        },
      },
    },
  },
}

const model: Json = {
  type: 'object',
  required: ['id', 'object', 'created', 'owned_by'],
  properties: {
    id: { type: 'string' },
    object: { const: 'model' },
    created: { type: 'integer', description: 'Seconds since 1970.' },
    owned_by: { type: 'string' },
  },
}

const list: Json = {
  type: 'object',
  required: ['object', 'data'],
  properties: { object: { const: 'list' }, data: { type: 'array', items: model } },
}

/** @param names of the models that answer OpenAI's requests; no path where there are none */
export function openAiPaths(names: readonly string[]): Json {
  if (names.length === 0) return {}
  return {
    ...callPaths('/openai/v1', 'openai', names),
    ...callPaths('/v1', 'openaiPlain', names),
    '/openai/v1/models': {
      get: operation('openaiModels', 'OpenAI', 'Models that answer these routes.', { 200: jsonOf('Models', list) }),
    },
    '/openai/v1/models/{model}': {
      parameters: [{ name: 'model', in: 'path', required: true, schema: { type: 'string', enum: names } }],
      get: operation('openaiModel', 'OpenAI', 'One of them.', { 200: jsonOf('A model', model), 404: error }),
    },
  }
}

function callPaths(prefix: string, idPrefix: string, names: readonly string[]): Json {
  const isRequired = names.length > 1
  const body = {
    type: 'object',
    ...(isRequired ? { required: ['model'] } : {}),
    properties: {
      model: { type: 'string', enum: names },
      stream: { type: 'boolean', description: 'Answer in events, where the route has them.' },
    },
  }
  const answer = {
    description: "What the model's own server answers, as it comes",
    content: { 'application/json': {}, 'text/event-stream': { schema: { type: 'string' } } },
  }
  return Object.fromEntries(
    Object.entries(summaries).map(([path, [id, summary]]) => [
      `${prefix}${path}`,
      {
        post: {
          ...operation(`${idPrefix}${id}`, 'OpenAI', summary, { 200: answer, default: error }),
          requestBody: { required: true, content: { 'application/json': { schema: body } } },
        },
      },
    ]),
  )
}

function jsonOf(description: string, schema: Json): Json {
  return { description, content: { 'application/json': { schema } } }
}
