/** Triton's extensions as cases: classification, raw requests, configuration, settings, shared memory, generate. */
import type { RestCase } from './cases.ts'

const floats = (values: readonly number[]) => new Uint8Array(Float32Array.from(values).buffer)
const rows = { name: 'x', datatype: 'FP32', shape: [2, 3], data: [1, 9, 4, 8, 8, NaN] }

function classified(classification: unknown, more: object = {}): string {
  const outputs = [{ name: 'y', parameters: { classification, ...more } }]
  return JSON.stringify({ inputs: [rows], outputs }).replace('null', 'NaN')
}

function classes(shape: readonly number[], data: readonly string[]) {
  return { outputs: [{ name: 'y', datatype: 'BYTES', shape, data }] }
}

const scores = { model_name: 'scores', model_version: '1' }
const error = (message: string) => ({ error: message })

export const classificationCases: readonly RestCase[] = [
  {
    title: 'D14 the best classes of each row, NaN last',
    request: 'POST /v2/models/scores/infer',
    body: classified(2),
    status: 200,
    json: { ...scores, ...classes([2, 2], ['4.500000:1', '2.000000:2', '4.000000:0', '4.000000:1']) },
  },
  {
    title: 'no more classes than there are, with their labels',
    request: 'POST /v2/models/animals/infer',
    body: classified(9),
    status: 200,
    json: {
      model_name: 'animals',
      model_version: '1',
      ...classes(
        [2, 3],
        ['4.500000:1:dog', '2.000000:2:cow', '0.500000:0:cat', '4.000000:0:cat', '4.000000:1:dog', 'nan:2:cow'],
      ),
    },
  },
  {
    title: 'no batch dimension where the model has none; integers are exact',
    request: 'POST /v2/models/vector/infer',
    body: `{"inputs":[{"name":"x","datatype":"INT64","shape":[3],"data":[1,9007199254740993,9007199254740992]}],
      "outputs":[{"name":"y","parameters":{"classification":2}}]}`,
    status: 200,
    json: {
      model_name: 'vector',
      model_version: '1',
      ...classes([2], ['9007199254740993:1', '9007199254740992:2']),
    },
  },
  {
    title: 'classes as binary data',
    request: 'POST /v2/models/scores/infer',
    body: classified(1, { binary_data: true }),
    status: 200,
    contains: '"datatype":"BYTES","shape":[2,1],"parameters":{"binary_data_size":28}',
  },
  {
    title: 'no classes of text',
    request: 'POST /v2/models/scores/infer',
    body: `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,3],"data":[1,2,3]}],
      "outputs":[{"name":"text","parameters":{"classification":2}}]}`,
    status: 400,
    contains: 'class result not available for output due to unsupported type',
  },
  ...[0, -1, 1.5, '2', true].map((value) => ({
    title: `classification ${JSON.stringify(value)}`,
    request: 'POST /v2/models/scores/infer',
    body: classified(value),
    status: 400,
    contains: `invalid value for 'classification' parameter`,
  })),
]

const raw = { 'inference-header-content-length': '0' }

export const rawCases: readonly RestCase[] = [
  {
    title: 'a raw request makes the rows that it fills',
    request: 'POST /v2/models/scores/infer',
    headers: raw,
    body: floats([2, 4, 6, 8, 10, 12]),
    status: 200,
    contains: '"name":"y","datatype":"FP32","shape":[2,3],"parameters":{"binary_data_size":24}',
    answerHeaders: { 'content-type': 'application/octet-stream' },
  },
  {
    title: 'a raw request of the wrong size',
    request: 'POST /v2/models/scores/infer',
    headers: raw,
    body: floats([1, 2]),
    status: 400,
    contains: `unexpected size of raw input 'x'`,
  },
  {
    title: 'a raw request with one BYTES element, without its length',
    request: 'POST /v2/models/one/infer',
    headers: raw,
    body: 'Rex',
    status: 200,
    contains: '\u0003\u0000\u0000\u0000Rex',
  },
  {
    title: 'C20 a raw request on BYTES of shape [-1]',
    request: 'POST /v2/models/free/infer',
    headers: raw,
    body: 'Rex',
    status: 400,
    json: error("For BYTE datatype raw input 'x', the model must have input shape [1]"),
  },
  {
    title: 'a raw request on two inputs',
    request: 'POST /v2/models/echo/infer',
    headers: raw,
    body: 'Rex',
    status: 400,
    contains: 'Raw request must only have 1 input (found 1) to be deduced but got 2 inputs in',
  },
  {
    title: 'a raw request to an unknown model',
    request: 'POST /v2/models/nope/infer',
    headers: raw,
    body: 'Rex',
    status: 404,
  },
]

