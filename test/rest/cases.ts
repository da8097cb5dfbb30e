/** Requests and what they are answered, as data: the cases of V2 and V1 REST, by their numbers where they have one. */

export interface RestCase {
  /** Number of the case and what it shows. */
  readonly title: string
  /** 'GET /path' or 'POST /path'. */
  readonly request: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  readonly status: number
  /** The whole answer as a JSON value. */
  readonly json?: unknown
  /** The whole answer as text, where a JSON value would lose something. */
  readonly text?: string
  /** A part of the answer's text. */
  readonly contains?: string
  readonly answerHeaders?: Readonly<Record<string, string>>
}

const counting = Array.from({ length: 16 }, (_, index) => index + 1)
const doubled = counting.map((value) => 2 * value)
const zeros = counting.map(() => 0)
const int32 = (values: readonly number[]) => new Uint8Array(Int32Array.from(values).buffer)

/** An infer body for 'simple': INPUT0 counts from 1 to 16. */
function simple(input1: object = { data: counting }, rest: object = {}, input0: object = { data: counting }): string {
  const inputs = [
    { name: 'INPUT0', datatype: 'INT32', shape: [1, 16], ...input0 },
    { name: 'INPUT1', datatype: 'INT32', shape: [1, 16], ...input1 },
  ]
  return JSON.stringify({ inputs, ...rest })
}

/** An infer body for an identity model; `data` is text of JSON, so that it may hold what JSON cannot. */
function identity(datatype: string, shape: readonly number[], data: string): string {
  return `{"inputs":[{"name":"IN","datatype":"${datatype}","shape":[${shape.join()}],"data":${data}}]}`
}

function binary(header: object, ...tensors: readonly Uint8Array[]): Pick<RestCase, 'headers' | 'body'> {
  const json = Buffer.from(JSON.stringify(header))
  return {
    headers: { 'inference-header-content-length': String(json.length) },
    body: Buffer.concat([json, ...tensors]),
  }
}

const sum = { name: 'OUTPUT0', datatype: 'INT32', shape: [1, 16], data: doubled }
const difference = { name: 'OUTPUT1', datatype: 'INT32', shape: [1, 16], data: zeros }
const both = { model_name: 'simple', model_version: '1', outputs: [sum, difference] }
const error = (message: string) => ({ error: message })
const infer = 'POST /v2/models/simple/infer'

const two = [
  { name: 'INPUT0', datatype: 'INT32', shape: [1, 16], parameters: { binary_data_size: 64 } },
  { name: 'INPUT1', datatype: 'INT32', shape: [1, 16], parameters: { binary_data_size: 64 } },
]
const flat = { datatype: 'INT32', shape: [1, 16], data: counting, parameters: {} }

const metadata = {
  name: 'simple',
  versions: ['1'],
  platform: 'onnxruntime_onnx',
  inputs: ['INPUT0', 'INPUT1'].map((name) => ({ name, datatype: 'INT32', shape: [-1, 16] })),
  outputs: ['OUTPUT0', 'OUTPUT1'].map((name) => ({ name, datatype: 'INT32', shape: [-1, 16] })),
  parameters: { device: 'cpu', device_reason: 'no driver', placement: 'inline' },
}

