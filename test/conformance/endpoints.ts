/** Every endpoint of the dialects that this server speaks, and what it does of each: `docs/protocols.md` is made from this. */

export const dialects = ['OIP', 'KServe', 'Triton', 'TF Serving'] as const
export type Dialect = (typeof dialects)[number]

export interface Endpoint {
  /** `POST /v2/models/{model}/infer`, or `inference.GRPCInferenceService/ModelInfer`. */
  readonly name: string
  /** Who has it. */
  readonly of: readonly Dialect[]
  /** `off`: refused with the reason, as a server of that dialect does where the feature is switched off. */
  readonly support: 'yes' | 'off' | 'no'
  readonly note?: string
}

const v2: readonly Dialect[] = ['OIP', 'KServe', 'Triton']
const triton: readonly Dialect[] = ['Triton']
const repository: readonly Dialect[] = ['KServe', 'Triton']
const tfServing: readonly Dialect[] = ['TF Serving']
const bothV1: readonly Dialect[] = ['KServe', 'TF Serving']
const yes = (name: string, of: readonly Dialect[], note = ''): Endpoint => ({
  name,
  of,
  support: 'yes',
  ...noteOf(note),
})
const off = (name: string, of: readonly Dialect[], note: string): Endpoint => ({ name, of, support: 'off', note })

function noteOf(note: string): Pick<Endpoint, 'note'> {
  return note === '' ? {} : { note }
}

const noMemory = 'Shared memory is off: tensors travel in the message.'

export const restV2: readonly Endpoint[] = [
  yes('GET /v2', v2, 'Extensions are those that work.'),
  yes('GET /v2/health/live', v2),
  yes('GET /v2/health/ready', v2, '503 while a model is not ready.'),
  yes('GET /v2/models', ['KServe'], 'Names.'),
  yes('GET /v2/models/{model}', v2),
  yes('GET /v2/models/{model}/ready', v2),
  yes('POST /v2/models/{model}/infer', v2, 'JSON, and binary tensors behind it.'),
  yes('GET /v2/models/{model}/config', triton, 'Derived from the model.'),
  yes('GET /v2/models/{model}/stats', triton),
  yes('GET /v2/models/stats', triton),
  yes('POST /v2/models/{model}/generate', triton),
  yes('POST /v2/models/{model}/generate_stream', triton, 'Server-sent events.'),
  yes('POST /v2/repository/index', repository),
  yes('POST /v2/repository/models/{model}/load', repository),
  yes('POST /v2/repository/models/{model}/unload', repository),
  yes('GET /v2/logging', triton),
  yes('POST /v2/logging', triton),
  yes('GET /v2/trace/setting', triton),
  yes('POST /v2/trace/setting', triton, 'Kept and told; nothing is traced yet.'),
  yes('GET /v2/systemsharedmemory/status', triton, 'No regions.'),
  off('POST /v2/systemsharedmemory/region/{region}/register', triton, noMemory),
  yes('POST /v2/systemsharedmemory/unregister', triton, 'Also of one region; there is none.'),
  yes('GET /v2/cudasharedmemory/status', triton, 'No regions.'),
  off('POST /v2/cudasharedmemory/region/{region}/register', triton, noMemory),
  yes('POST /v2/cudasharedmemory/unregister', triton, 'Also of one region; there is none.'),
]

export const restV1: readonly Endpoint[] = [
  yes('GET /v1/models', ['KServe'], 'Names.'),
  yes('GET /v1/models/{model}', bothV1, 'Both status documents in one.'),
  yes('GET /v1/models/{model}/metadata', tfServing),
  yes('POST /v1/models/{model}:predict', bothV1),
  yes('POST /v1/models/{model}:explain', ['KServe'], 'Where the model has an explainer.'),
  yes('POST /v1/models/{model}:classify', tfServing),
  yes('POST /v1/models/{model}:regress', tfServing),
]

const inference = (name: string, of: readonly Dialect[], note = ''): Endpoint =>
  yes(`inference.GRPCInferenceService/${name}`, of, note)

