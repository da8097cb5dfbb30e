/** Triton's extensions in the description of the API; what is only refused is left out. */
import {
  callErrors,
  error,
  jsonOf,
  modelParameter,
  operation,
  ref,
  versionParameter,
  type Json,
} from './openapi-parts.ts'

const unknownModel = { 404: error('No such model or version'), 503: error('The model is not ready') }

/** The paths, their operations and answers. */
export function extensionPaths(): Json {
  const plain = '/v2/models/{model}'
  return {
    ...repositoryPaths(),
    ...settingPaths(),
    '/v2/models/stats': {
      get: operation('allStatistics', 'V2', 'What every ready model has answered.', {
        200: jsonOf('Statistics'),
        501: error('This server keeps no statistics'),
      }),
    },
    ...modelPaths(plain, [modelParameter], ''),
    ...modelPaths(`${plain}/versions/{version}`, [modelParameter, versionParameter], 'Version'),
  }
}

function repositoryPaths(): Json {
  const change = (verb: 'load' | 'unload', summary: string, more: Json): Json => ({
    parameters: [modelParameter],
    post: {
      ...operation(`${verb}Model`, 'V2', summary, {
        200: jsonOf(verb === 'load' ? 'ModelLoaded' : 'ModelUnloaded'),
        400: error(`The name or the parameters are wrong, or the ${verb} failed; the text says why`),
        413: error('The body is larger than the limit'),
        415: error('The Content-Encoding is neither gzip nor deflate'),
        503: error('The server does not load and unload on request'),
        ...more,
      }),
      requestBody: jsonBody('ControlRequest'),
    },
  })
  return {
    '/v2/repository/index': {
      post: {
        ...operation('repositoryIndex', 'V2', 'Every version of every model and its state.', {
          200: jsonOf('RepositoryIndex'),
          400: error('The body is wrong'),
          413: error('The body is larger than the limit'),
          415: error('The Content-Encoding is neither gzip nor deflate'),
        }),
        requestBody: jsonBody('RepositoryIndexRequest'),
      },
    },
    '/v2/repository/models/{model}/load': change('load', 'Loads a model, or loads it again from its files.', {
      404: error('No such model in the served paths'),
      501: error('The server takes no files'),
    }),
    '/v2/repository/models/{model}/unload': change('unload', 'Drains a model and frees its memory.', {}),
  }
}

function settingPaths(): Json {
  const setting = (name: string, schema: string, refused: string): Json => ({
    get: operation(`read${name}`, 'V2', `The settings of the ${name.toLowerCase()}.`, {
      200: jsonOf(schema),
      501: error(refused),
    }),
    post: {
      ...operation(`change${name}`, 'V2', `Changes what is named.`, {
        200: jsonOf(schema),
        400: error('A name or a value is wrong'),
        413: error('The body is larger than the limit'),
        415: error('The Content-Encoding is neither gzip nor deflate'),
        501: error(refused),
      }),
      requestBody: { content: { 'application/json': { schema: { type: 'object' } } } },
    },
  })
  const trace = setting('Trace', 'TraceSettings', 'The file of the trace cannot be set')
  const ofModel = Object.entries(setting('ModelTrace', 'TraceSettings', 'The file of the trace cannot be set')).map(
    ([method, found]) => {
      const known = found as { readonly responses: Json } // as `setting` makes it
      return [method, { ...known, responses: { ...known.responses, 404: unknownModel[404] } }]
    },
  )
  return {
    '/v2/logging': setting('Log', 'LogSettings', 'That cannot be changed while the server runs'),
    '/v2/trace/setting': trace,
    '/v2/models/{model}/trace/setting': {
      parameters: [modelParameter],
      ...(Object.fromEntries(ofModel) as Json),
    },
  }
}

function modelPaths(path: string, parameters: readonly Json[], suffix: string): Json {
  const requestBody = { required: true, content: { 'application/json': { schema: ref('GenerateRequest') } } }
  return {
    [`${path}/config`]: {
      parameters,
      get: operation(`modelConfig${suffix}`, 'V2', 'The model as Triton would configure it.', {
        200: jsonOf('ModelConfig'),
        ...unknownModel,
      }),
    },
    [`${path}/stats`]: {
      parameters,
      get: operation(`statistics${suffix}`, 'V2', 'What the model has answered.', {
        200: jsonOf('Statistics'),
        ...unknownModel,
        501: error('This server keeps no statistics'),
      }),
    },
    [`${path}/generate`]: {
      parameters,
      post: {
        ...operation(`generate${suffix}`, 'V2', 'One response from flat JSON.', {
          200: jsonOf('GenerateResponse'),
          ...callErrors,
        }),
        requestBody,
      },
    },
    [`${path}/generate_stream`]: {
      parameters,
      post: {
        ...operation(`generateStream${suffix}`, 'V2', 'An event for each response, from flat JSON.', {
          200: {
            description: 'Server-sent events; each holds a response, the last one perhaps an error',
            content: { 'text/event-stream': { schema: { type: 'string' } } },
          },
          ...callErrors,
        }),
        requestBody,
      },
    },
  }
}

function jsonBody(schema: string): Json {
  return { content: { 'application/json': { schema: ref(schema) } } }
}