export const healthCases: readonly RestCase[] = [
  { title: 'A1 live', request: 'GET /v2/health/live', status: 200, json: { live: true } },
  { title: 'A3 not ready while a model loads', request: 'GET /v2/health/ready', status: 503, json: { ready: false } },
  {
    title: 'A4 server metadata',
    request: 'GET /v2',
    status: 200,
    json: {
      name: 'servable',
      version: '0.0.1',
      extensions: ['classification', 'schedule_policy', 'model_configuration', 'binary_tensor_data', 'parameters'],
    },
  },
  { title: 'A4 with a slash', request: 'GET /v2/', status: 200, contains: '"name":"servable"' },
  { title: 'A5 model metadata', request: 'GET /v2/models/simple', status: 200, json: metadata },
  { title: 'A6 of one version', request: 'GET /v2/models/simple/versions/1', status: 200, json: metadata },
  {
    title: 'A6 one version lists only itself',
    request: 'GET /v2/models/half_plus_two/versions/122',
    status: 200,
    contains: '"versions":["122"]',
  },
  {
    title: 'A8 readiness of an unknown model',
    request: 'GET /v2/models/nope/ready',
    status: 404,
    json: error('Model with name nope does not exist.'),
  },
  { title: 'model ready', request: 'GET /v2/models/simple/ready', status: 200, json: { name: 'simple', ready: true } },
  {
    title: 'model not ready',
    request: 'GET /v2/models/loading/ready',
    status: 503,
    json: { name: 'loading', ready: false, error: 'Model with name loading is not ready. still loading' },
  },
  {
    title: 'A9 unknown version',
    request: 'GET /v2/models/simple/versions/99',
    status: 404,
    json: error("Request for unknown model: 'simple' version 99 is not found"),
  },
  {
    title: 'A11 wrong verb',
    request: 'POST /v2/health/live',
    status: 405,
    json: error('Method Not Allowed'),
    answerHeaders: { allow: 'GET, HEAD' },
  },
  {
    title: 'wrong verb on infer, with a body that nobody reads',
    request: 'PUT /v2/models/simple/infer',
    body: '{',
    status: 405,
    json: error('Method Not Allowed'),
    answerHeaders: { allow: 'POST' },
  },
  { title: 'A12 unknown path', request: 'GET /v2/nothing', status: 404, json: error('Not Found') },
  { title: 'unknown path with a body', request: 'POST /nothing', body: 'x', status: 404, json: error('Not Found') },
  { title: 'alive', request: 'GET /', status: 200, json: { status: 'alive' } },
  { title: 'HEAD on health', request: 'HEAD /v2/health/live', status: 200, text: '' },
  {
    title: 'a name with a slash',
    request: 'GET /v2/models/a%2Fb/ready',
    status: 200,
    json: { name: 'a/b', ready: true },
  },
  {
    title: 'a name with a space',
    request: 'GET /v2/models/two%20words/ready',
    status: 200,
    json: { name: 'two words', ready: true },
  },
  {
    title: 'a name beyond ASCII',
    request: 'GET /v2/models/gr%C3%B6%C3%9Fe/ready',
    status: 200,
    json: { name: 'größe', ready: true },
  },
  { title: 'a broken escape', request: 'GET /v2/models/%ZZ', status: 400, contains: '{"error":"' },
  {
    title: 'a long name',
    request: `GET /v2/models/${'n'.repeat(2000)}`,
    status: 404,
    contains: 'does not exist.',
  },
]

