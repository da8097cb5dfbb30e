/** The inference graphs of a server in the description of its API. */
import { callErrors, headerLength, operation, type Json } from './openapi-parts.ts'

const anyBody: Json = { 'application/json': {}, 'application/octet-stream': {} }

const stepRecord: Json = {
  type: 'object',
  required: ['node', 'step', 'target', 'outcome', 'startMs', 'durationMs'],
  properties: {
    node: { type: 'string' },
    step: { type: 'string', description: 'Its name, else its index.' },
    target: { type: 'string' },
    outcome: { enum: ['answered', 'failed', 'passed over', 'cancelled', 'shadow', 'dropped'] },
    condition: {
      type: 'object',
      required: ['text', 'holds'],
      properties: { text: { type: 'string' }, holds: { type: 'boolean' } },
    },
    status: { type: 'integer' },
    cause: { type: 'string' },
    startMs: { type: 'number', description: 'After the start of the request.' },
    durationMs: { type: 'number' },
    calls: { type: 'integer', description: 'Retries included.' },
  },
}

const explanation: Json = {
  type: 'object',
  description: 'With `explain=true`: the answer, and what every step did.',
  required: ['status', 'body', 'steps'],
  properties: { status: { type: 'integer' }, body: {}, steps: { type: 'array', items: stepRecord } },
}

/** @param names of the graphs; no path where there are none */
export function graphPaths(names: readonly string[]): Json {
  if (names.length === 0) return {}
  const graph = {
    name: 'graph',
    in: 'path',
    required: true,
    description: 'Name of the graph.',
    schema: { type: 'string', enum: names },
  }
  const explain = {
    name: 'explain',
    in: 'query',
    description: 'Answer with what every step did, on what condition and how long it took.',
    schema: { type: 'boolean' },
  }
  const answers = {
    200: {
      description: 'What the last step answered, or an explanation of it',
      content: { 'application/json': { schema: { anyOf: [explanation, {}] } }, 'application/octet-stream': {} },
    },
    ...callErrors,
    default: { description: 'Whatever status and body a step answered', content: anyBody },
  }
  return {
    '/graphs/{graph}': {
      parameters: [graph],
      post: {
        ...operation('graph', 'graphs', 'Sends a body through an inference graph.', answers),
        parameters: [explain, headerLength],
        requestBody: { content: anyBody },
      },
    },
  }
}