const tensor = { data_type: 'TYPE_FP32', dims: [3] }

export const configCases: readonly RestCase[] = [
  {
    title: 'E15 the configuration of a model that batches',
    request: 'GET /v2/models/scores/config',
    status: 200,
    json: {
      name: 'scores',
      platform: 'servable_custom',
      backend: 'test',
      version_policy: { all: {} },
      max_batch_size: 4,
      input: [
        {
          ...tensor,
          name: 'x',
          format: 'FORMAT_NONE',
          is_shape_tensor: false,
          allow_ragged_batch: false,
          optional: false,
        },
      ],
      output: [
        { ...tensor, name: 'y', label_filename: '', is_shape_tensor: false },
        {
          name: 'text',
          data_type: 'TYPE_STRING',
          dims: [1],
          reshape: { shape: [] },
          label_filename: '',
          is_shape_tensor: false,
        },
      ],
      instance_group: [{ name: 'scores', kind: 'KIND_CPU', count: 1, gpus: [] }],
      default_model_filename: '',
      parameters: {},
      model_transaction_policy: { decoupled: false },
    },
  },
  {
    title: 'the configuration of a decoupled model',
    request: 'GET /v2/models/words/versions/1/config',
    status: 200,
    contains: '"model_transaction_policy":{"decoupled":true}',
  },
  { title: 'the configuration of an unknown model', request: 'GET /v2/models/nope/config', status: 404 },
  { title: 'the configuration of an unknown version', request: 'GET /v2/models/scores/versions/9/config', status: 404 },
  { title: 'no such verb', request: 'POST /v2/models/scores/config', status: 405 },
]

const logging = {
  log_file: '',
  log_info: true,
  log_warning: true,
  log_error: true,
  log_verbose_level: 0,
  log_format: 'default',
}
const trace = {
  trace_level: ['OFF'],
  trace_rate: '1000',
  trace_count: '-1',
  log_frequency: '0',
  trace_file: '',
  trace_mode: 'triton',
}
const log = 'POST /v2/logging'
const traced = { ...trace, trace_rate: '10', trace_level: ['TIMESTAMPS'] }
const traceSetting = 'POST /v2/trace/setting'
const modelTrace = 'POST /v2/models/scores/trace/setting'