export const inferCases: readonly RestCase[] = [
  {
    title: 'B1 both outputs',
    request: infer,
    body: simple(),
    status: 200,
    json: both,
    answerHeaders: { 'content-type': 'application/json' },
  },
  {
    title: 'A14 an odd Content-Type',
    request: infer,
    headers: { 'content-type': 'what?' },
    body: simple(),
    status: 200,
    json: both,
  },
  {
    title: 'A14 the Content-Type of curl -d',
    request: infer,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: simple(),
    status: 200,
    json: both,
  },
  {
    title: 'a Content-Type with a charset',
    request: infer,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: simple(),
    status: 200,
    json: both,
  },
  {
    title: 'an id comes back',
    request: infer,
    body: simple(undefined, { id: 'a1' }),
    status: 200,
    json: { id: 'a1', ...both },
  },
  { title: 'B3 an empty id does not', request: infer, body: simple(undefined, { id: '' }), status: 200, json: both },
  { title: 'B4 an id that is no string', request: infer, body: simple(undefined, { id: 42 }), status: 400 },
  { title: 'B5 nested data', request: infer, body: simple({ data: [counting] }), status: 200, json: both },
  {
    title: 'B6 one output wanted',
    request: infer,
    body: simple(undefined, { outputs: [{ name: 'OUTPUT1' }] }),
    status: 200,
    json: { ...both, outputs: [difference] },
  },
  {
    title: 'B7 an output wanted twice',
    request: infer,
    body: simple(undefined, { outputs: [{ name: 'OUTPUT1' }, { name: 'OUTPUT1' }] }),
    status: 400,
    json: error("output 'OUTPUT1' already exists in request"),
  },
  {
    title: 'an unknown output',
    request: infer,
    body: simple(undefined, { outputs: [{ name: 'ZZZ' }] }),
    status: 400,
    contains: "unexpected inference output 'ZZZ' for model 'simple'",
  },
  {
    title: 'B9 an input is missing',
    request: infer,
    body: JSON.stringify({ inputs: [{ name: 'INPUT0', datatype: 'INT32', shape: [1, 16], data: counting }] }),
    status: 400,
    contains:
      "expected 2 inputs but got 1 inputs for model 'simple'. Got input(s) ['INPUT0'], but missing required input(s) ['INPUT1']. Please provide all required input(s).",
  },
  {
    title: 'B10 an unknown input',
    request: infer,
    body: JSON.stringify({ inputs: [...two, { name: 'ZZZ' }].map((input) => ({ ...input, ...flat })) }),
    status: 400,
    contains: 'ZZZ',
  },
  {
    title: 'B12 a wrong shape',
    request: infer,
    body: simple(undefined, {}, { shape: [1, 17], data: [...counting, 17] }),
    status: 400,
    contains: "unexpected shape for input 'INPUT0' for model 'simple'. Expected [-1,16], got [1,17].",
  },
  {
    title: 'B13 an element too few',
    request: infer,
    body: simple(undefined, {}, { data: counting.slice(1) }),
    status: 400,
    contains: 'INPUT0',
  },
  {
    title: 'an element too many',
    request: infer,
    body: simple(undefined, {}, { data: [...counting, 17] }),
    status: 400,
    contains: 'INPUT0',
  },
  { title: 'B15 a negative dimension', request: infer, body: simple(undefined, {}, { shape: [1, -16] }), status: 400 },
  {
    title: 'B16 more elements than can be',
    request: infer,
    body: simple(undefined, {}, { shape: [2 ** 62, 16] }),
    status: 400,
  },
  {
    title: 'B18 batches that differ',
    request: infer,
    body: simple({ shape: [2, 16], data: [...counting, ...counting] }),
    status: 400,
    contains: 'batch size does not match other inputs',
  },
  {
    title: 'B19 an input without data',
    request: infer,
    body: simple({}),
    status: 400,
    contains: "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters'",
  },
  { title: 'B21 JSON cut off', request: infer, body: '{', status: 400 },
  { title: 'an empty body', request: infer, body: '', status: 400 },
  { title: 'an array as body', request: infer, body: '[]', status: 400 },
  { title: 'no inputs', request: infer, body: '{}', status: 400, contains: 'inputs' },
  { title: 'an empty list of inputs', request: infer, body: '{"inputs":[]}', status: 400 },
  {
    title: 'an unknown datatype',
    request: infer,
    body: simple({ datatype: 'FP99', data: counting }),
    status: 400,
    contains: 'INPUT1',
  },
  {
    title: 'another datatype',
    request: infer,
    body: simple({ datatype: 'INT64', data: counting }),
    status: 400,
    contains: "inference input 'INPUT1' data-type is 'INT64', but model 'simple' expects 'INT32'",
  },
  {
    title: 'B22 FP16 as numbers',
    request: 'POST /v2/models/identity_fp16/infer',
    body: identity('FP16', [1], '[1]'),
    status: 400,
    contains: 'receiving FP16 data via JSON is not supported. Please use the binary data format for input IN',
  },
  {
    title: 'B22 BF16 as numbers',
    request: 'POST /v2/models/identity_bf16/infer',
    body: identity('BF16', [1], '[1]'),
    status: 400,
    contains: 'receiving BF16 data via JSON is not supported. Please use the binary data format for input IN',
  },
  {
    title: 'B24 NaN and infinities',
    request: 'POST /v2/models/identity_fp32/infer',
    body: identity('FP32', [3], '[NaN, Infinity, -Infinity]'),
    status: 200,
    contains: '"data":[NaN,Infinity,-Infinity]',
  },
  {
    title: 'B25 an exact int64',
    request: 'POST /v2/models/identity_int64/infer',
    body: identity('INT64', [1], '[9007199254740993]'),
    status: 200,
    contains: '"data":[9007199254740993]',
  },
  {
    title: 'B27 a string for a number',
    request: infer,
    body: simple(undefined, {}, { data: ['7', ...counting.slice(1)] }),
    status: 400,
    contains: 'INPUT0',
  },
  {
    title: 'B27 a fraction for an integer',
    request: infer,
    body: simple(undefined, {}, { data: [1.5, ...counting.slice(1)] }),
    status: 400,
    contains: 'INPUT0',
  },
  {
    title: 'a number out of range',
    request: 'POST /v2/models/identity_int8/infer',
    body: identity('INT8', [1], '[300]'),
    status: 400,
    contains: 'IN',
  },
  {
    title: 'B28 strings, NUL included',
    request: 'POST /v2/models/identity_bytes/infer',
    body: identity('BYTES', [2], '["a","é\\u0000"]'),
    status: 200,
    json: {
      model_name: 'identity_bytes',
      model_version: '1',
      outputs: [{ name: 'OUT', datatype: 'BYTES', shape: [2], data: ['a', 'é\u0000'] }],
    },
  },
  {
    title: 'B30 no elements',
    request: 'POST /v2/models/identity_matrix/infer',
    body: identity('FP32', [0, 16], '[]'),
    status: 200,
    json: {
      model_name: 'identity_matrix',
      model_version: '1',
      outputs: [{ name: 'OUT', datatype: 'FP32', shape: [0, 16], data: [] }],
    },
  },
  {
    title: 'B31 a parameter that is an object',
    request: infer,
    body: simple(undefined, { parameters: { my: { a: 1 } } }),
    status: 400,
    contains: "parameter 'my' has invalid type. It should be either 'int', 'bool', or 'string'.",
  },
  {
    title: 'B33 a negative priority',
    request: infer,
    body: simple(undefined, { parameters: { priority: -1 } }),
    status: 400,
  },
  {
    title: 'B33 a timeout that is a string',
    request: infer,
    body: simple(undefined, { parameters: { timeout: 'x' } }),
    status: 400,
  },
  {
    title: 'B34 a body over the limit',
    request: infer,
    body: new Uint8Array(65 * 1024 * 1024),
    status: 413,
    contains: 'max-request-bytes',
  },
  {
    title: 'B36 an unknown Content-Encoding',
    request: infer,
    headers: { 'content-encoding': 'br' },
    body: simple(),
    status: 415,
    contains: "'br'",
    answerHeaders: { 'accept-encoding': 'gzip, deflate' },
  },
  {
    title: 'B39 by version',
    request: 'POST /v2/models/simple/versions/1/infer',
    body: simple(),
    status: 200,
    json: both,
  },
  {
    title: 'an unknown version',
    request: 'POST /v2/models/simple/versions/99/infer',
    body: simple(),
    status: 404,
    json: error("Request for unknown model: 'simple' version 99 is not found"),
  },
  {
    title: 'an unknown model, whatever the body',
    request: 'POST /v2/models/nope/infer',
    body: '{',
    status: 404,
    json: error('Model with name nope does not exist.'),
  },
  {
    title: 'a model that is not ready',
    request: 'POST /v2/models/loading/infer',
    body: simple(),
    status: 503,
    contains: 'Model with name loading is not ready.',
    answerHeaders: { 'retry-after': '1' },
  },
  {
    title: 'a model that throws',
    request: 'POST /v2/models/broken/infer',
    body: '{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}',
    status: 500,
    json: error('internal error'),
  },
  {
    title: 'a full queue',
    request: 'POST /v2/models/full/infer',
    body: '{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}',
    status: 503,
    json: error('Exceeds maximum queue size'),
    answerHeaders: { 'retry-after': '3' },
  },
  {
    title: 'a given request id comes back',
    request: infer,
    headers: { 'x-request-id': 'r-1' },
    body: simple(),
    status: 200,
    answerHeaders: { 'x-request-id': 'r-1' },
  },
  {
    title: 'with an error too',
    request: infer,
    headers: { 'x-request-id': 'r-2' },
    body: '{',
    status: 400,
    answerHeaders: { 'x-request-id': 'r-2' },
  },
]

