/** V1 to TF Serving's letter: signatures, labels, states, `:classify` and `:regress`. */
import { afterAll, describe, expect, it } from 'vitest'
import type { RestCase } from './cases.ts'
import { checkCase } from './check.ts'
import { createTestApp, model } from './models.ts'
import { tensor } from '../../src/core/tensor.ts'

const labelled = model(
  'labelled',
  [
    { name: 'a', datatype: 'FP32', shape: [-1, 2] },
    { name: 'weight', datatype: 'INT64', shape: [-1] },
  ],
  [
    { name: 'names', datatype: 'BYTES', shape: [-1, 2] },
    { name: 'scores', datatype: 'FP32', shape: [-1, 2] },
  ],
  ({ inputs: [a] }) => {
    if (a?.datatype !== 'FP32') throw new Error('the data plane has checked')
    const names = Array.from(a.data, (_score, index) => Buffer.from(index % 2 === 0 ? 'cat' : 'dog'))
    return [tensor('names', 'BYTES', a.shape, names), tensor('scores', 'FP32', a.shape, a.data)]
  },
)
const text = model(
  'text',
  [{ name: 'text', datatype: 'BYTES', shape: [-1] }],
  [{ name: 'length', datatype: 'FP64', shape: [-1] }],
  ({ inputs: [input] }) => {
    if (input?.datatype !== 'BYTES') throw new Error('the data plane has checked')
    return [
      tensor(
        'length',
        'FP64',
        input.shape,
        Float64Array.from(input.data, ({ length }) => length),
      ),
    ]
  },
)
const app = createTestApp({ models: [labelled, text] })
afterAll(() => app.close())
const check = checkCase(app)

const error = (message: string) => ({ error: message })
const regress = 'POST /v1/models/half_plus_two:regress'
const classify = 'POST /v1/models/labelled:classify'
const refused = (title: string, body: string, message: string, request = regress): RestCase => ({
  title,
  request,
  body,
  status: 400,
  contains: message,
})

