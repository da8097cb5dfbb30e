/** The bodies of this API as JSON Schema, for its OpenAPI description. */

const string = { type: 'string' }
const strings = { type: 'array', items: string }
const boolean = { type: 'boolean' }
const parameters = {
  type: 'object',
  additionalProperties: { type: ['string', 'number', 'boolean'] },
}

const shape = {
  type: 'array',
  description: 'Row-major; [] is a scalar.',
  items: { type: 'integer', minimum: 0 },
}
const data = {
  type: 'array',
  description:
    'Elements in row-major order, flat or nested. NaN, Infinity and -Infinity are bare tokens. ' +
    'FP16 and BF16 travel as binary only.',
  items: {},
}
const datatype = { $ref: '#/components/schemas/DataType' }

const tensorMetadata = object(
  {
    name: string,
    datatype,
    shape: { type: 'array', description: '-1 where a dimension is free.', items: { type: 'integer', minimum: -1 } },
  },
  ['name', 'datatype', 'shape'],
)

/** By their names in the document. */
export const schemas: Readonly<Record<string, unknown>> = {
  Error: object({ error: string }, ['error']),
  Alive: object({ status: { const: 'alive' } }, ['status']),
  Live: object({ live: boolean }, ['live']),
  Ready: object({ ready: boolean }, ['ready']),
  ModelNames: object({ models: strings }, ['models']),
  ServerMetadata: object({ name: string, version: string, extensions: strings }, ['name', 'version', 'extensions']),
  TensorMetadata: tensorMetadata,
  ModelMetadata: object(
    {
      name: string,
      versions: strings,
      platform: string,
      inputs: arrayOf('TensorMetadata'),
      outputs: arrayOf('TensorMetadata'),
      parameters: { ...parameters, description: 'device, device_reason, placement; dimensions.<tensor>: N,4' },
    },
    ['name', 'versions', 'platform', 'inputs', 'outputs'],
  ),
  ModelReady: object({ name: string, ready: boolean, error: string }, ['name', 'ready']),
  RepositoryIndexRequest: { type: 'object', properties: { ready: boolean } },
  RepositoryIndex: {
    type: 'array',
    items: object(
      {
        name: string,
        version: string,
        state: { enum: ['READY', 'UNAVAILABLE', 'LOADING', 'UNLOADING'] },
        reason: string,
      },
      ['name'],
    ),
  },
  ControlRequest: {
    type: 'object',
    properties: { parameters: { type: 'object', properties: { unload_dependents: boolean } } },
  },
  ModelLoaded: object({ name: string, load: { const: true } }, ['name', 'load']),
  ModelUnloaded: object({ name: string, unload: { const: true } }, ['name', 'unload']),
  ModelConfig: {
    type: 'object',
    description: "Triton's ModelConfig.",
    properties: { name: string, platform: string, backend: string, max_batch_size: { type: 'integer', minimum: 0 } },
    required: ['name', 'platform', 'backend', 'max_batch_size', 'input', 'output'],
  },
  Statistics: object({ model_stats: { type: 'array', items: { type: 'object' } } }, ['model_stats']),
  LogSettings: object(
    {
      log_file: string,
      log_info: boolean,
      log_warning: boolean,
      log_error: boolean,
      log_verbose_level: { type: 'integer', minimum: 0 },
      log_format: string,
    },
    ['log_file', 'log_info', 'log_warning', 'log_error', 'log_verbose_level', 'log_format'],
  ),
  TraceSettings: { type: 'object', additionalProperties: { type: ['string', 'array'] } },
  GenerateRequest: {
    type: 'object',
    description: 'A member for each input, by its name; all others are parameters.',
    properties: { id: string, parameters: { type: 'object' } },
  },
  GenerateResponse: {
    type: 'object',
    description: 'A member for each output; a single element stands bare.',
    properties: { id: string, model_name: string, model_version: string },
    required: ['model_name', 'model_version'],
  },
  InputTensor: object(
    {
      name: string,
      datatype,
      shape,
      data,
      parameters: { ...parameters, description: '`binary_data_size`: bytes behind the JSON part, instead of `data`.' },
    },
    ['name', 'datatype', 'shape'],
  ),
  RequestedOutput: object(
    { name: string, parameters: { ...parameters, description: '`binary_data`: true for raw bytes.' } },
    ['name'],
  ),
  InferenceRequest: object(
    {
      id: string,
      parameters: { ...parameters, description: '`binary_data_output`: true for raw bytes of all outputs.' },
      inputs: arrayOf('InputTensor'),
      outputs: { ...arrayOf('RequestedOutput'), description: 'Those wanted; all of them where absent.' },
    },
    ['inputs'],
  ),
  OutputTensor: object({ name: string, datatype, shape, parameters, data }, ['name', 'datatype', 'shape']),
  InferenceResponse: object(
    { id: string, model_name: string, model_version: string, parameters, outputs: arrayOf('OutputTensor') },
    ['model_name', 'outputs'],
  ),
  PredictRequest: {
    ...object(
      {
        signature_name: string,
        instances: { type: 'array', description: 'One value, list or object of named inputs per row.', items: {} },
        inputs: { description: 'Whole tensors, by name where the model has several.' },
      },
      [],
    ),
    oneOf: [{ required: ['instances'] }, { required: ['inputs'] }],
  },
  PredictResponse: object(
    {
      predictions: { type: 'array', description: 'To `instances`: one per row.', items: {} },
      outputs: { description: 'To `inputs`: whole tensors.' },
    },
    [],
  ),
  ModelStatus: object(
    {
      name: string,
      ready: boolean,
      model_version_status: { type: 'array', items: { $ref: '#/components/schemas/VersionStatus' } },
    },
    ['name', 'ready', 'model_version_status'],
  ),
  VersionStates: object(
    { model_version_status: { type: 'array', items: { $ref: '#/components/schemas/VersionStatus' } } },
    ['model_version_status'],
  ),
  SignatureMetadata: object(
    {
      model_spec: object({ name: string, signature_name: string, version: string }, ['name', 'version']),
      metadata: object({ signature_def: { type: 'object' } }, ['signature_def']),
    },
    ['model_spec', 'metadata'],
  ),
  ExamplesRequest: object(
    {
      signature_name: string,
      context: { type: 'object', description: 'Features of every example that does not bring its own.' },
      examples: {
        type: 'array',
        description: 'One object of features per row: numbers, strings, `{"b64"}` or lists of one kind.',
        items: { type: 'object' },
        minItems: 1,
      },
    },
    ['examples'],
  ),
  ClassifyResponse: object(
    { results: { type: 'array', description: 'Per example its classes: `[label, score]`.', items: { type: 'array' } } },
    ['results'],
  ),
  RegressResponse: object({ results: { type: 'array', description: 'One number per example.', items: {} } }, [
    'results',
  ]),
  VersionStatus: object(
    {
      version: string,
      state: { enum: ['LOADING', 'AVAILABLE', 'UNLOADING', 'END'] },
      status: object({ error_code: string, error_message: string }, ['error_code', 'error_message']),
    },
    ['version', 'state', 'status'],
  ),
}

function object(properties: Readonly<Record<string, unknown>>, required: readonly string[]) {
  return { type: 'object', properties, ...(required.length === 0 ? {} : { required }) }
}

function arrayOf(schema: string) {
  return { type: 'array', items: { $ref: `#/components/schemas/${schema}` } }
}