const raw = int32(counting)
const one = (datatype: string, shape: readonly number[], size: number) => ({
  inputs: [{ name: 'IN', datatype, shape, parameters: { binary_data_size: size } }],
})

export const binaryCases: readonly RestCase[] = [
  {
    title: 'C1 binary in, JSON out',
    request: infer,
    ...binary({ inputs: two }, raw, raw),
    status: 200,
    json: both,
    answerHeaders: { 'content-type': 'application/json' },
  },
  {
    title: 'C5 JSON where the output says so',
    request: infer,
    ...binary(
      {
        inputs: two,
        outputs: [{ name: 'OUTPUT0', parameters: { binary_data: false } }],
        parameters: { binary_data_output: true },
      },
      raw,
      raw,
    ),
    status: 200,
    json: { ...both, outputs: [sum] },
  },
  {
    title: 'C6 JSON and binary inputs mixed',
    request: infer,
    ...binary({ inputs: [{ ...two[0], parameters: {}, data: counting }, two[1]] }, raw),
    status: 200,
    json: both,
  },
  ...['abc', '-1', '1e2', '0x10', '999999'].map((length): RestCase => ({
    title: `C8 a header length of ${length}`,
    request: infer,
    ...binary({ inputs: two }, raw, raw),
    headers: { 'inference-header-content-length': length },
    status: 400,
    contains: 'inference header size should be in range (0, ',
  })),
  {
    title: 'a raw request to a model with two inputs',
    request: infer,
    body: raw,
    headers: { 'inference-header-content-length': '0' },
    status: 400,
    contains: 'Raw request must only have 1 input (found 1) to be deduced but got 2 inputs',
  },
  {
    title: 'C9 bytes left over',
    request: infer,
    ...binary({ inputs: two }, raw, raw, new Uint8Array(4)),
    status: 400,
    json: error("unexpected additional input data for model 'simple'"),
  },
  {
    title: 'bytes missing',
    request: infer,
    ...binary({ inputs: two }, raw),
    status: 400,
    contains: 'INPUT1',
  },
  {
    title: 'C11 a wrong size',
    request: infer,
    ...binary({ inputs: [{ ...two[0], parameters: { binary_data_size: 60 } }, two[1]] }, raw.subarray(4), raw),
    status: 400,
    json: error("input byte size mismatch for input 'INPUT0' for model 'simple'. Expected 64, got 60"),
  },
  {
    title: 'C12 data and a size',
    request: infer,
    ...binary({ inputs: [{ ...two[0], data: counting }, two[1]] }, raw, raw),
    status: 400,
    contains: "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters'",
  },
  {
    title: 'C14 a string that runs past the end',
    request: 'POST /v2/models/identity_bytes/infer',
    ...binary(one('BYTES', [1], 5), Uint8Array.of(9, 0, 0, 0, 65)),
    status: 400,
    contains: 'incomplete string',
  },
  {
    title: 'C15 a string too few',
    request: 'POST /v2/models/identity_bytes/infer',
    ...binary(one('BYTES', [3], 9), Uint8Array.of(1, 0, 0, 0, 65, 0, 0, 0, 0)),
    status: 400,
    json: error("expected 3 string elements for inference input 'IN', got 2"),
  },
]