const cases: readonly RestCase[] = [
  { title: 'G28', request: regress, body: '{"examples":[{"x":80.0}]}', status: 200, json: { results: [42] } },
  {
    title: 'G29',
    request: 'POST /v1/models/half_plus_two/versions/123:classify',
    body: '{"signature_name":"serving_default","examples":[{"x":20.0}]}',
    status: 200,
    json: { results: [[['', 12]]] },
  },
  {
    title: 'labels, lists, integers for floats, a context that stands behind the examples',
    request: classify,
    body: '{"examples":[{"a":[0.1,0.9]},{"a":[3,4],"weight":[7]}],"context":{"weight":1,"other":"x"}}',
    status: 200,
    text: '{"results":[[["cat",0.1],["dog",0.9]],[["cat",3.0],["dog",4.0]]]}',
  },
  {
    title: 'strings and base64',
    request: 'POST /v1/models/text:regress',
    body: '{"examples":[{"text":"four"},{"text":{"b64":"AAE="}},{"text":["é"]}]}',
    status: 200,
    json: { results: [4, 2, 2] },
  },
  {
    title: 'NaN and infinities',
    request: regress,
    body: '{"examples":[{"x":-Infinity},{"x":NaN}]}',
    status: 200,
    text: '{"results":[-Infinity,NaN]}',
  },
  refused('an empty body', '', 'JSON Parse error: The document is empty'),
  refused('no object', '[]', 'Is not object'),
  refused('no examples', '{"instances":[1]}', "Missing 'examples' key"),
  refused('examples that are no list', '{"examples":{"x":1}}', 'must be an array'),
  refused('an example that is no object', '{"examples":[1]}', 'Example must be JSON object'),
  refused('an empty list', '{"examples":[]}', 'Input is empty.'),
  refused(
    'a signature name that is a number',
    '{"signature_name":1,"examples":[{"x":1}]}',
    "'signature_name' key must be a string value.",
  ),
  refused(
    'an unknown signature',
    '{"signature_name":"x","examples":[{"x":1}]}',
    'No signature was found with the name: x',
  ),
  refused(
    'a missing feature',
    '{"examples":[{"x":1},{"z":1}]}',
    'examples[1]: Feature: x (data type: float) is required but could not be found.',
  ),
  refused('a list that mixes kinds', '{"examples":[{"names":[1,2.5]}]}', 'feature: names expecting type: int64'),
  refused('null', '{"examples":[{"x":null}]}', 'feature: x has value null'),
  refused('an object', '{"examples":[{"x":{"y":1}}]}', 'feature: x has value'),
  refused('a nested list', '{"examples":[{"x":[[1]]}]}', 'feature: x has value'),
  refused('an integer beyond int64', '{"examples":[{"x":9223372036854775808}]}', 'Only int64_t is supported'),
  refused('text for a number', '{"examples":[{"x":"1"}]}', "Key: x. Data types don't match. Expected type: float"),
  refused(
    'too many values',
    '{"examples":[{"a":[1,2,3],"weight":1}]}',
    'Values size: 3 but output shape: [2]',
    classify,
  ),
  refused('a fraction for an integer', '{"examples":[{"a":[1,2],"weight":1.5}]}', 'Expected type: int64', classify),
  refused(
    'a model that gives no value per row',
    '{"examples":[{"a":[1,2],"weight":1}]}',
    "model 'labelled' cannot regress",
    'POST /v1/models/labelled:regress',
  ),
  {
    title: 'an unknown model',
    request: 'POST /v1/models/foo:classify',
    body: '{',
    status: 404,
    json: error('Servable not found for request: Latest(foo). Model with name foo does not exist.'),
  },
  {
    title: 'a known model that explains nothing, asked as KServe is',
    request: 'POST /v1/models/foo:explain',
    body: '{}',
    status: 404,
    json: error('Model with name foo does not exist.'),
  },
  {
    title: 'a label that no version has',
    request: 'POST /v1/models/half_plus_two/labels/stable:predict',
    body: '{"instances":[1]}',
    status: 400,
    json: error('Unrecognized servable version label: stable'),
  },
  {
    title: 'the metadata of a label',
    request: 'GET /v1/models/half_plus_two/labels/stable/metadata',
    status: 400,
    json: error('Unrecognized servable version label: stable'),
  },
  {
    title: 'a label without a verb',
    request: 'POST /v1/models/half_plus_two/labels/stable',
    status: 400,
    contains: 'Malformed request',
  },
  {
    title: 'the states of a label are those of all versions',
    request: 'GET /v1/models/half_plus_two/labels/stable',
    status: 200,
    contains: '"version":"123"',
  },
  {
    title: 'the state of one version, as TF Serving alone writes it',
    request: 'GET /v1/models/half_plus_two/versions/122',
    status: 200,
    json: {
      model_version_status: [{ version: '122', state: 'AVAILABLE', status: { error_code: 'OK', error_message: '' } }],
    },
  },
  {
    title: 'the state of a version that loads',
    request: 'GET /v1/models/loading/versions/1',
    status: 200,
    contains: '"state":"LOADING"',
  },
  {
    title: 'the metadata of an unknown model',
    request: 'GET /v1/models/foo/metadata',
    status: 404,
    json: error('Servable not found for request: Latest(foo). Model with name foo does not exist.'),
  },
  {
    title: 'the metadata of an unknown version',
    request: 'GET /v1/models/simple/versions/7/metadata',
    status: 404,
    json: error('Servable not found for request: Specific(simple, 7)'),
  },
  {
    title: 'the metadata of a version beyond int64',
    request: 'GET /v1/models/simple/versions/9223372036854775808/metadata',
    status: 400,
    contains: 'Failed to convert version',
  },
  {
    title: 'leading zeros of a version',
    request: 'POST /v1/models/half_plus_two/versions/00000123:predict',
    body: '{"instances":[1.0]}',
    status: 200,
    json: { predictions: [2.5] },
  },
  ...['POST', 'DELETE'].map((method): RestCase => ({
    title: 'metadata is only read',
    request: `${method} /v1/models/simple/versions/1/metadata`,
    status: 400,
    json: error(`Malformed request: ${method} /v1/models/simple/versions/1/metadata`),
  })),
  {
    title: 'an empty signature name',
    request: 'POST /v1/models/half_plus_two:predict',
    body: '{"signature_name":"","instances":[1.0]}',
    status: 200,
    json: { predictions: [2.5] },
  },
]

describe('V1 as TF Serving', () => {
  it.each(cases)('$title: $request', check)

  it('describes the signature of a model', async () => {
    const info = (name: string) => ({
      dtype: 'DT_INT32',
      tensor_shape: {
        dim: [
          { size: '-1', name: '' },
          { size: '16', name: '' },
        ],
        unknown_rank: false,
      },
      name: `${name}:0`,
    })
    for (const url of ['/v1/models/simple/metadata', '/v1/models/simple/versions/1/metadata']) {
      expect((await app.inject(url)).json()).toEqual({
        model_spec: { name: 'simple', signature_name: '', version: '1' },
        metadata: {
          signature_def: {
            signature_def: {
              serving_default: {
                inputs: { INPUT0: info('INPUT0'), INPUT1: info('INPUT1') },
                outputs: { OUTPUT0: info('OUTPUT0'), OUTPUT1: info('OUTPUT1') },
                method_name: 'tensorflow/serving/predict',
                defaults: {},
              },
            },
          },
        },
      })
    }
  })

  it('leaves the rank open where a model takes any', async () => {
    const answer = await app.inject('/v1/models/half_plus_two/metadata')
    expect(answer.body).toContain('"tensor_shape":{"dim":[],"unknown_rank":true}')
  })
})