export const settingCases: readonly RestCase[] = [
  { title: 'E20 the settings of the log', request: 'GET /v2/logging', status: 200, json: logging },
  {
    title: 'E20 verbose',
    request: log,
    body: '{"log_verbose_level":1}',
    status: 200,
    json: { ...logging, log_verbose_level: 1 },
  },
  { title: 'E20 not verbose', request: log, body: '{"log_verbose_level":0}', status: 200, json: logging },
  { title: 'E20 a file', request: log, body: '{"log_file":"x"}', status: 501 },
  { title: 'E20 a negative level', request: log, body: '{"log_verbose_level":-1}', status: 400 },
  { title: 'a level that is a text', request: log, body: '{"log_verbose_level":"1"}', status: 400 },
  { title: 'a switch that is a number', request: log, body: '{"log_info":1}', status: 400 },
  { title: 'an unknown setting', request: log, body: '{"log_color":true}', status: 400, contains: 'log_color' },
  { title: 'a format', request: log, body: '{"log_format":"ISO8601"}', status: 501 },
  { title: 'an unknown format', request: log, body: '{"log_format":"xml"}', status: 400 },
  {
    title: 'nothing changes where one value is wrong',
    request: log,
    body: '{"log_info":false,"log_x":1}',
    status: 400,
  },
  { title: 'as the settings then say', request: 'GET /v2/logging', status: 200, json: logging },
  { title: 'no JSON', request: log, body: '{', status: 400, contains: 'failed to parse' },
  { title: 'the settings of the trace', request: 'GET /v2/trace/setting', status: 200, json: trace },
  { title: 'of a model', request: 'GET /v2/models/scores/trace/setting', status: 200, json: trace },
  { title: 'of an unknown model', request: 'GET /v2/models/nope/trace/setting', status: 404 },
  { title: 'E21 OFF', request: traceSetting, body: '{"trace_level":["OFF"]}', status: 200, json: trace },
  { title: 'E21 null', request: traceSetting, body: '{"trace_rate":null}', status: 200, json: trace },
  {
    title: 'E21 timestamps',
    request: traceSetting,
    body: '{"trace_rate":"10","trace_level":["TIMESTAMPS"]}',
    status: 200,
    json: traced,
  },
  {
    title: "E21 a model's own",
    request: modelTrace,
    body: '{"trace_rate":"7"}',
    status: 200,
    json: { ...traced, trace_rate: '7' },
  },
  { title: "E21 the server's again", request: modelTrace, body: '{"trace_rate":null}', status: 200, json: traced },
  { title: 'E21 as the settings then say', request: 'GET /v2/trace/setting', status: 200, json: traced },
  {
    title: 'E21 the defaults',
    request: traceSetting,
    body: '{"trace_rate":null,"trace_level":null}',
    status: 200,
    json: trace,
  },
  { title: 'a trace file', request: traceSetting, body: '{"trace_file":"x"}', status: 501 },
  {
    title: 'an unknown level',
    request: traceSetting,
    body: '{"trace_level":["ALL"]}',
    status: 400,
    contains: 'TENSORS',
  },
  { title: 'a rate that is no integer', request: traceSetting, body: '{"trace_rate":"x"}', status: 400 },
  { title: 'a trace setting that is a number', request: traceSetting, body: '{"trace_rate":10}', status: 400 },
  { title: 'an unknown trace setting', request: traceSetting, body: '{"trace_x":"1"}', status: 400 },
  { title: 'trace settings of a version', request: 'GET /v2/models/scores/versions/1/trace/setting', status: 404 },
  ...['system', 'cuda'].flatMap((kind) => [
    { title: `${kind} shared memory`, request: `GET /v2/${kind}sharedmemory/status`, status: 200, json: [] },
    { title: `${kind} region`, request: `GET /v2/${kind}sharedmemory/region/r/status`, status: 404 },
    { title: `${kind} register`, request: `POST /v2/${kind}sharedmemory/region/r/register`, body: '{}', status: 501 },
    { title: `${kind} unregister`, request: `POST /v2/${kind}sharedmemory/unregister`, status: 200 },
    { title: `${kind} unregister one`, request: `POST /v2/${kind}sharedmemory/region/r/unregister`, status: 200 },
  ]),
  {
    title: 'A4 only extensions that work',
    request: 'GET /v2',
    status: 200,
    json: {
      name: 'servable',
      version: '0.0.1',
      extensions: [
        'classification',
        'schedule_policy',
        'model_configuration',
        'binary_tensor_data',
        'parameters',
        'statistics',
        'logging',
      ],
    },
  },
]

const generate = 'POST /v2/models/echo/generate'
const echo = { model_name: 'echo', model_version: '1' }

export const generateCases: readonly RestCase[] = [
  {
    title: 'F1 one tensor, its id',
    request: generate,
    body: '{"text_input":"hi","id":"1"}',
    status: 200,
    json: { id: '1', ...echo, text_output: 'hi', count: [], parameters: '{}' },
  },
  {
    title: 'a version',
    request: 'POST /v2/models/echo/versions/1/generate',
    body: '{"text_input":"é"}',
    status: 200,
    json: { ...echo, text_output: 'é', count: [], parameters: '{}' },
  },
  {
    title: 'F2 other keys, and members of parameters, are parameters or inputs',
    request: generate,
    body: '{"top_p":0.5,"parameters":{"text_input":["a","b"],"max_tokens":20,"stream":false},"stop":"."}',
    status: 200,
    json: {
      ...echo,
      text_output: ['a', 'b'],
      count: [],
      parameters: '{"top_p":0.5,"max_tokens":20,"stream":false,"stop":"."}',
    },
  },
  {
    title: 'shapes follow from the number of elements, int64 stays exact',
    request: generate,
    body: '{"text_input":["a","b"],"count":[1,2,3,9007199254740993]}',
    status: 200,
    text: '{"model_name":"echo","model_version":"1","text_output":["a","b"],"count":[1,2,3,9007199254740993],"parameters":"{}"}',
  },
  { title: 'elements that fill no row', request: generate, body: '{"text_input":"a","count":[1,2,3]}', status: 400 },
  {
    title: 'F4 a missing input',
    request: generate,
    body: '{"count":[1,2]}',
    status: 400,
    contains: `missing required input(s) ['text_input']`,
  },
  { title: 'an element of another type', request: generate, body: '{"text_input":1}', status: 400 },
  { title: 'a parameter that is a list', request: generate, body: '{"text_input":"a","stop":["."]}', status: 400 },
  { title: 'a reserved parameter', request: generate, body: '{"text_input":"a","triton_x":1}', status: 400 },
  { title: 'no object', request: generate, body: '[]', status: 400 },
  { title: 'no JSON', request: generate, body: '{', status: 400 },
  { title: 'an unknown model', request: 'POST /v2/models/nope/generate', body: '{}', status: 404 },
  { title: 'no such verb', request: 'GET /v2/models/echo/generate', status: 405 },
  {
    title: "MLServer 11: the body of an inference is answered as MLServer's generate is",
    request: generate,
    body: '{"inputs":[{"name":"text_input","shape":[1],"datatype":"BYTES","data":["hi"]}],"outputs":[{"name":"text_output"}]}',
    status: 200,
    json: { ...echo, outputs: [{ name: 'text_output', datatype: 'BYTES', shape: [1], data: ['hi'] }] },
  },
  {
    title: 'one response of a decoupled model',
    request: 'POST /v2/models/words/generate',
    body: '{"text_input":"hi"}',
    status: 200,
    json: { model_name: 'words', model_version: '1', text_output: 'hi' },
  },
  ...['one two', ''].map((text) => ({
    title: `F5 not one response: '${text}'`,
    request: 'POST /v2/models/words/generate',
    body: JSON.stringify({ text_input: text }),
    status: 400,
    contains: 'generate expects model to produce exactly 1 response',
  })),
  {
    title: 'B40 a decoupled model by infer',
    request: 'POST /v2/models/words/infer',
    body: '{"inputs":[{"name":"text_input","shape":[1],"datatype":"BYTES","data":["hi"]}]}',
    status: 501,
    json: error("HTTP end point doesn't support models with decoupled transaction policy"),
  },
]