const half = (path = '') => `POST /v1/models/half_plus_two${path}:predict`

export const v1Cases: readonly RestCase[] = [
  {
    title: 'G1 rows',
    request: half(),
    body: '{"instances":[[1.0,2.0],[3.0,4.0]]}',
    status: 200,
    json: {
      predictions: [
        [2.5, 3],
        [3.5, 4],
      ],
    },
  },
  {
    title: 'G2 by version',
    request: half('/versions/123'),
    body: '{"instances":[1.0,2.0]}',
    status: 200,
    json: { predictions: [2.5, 3] },
  },
  {
    title: 'G4 columns',
    request: half(),
    body: '{"signature_name":"serving_default","inputs":[3.0,4.0]}',
    status: 200,
    json: { outputs: [3.5, 4] },
  },
  { title: 'G5 a named input', request: half(), body: '{"inputs":{"x":[3.0]}}', status: 200, json: { outputs: [3.5] } },
  {
    title: 'G7 an unknown model',
    request: 'POST /v1/models/foo:predict',
    body: '{"instances":[1]}',
    status: 404,
    json: error('Servable not found for request: Latest(foo). Model with name foo does not exist.'),
  },
  {
    title: 'G8 an unknown version',
    request: half('/versions/50'),
    body: '{"instances":[1]}',
    status: 404,
    json: error('Servable not found for request: Specific(half_plus_two, 50)'),
  },
  {
    title: 'G8 of an unknown model',
    request: 'POST /v1/models/foo/versions/50:predict',
    body: '{',
    status: 404,
    json: error('Servable not found for request: Specific(foo, 50)'),
  },
  { title: 'G10 an empty body', request: half(), body: '', status: 400, contains: 'The document is empty' },
  {
    title: 'G11 no JSON',
    request: half(),
    body: 'instances = [1, 2]',
    status: 400,
    contains: 'JSON Parse error: Invalid value',
  },
  {
    title: 'G13 a signature name that is a number',
    request: half(),
    body: '{"signature_name":100,"instances":[1]}',
    status: 400,
    contains: "'signature_name' key must be a string value.",
  },
  {
    title: 'G14 instances and inputs',
    request: half(),
    body: '{"instances":[1],"inputs":[1]}',
    status: 400,
    contains: 'Not formatted correctly',
  },
  { title: 'neither', request: half(), body: '{}', status: 400, contains: "Missing 'inputs' or 'instances' key" },
  { title: 'instances that are no list', request: half(), body: '{"instances":1}', status: 400 },
  {
    title: 'G16 ragged rows',
    request: half(),
    body: '{"instances":[[1,2],[3,4],[5,6,7]]}',
    status: 400,
    contains: 'Expecting tensor size',
  },
  {
    title: 'G17 ranks that differ',
    request: half(),
    body: '{"instances":[1,[1]]}',
    status: 400,
    contains: 'Expecting shape',
  },
  {
    title: 'G17 deeper in',
    request: half(),
    body: '{"instances":[[1,2],[3,4],[[5,6]]]}',
    status: 400,
    contains: 'Expecting shape',
  },
  {
    title: 'G20 beyond float32',
    request: half(),
    body: '{"instances":[1.797e308,-1.797e308]}',
    status: 200,
    contains: 'Infinity',
  },
  {
    title: 'G31 states of all versions',
    request: 'GET /v1/models/half_plus_two',
    status: 200,
    json: {
      name: 'half_plus_two',
      ready: true,
      model_version_status: ['123', '122'].map((version) => ({
        version,
        state: 'AVAILABLE',
        status: { error_code: 'OK', error_message: '' },
      })),
    },
  },
  {
    title: 'G31 of one version',
    request: 'GET /v1/models/half_plus_two/versions/122',
    status: 200,
    contains: '"model_version_status":[{"version":"122"',
  },
  {
    title: 'G32 an unknown model',
    request: 'GET /v1/models/foo',
    status: 404,
    json: error('Could not find any versions of model foo. Model with name foo does not exist.'),
  },
  {
    title: 'an unknown version',
    request: 'GET /v1/models/half_plus_two/versions/50',
    status: 404,
    json: error('Could not find version 50 of model half_plus_two'),
  },
  {
    title: 'not ready',
    request: 'GET /v1/models/loading',
    status: 503,
    contains: 'Model with name loading is not ready.',
    answerHeaders: { 'retry-after': '1' },
  },
  {
    title: 'not ready to predict',
    request: 'POST /v1/models/loading:predict',
    body: '{',
    status: 503,
    contains: 'Model with name loading is not ready.',
  },
  ...[
    'POST /v1/models/half_plus_two/metadata',
    'GET /v1/models/half_plus_two:predict',
    'POST /v1/models/half_plus_two:frobnicate',
    'POST /v1/models/:predict',
    'GET /v1/models/half_plus_two/version/50',
    'GET /v1/models/half_plus_two/label/x',
    'GET /v1/models/half_plus_two/versions/HELLO',
    'POST /v1/models/half_plus_two/versions/HELLO:predict',
    'GET /v1/models/half_plus_two/versions/50/labels/x',
    'GET /v1/foo',
  ].map((request): RestCase => ({ title: 'G34', request, status: 400, json: error(`Malformed request: ${request}`) })),
  {
    title: 'G35 a version beyond int64',
    request: 'POST /v1/models/half_plus_two/versions/18446744073709551615:regress',
    body: '{}',
    status: 400,
    contains: 'Failed to convert version',
  },
  {
    title: 'a known path with the wrong verb',
    request: 'POST /v1/models/half_plus_two',
    body: '{}',
    status: 405,
    json: error('Method Not Allowed'),
    answerHeaders: { allow: 'GET, HEAD' },
  },
  {
    title: 'another wrong verb',
    request: 'DELETE /v1/models/half_plus_two',
    status: 405,
    json: error('Method Not Allowed'),
  },
  {
    title: 'no explainer',
    request: 'POST /v1/models/half_plus_two:explain',
    body: '{"instances":[1]}',
    status: 501,
    json: error('Model with name half_plus_two has no explainer.'),
  },
  {
    title: 'a model that throws',
    request: 'POST /v1/models/broken:predict',
    body: '{"instances":[1]}',
    status: 500,
    json: error('internal error'),
  },
  {
    title: 'a Content-Type with a charset',
    request: half(),
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: '{"instances":[1]}',
    status: 200,
  },
  {
    title: 'the Content-Type of curl -d',
    request: half(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: '{"instances":[1]}',
    status: 200,
  },
  {
    title: 'a name with a colon',
    request: 'POST /v1/models/team:model:predict',
    body: '{"instances":[1]}',
    status: 200,
    json: { predictions: [2.5] },
  },
  {
    title: 'a name with a slash',
    request: 'POST /v1/models/a%2Fb:predict',
    body: '{"instances":[1]}',
    status: 200,
    json: { predictions: [2.5] },
  },
  {
    title: 'a colon as escape',
    request: 'POST /v1/models/team%3Amodel%3Apredict',
    body: '{"instances":[1]}',
    status: 200,
    json: { predictions: [2.5] },
  },
  {
    title: 'the status of a name with a colon',
    request: 'GET /v1/models/team:model',
    status: 200,
    contains: '"name":"team:model"',
  },
]