export const grpcEndpoints: readonly Endpoint[] = [
  inference('ServerLive', v2),
  inference('ServerReady', v2),
  inference('ModelReady', v2, 'False, not an error, for an unknown model.'),
  inference('ServerMetadata', v2),
  inference('ModelMetadata', v2),
  inference('ModelInfer', v2, 'Raw and typed contents; raw ones come back.'),
  inference('ModelStreamInfer', triton, 'Errors travel in the stream.'),
  inference('ModelConfig', triton),
  inference('ModelStatistics', triton),
  inference('RepositoryIndex', repository),
  inference('RepositoryModelLoad', repository, 'Both message forms.'),
  inference('RepositoryModelUnload', repository, 'Both message forms.'),
  inference('LogSettings', triton),
  inference('TraceSetting', triton, 'Kept and told; nothing is traced yet.'),
  ...['System', 'Cuda'].flatMap((kind) =>
    ['Status', 'Register', 'Unregister'].map((verb) =>
      verb === 'Register'
        ? off(`inference.GRPCInferenceService/${kind}SharedMemory${verb}`, triton, noMemory)
        : inference(`${kind}SharedMemory${verb}`, triton, 'No regions.'),
    ),
  ),
  ...['Predict', 'Classify', 'Regress', 'MultiInference', 'GetModelMetadata'].map((method) =>
    yes(`tensorflow.serving.PredictionService/${method}`, tfServing),
  ),
  yes('tensorflow.serving.ModelService/GetModelStatus', tfServing),
  yes('tensorflow.serving.ModelService/HandleReloadConfigRequest', tfServing, 'From the served paths only.'),
  yes('grpc.health.v1.Health/Check', v2),
  yes('grpc.health.v1.Health/Watch', v2),
  yes('grpc.reflection.v1.ServerReflection/ServerReflectionInfo', triton, 'And v1alpha.'),
]

/** Where this server does otherwise than a server it speaks like, on purpose. */
export interface Divergence {
  readonly behaviour: string
  readonly theirs: string
  readonly ours: string
  readonly why: string
}

export const divergences: readonly Divergence[] = [
  {
    behaviour: 'Readiness while a model is not loaded',
    theirs: 'Triton: 400 without a body',
    ours: '503 with `{"ready":false}`',
    why: 'It is no fault of the caller, and load balancers know 503.',
  },
  {
    behaviour: 'Readiness of an unknown model over REST',
    theirs: 'Triton: 400',
    ours: '404 with an error in JSON',
    why: 'The same as every other call that names an unknown model.',
  },
  {
    behaviour: 'Elements that do not fit the shape or the datatype, in JSON',
    theirs: 'Triton: 500',
    ours: '400, naming the input',
    why: 'The request is wrong, not the server.',
  },
  {
    behaviour: 'A body beyond the limit',
    theirs: 'Triton: 400',
    ours: '413, naming the setting',
    why: 'HTTP has a status for it.',
  },
  {
    behaviour: 'A Content-Encoding that nobody reads',
    theirs: 'Triton: 501',
    ours: '415 and `Accept-Encoding`',
    why: 'HTTP has a status for it.',
  },
  {
    behaviour: 'The answer of a load or unload over REST',
    theirs: 'Triton: no body; KServe: `{"name", "load": true}`',
    ours: 'As KServe',
    why: "KServe's clients read it, Triton's look at the status only.",
  },
  {
    behaviour: 'Loads with `config` or files in the request',
    theirs: 'Triton: override those in the repository',
    ours: 'The same until the next load or unload; `model.yaml`, `config.pbtxt` and other descriptions cannot be sent as files',
    why: 'They may name code to run; `config` says how a model is served.',
  },
  {
    behaviour: '`config.pbtxt` in a repository',
    theirs: 'Triton: completes and checks what the model says; `max_batch_size`, sequence batching, ensembles',
    ours: 'The same but for ensembles, state and ragged batches, which are refused; without one no limit of 4 rows is derived',
    why: 'An InferenceGraph is the ensemble; how many rows pay is learned.',
  },
  {
    behaviour: 'Trace settings',
    theirs: 'Triton: start and stop its traces',
    ours: 'Kept and told, nothing is traced by them',
    why: 'Clients that set them go on to work.',
  },
  {
    behaviour: 'The signatures of a SavedModel, such as `regress_x_to_y`',
    theirs: 'TF Serving: those of the file, by name, over V1',
    ours: 'The same; over V2 by the parameter `signature_name`. Other formats have one, under the names of the table above',
    why: 'V2 has no field for a signature.',
  },
]
