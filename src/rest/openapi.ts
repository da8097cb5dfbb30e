/** The description of this API that `/openapi.json` serves: OpenAPI 3.1, every route. */
import { dataTypes } from '../core/tensor.ts'
import { aliasPaths, aliasSchemas } from './openapi-aliases.ts'
import { extensionPaths } from './openapi-extensions.ts'
import { graphPaths } from './openapi-graphs.ts'
import { openAiPaths } from './openapi-openai.ts'
import {
  callErrors,
  error,
  headerLength,
  jsonOf,
  modelParameter,
  operation,
  ref,
  tensorContent,
  tensorsOf,
  versionParameter,
  type Json,
} from './openapi-parts.ts'
import { schemas } from './openapi-schemas.ts'

/** Names of what only some servers have. */
export interface DescribedNames {
  /** Inference graphs. */
  readonly graphs?: readonly string[] | undefined
  /** Models that answer OpenAI's requests. */
  readonly openAi?: readonly string[]
  /** Models may have other names. */
  readonly hasAliases?: boolean
}

/** The whole document. */
export function describeApi(
  version: string,
  { graphs = [], openAi = [], hasAliases = false }: DescribedNames = {},
): Json {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Servable',
      version,
      summary: 'Model serving over the V1 and V2 (Open Inference) protocols.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [
      { name: 'V2', description: 'Open Inference protocol' },
      { name: 'V1', description: 'TensorFlow Serving and KServe V1' },
      ...(openAi.length === 0 ? [] : [{ name: 'OpenAI', description: 'Generated texts' }]),
      ...(graphs.length === 0 ? [] : [{ name: 'graphs', description: 'Inference graphs' }]),
      { name: 'service', description: 'The server itself' },
    ],
    paths: {
      ...servicePaths,
      ...v2Paths(),
      ...extensionPaths(),
      ...(hasAliases ? aliasPaths : {}),
      ...v1Paths(),
      ...openAiPaths(openAi),
      ...graphPaths(graphs),
    },
    components: {
      schemas: { ...schemas, ...(hasAliases ? aliasSchemas : {}), DataType: { type: 'string', enum: dataTypes } },
    },
  }
}

const servicePaths: Json = {
  '/': { get: operation('alive', 'service', 'Tells that the process answers.', { 200: jsonOf('Alive') }) },
  '/metrics': {
    get: operation('metrics', 'service', 'Metrics for Prometheus.', {
      200: { description: 'Text format 0.0.4', content: { 'text/plain': { schema: { type: 'string' } } } },
    }),
  },
  '/openapi.json': {
    get: operation('describeApi', 'service', 'This document.', {
      200: { description: 'OpenAPI 3.1', content: { 'application/json': { schema: { type: 'object' } } } },
    }),
  },
  '/docs': {
    get: operation('docs', 'service', 'This document as a page to try out.', {
      200: { description: 'A page', content: { 'text/html': { schema: { type: 'string' } } } },
    }),
  },
}

function v2Paths(): Json {
  const plain = '/v2/models/{model}'
  return {
    '/v2': {
      get: operation('serverMetadata', 'V2', 'Name, version and extensions.', { 200: jsonOf('ServerMetadata') }),
    },
    '/v2/health/live': {
      get: operation('serverLive', 'V2', 'Is the process healthy?', { 200: jsonOf('Live'), 503: jsonOf('Live') }),
    },
    '/v2/health/ready': {
      get: operation('serverReady', 'V2', 'Is every model loaded?', { 200: jsonOf('Ready'), 503: jsonOf('Ready') }),
    },
    '/v2/models': { get: operation('listModels', 'V2', 'Names of all models.', { 200: jsonOf('ModelNames') }) },
    ...v2ModelPaths(plain, [modelParameter], ''),
    ...v2ModelPaths(`${plain}/versions/{version}`, [modelParameter, versionParameter], 'Version'),
  }
}

function v2ModelPaths(path: string, parameters: readonly Json[], suffix: string): Json {
  const absent = { 404: error('No such model or version'), 503: error('The model is not ready') }
  return {
    [path]: {
      parameters,
      get: operation(`modelMetadata${suffix}`, 'V2', 'Inputs, outputs and where the model runs.', {
        200: jsonOf('ModelMetadata'),
        ...absent,
      }),
    },
    [`${path}/ready`]: {
      parameters,
      get: operation(`modelReady${suffix}`, 'V2', 'Is the model loaded?', {
        200: jsonOf('ModelReady'),
        404: absent[404],
        503: jsonOf('ModelReady'),
      }),
    },
    [`${path}/infer`]: {
      parameters,
      post: {
        ...operation(`infer${suffix}`, 'V2', 'Computes outputs from inputs.', {
          200: tensorsOf('InferenceResponse'),
          ...callErrors,
        }),
        parameters: [headerLength],
        requestBody: { required: true, content: tensorContent('InferenceRequest') },
      },
    },
  }
}

function v1Paths(): Json {
  const plain = '/v1/models/{model}'
  return {
    '/v1/models': { get: operation('listModelsV1', 'V1', 'Names of all models.', { 200: jsonOf('ModelNames') }) },
    ...v1ModelPaths(plain, [modelParameter], ''),
    ...v1ModelPaths(`${plain}/versions/{version}`, [modelParameter, versionParameter], 'Version'),
  }
}

function v1ModelPaths(path: string, parameters: readonly Json[], suffix: string): Json {
  const malformed = suffix === '' ? {} : { 400: error('The version is not a number') }
  const absent = { ...malformed, 404: error('No such model or version'), 503: error('The model is not ready') }
  const call = (id: string, summary: string, answers: Json, body = 'PredictRequest'): Json => ({
    parameters,
    post: {
      ...operation(`${id}${suffix}`, 'V1', summary, { ...answers, ...callErrors }),
      requestBody: { required: true, content: { 'application/json': { schema: ref(body) } } },
    },
  })
  const status =
    suffix === ''
      ? { 200: jsonOf('ModelStatus'), ...absent }
      : { 200: jsonOf('VersionStates'), ...malformed, 404: absent[404] }
  return {
    [path]: {
      parameters,
      get: operation(`modelStatus${suffix}`, 'V1', 'States of the versions of a model.', status),
    },
    [`${path}/metadata`]: {
      parameters,
      get: operation(`modelSignature${suffix}`, 'V1', "The signature of a model, in TensorFlow Serving's form.", {
        200: jsonOf('SignatureMetadata'),
        ...absent,
      }),
    },
    [`${path}:predict`]: call('predict', 'Computes predictions.', { 200: jsonOf('PredictResponse') }),
    [`${path}:explain`]: call('explain', 'Explains predictions, where the model can.', {
      200: jsonOf('PredictResponse'),
      501: error('The model has no explainer'),
    }),
    [`${path}:classify`]: call(
      'classify',
      'Classes of examples, with their scores.',
      { 200: jsonOf('ClassifyResponse') },
      'ExamplesRequest',
    ),
    [`${path}:regress`]: call(
      'regress',
      'A value for each example.',
      { 200: jsonOf('RegressResponse') },
      'ExamplesRequest',
    ),
  }
}