const stream = 'POST /v2/models/words/generate_stream'
const event = (json: object) => `data: ${JSON.stringify(json)}\n\n`
const word = (text_output: string) => event({ id: '7', model_name: 'words', model_version: '1', text_output })
const sse = { 'content-type': 'text/event-stream; charset=utf-8' }

export const streamCases: readonly RestCase[] = [
  {
    title: 'an event for each response',
    request: stream,
    body: '{"id":"7","text_input":"one two three"}',
    status: 200,
    text: word('one') + word('two') + word('three'),
    answerHeaders: sse,
  },
  { title: 'no response', request: stream, body: '{"text_input":""}', status: 200, text: '', answerHeaders: sse },
  {
    title: 'one event of a model with one response',
    request: 'POST /v2/models/one/generate_stream',
    body: '{"name":"Rex"}',
    status: 200,
    text: event({ model_name: 'one', model_version: '1', name: 'Rex' }),
    answerHeaders: sse,
  },
  {
    title: 'F7 an error after the first event is an event',
    request: stream,
    body: '{"id":"7","text_input":"one bad"}',
    status: 200,
    text: word('one') + event({ error: 'a bad word' }),
    answerHeaders: sse,
  },
  {
    title: 'F7 an error before the first event is an answer',
    request: stream,
    body: '{"text_input":"bad"}',
    status: 400,
    json: error('a bad word'),
  },
  { title: 'a wrong body', request: stream, body: '{"text_input":1}', status: 400 },
  { title: 'an unknown model', request: 'POST /v2/models/nope/generate_stream', body: '{}', status: 404 },
  {
    title: "MLServer's streams",
    request: 'POST /v2/models/words/infer_stream',
    body: '{"inputs":[{"name":"text_input","shape":[1],"datatype":"BYTES","data":["hi"]}]}',
    status: 200,
    text: event({
      model_name: 'words',
      model_version: '1',
      outputs: [{ name: 'text_output', datatype: 'BYTES', shape: [1], data: ['hi'] }],
    }),
    answerHeaders: sse,
  },
]

const infer = 'POST /v2/models/echo/infer'
const text = '"inputs":[{"name":"text_input","shape":[1],"datatype":"BYTES","data":["hi"]}]'

export const parameterCases: readonly RestCase[] = [
  {
    title: 'headers that fit the pattern become parameters, reserved names and other headers do not',
    request: infer,
    headers: { 'x-trace-a': '1', 'X-Trace-B': '2', priority: 'u=1', 'x-other': '3', 'yx-trace-a': '4' },
    body: `{${text},"parameters":{"x-trace-b":"mine"}}`,
    status: 200,
    contains: JSON.stringify('{"x-trace-a":"1","x-trace-b":"mine"}'),
  },
  ...['"sequence_id":true', '"sequence_start":1', '"priority":-1', '"timeout":"x"', '"triton_final_response":true'].map(
    (parameters) => ({
      title: `a reserved parameter: ${parameters}`,
      request: infer,
      body: `{${text},"parameters":{${parameters}}}`,
      status: 400,
    }),
  ),
]
