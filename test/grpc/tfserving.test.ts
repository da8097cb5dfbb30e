/** TF Serving's services over a socket: the cases of block H, and what clients of every language send. */
import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ModelRef } from '../../src/core/inference.ts'
import { gated, identity, simple } from './models.ts'
import { failure, startServer, type Harness, type Message } from './support.ts'
import { messageCodec, ServingClient } from './tfserving-client.ts'
import { classifier, halfPlusTwo, textLength } from './tfserving-models.ts'

const shapeOf = (...dims: readonly number[]) => ({ dim: dims.map((size) => ({ size })) })
const floats = (values: readonly number[], ...dims: readonly number[]): Message => ({
  dtype: 'DT_FLOAT',
  tensor_shape: shapeOf(...dims),
  float_val: values,
})
const half = (spec: object = {}, rest: object = {}): Message => ({
  model_spec: { name: 'half_plus_two', ...spec },
  inputs: { x: floats([2], 1) },
  ...rest,
})
const example = (features: Readonly<Record<string, object>>) => ({ features: { feature: features } })
const float = (...value: readonly number[]) => ({ float_list: { value } })
const int64 = (...value: readonly (number | string)[]) => ({ int64_list: { value } })
const bytes = (...value: readonly string[]) => ({ bytes_list: { value: value.map((text) => Buffer.from(text)) } })
const list = (...examples: readonly object[]) => ({ example_list: { examples } })
const row = (weight: number) => example({ a: float(weight / 2, weight / 4), weight: int64(weight) })

const refusals: { ref: ModelRef; protocol: string; code: string }[] = []
let harness: Harness
let client: ServingClient
beforeAll(async () => {
  harness = await startServer(
    { half_plus_two: halfPlusTwo, simple, identity, classifier, text_length: textLength },
    { metrics: { countRefusal: (ref, protocol, _verb, code) => refusals.push({ ref, protocol, code }) } },
  )
  client = new ServingClient(harness.port)
})
afterAll(async () => {
  client.close()
  await harness.close()
})

async function failsWith(answer: Promise<unknown>, code: status, details: string | RegExp): Promise<void> {
  const error = await failure(answer)
  expect([status[error.code], error.details]).toEqual([status[code], expect.stringMatching(details)])
}
const literally = (text: string) => new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`)

describe('Predict', () => {
  it('H1 answers by typed values, with the version and signature that ran', async () => {
    const { outputs, model_spec: spec } = await client.call('Predict', half({ signature_name: '' }))
    expect(outputs['y']).toMatchObject({
      dtype: 'DT_FLOAT',
      float_val: [3],
      tensor_shape: { dim: [{ size: '1' }, { size: '1' }] },
    })
    expect(outputs['y']?.tensor_content).toHaveLength(0)
    expect(spec).toMatchObject({ name: 'half_plus_two', version: { value: '123' }, signature_name: 'serving_default' })
  })

  it('names the version, by number', async () => {
    const { outputs } = await client.call('Predict', half({ version: { value: 123 }, signature_name: 'predict' }))
    expect(outputs['y']?.['float_val']).toEqual([3])
  })

  it('takes tensor_content', async () => {
    const content = Buffer.from(Float32Array.of(2, 4, 6).buffer)
    const x = { dtype: 'DT_FLOAT', tensor_shape: shapeOf(3, 1), tensor_content: content }
    const { outputs } = await client.call('Predict', half({}, { inputs: { x } }))
    expect(outputs['y']?.['float_val']).toEqual([3, 4, 5])
  })

  it('H3 repeats the last value as often as the shape asks for', async () => {
    const { outputs } = await client.call('Predict', half({}, { inputs: { x: floats([2], 4) } }))
    expect(outputs['y']?.['float_val']).toEqual([3, 3, 3, 3])
    const two = await client.call('Predict', half({}, { inputs: { x: floats([2, 4], 4, 1) } }))
    expect(two.outputs['y']?.['float_val']).toEqual([3, 4, 4, 4])
    const none = await client.call('Predict', half({}, { inputs: { x: floats([], 2, 1) } }))
    expect(none.outputs['y']?.['float_val']).toEqual([2, 2])
  })

  it('refuses shapes that ask for absurd amounts of memory', async () => {
    for (const dims of [[1 << 30], [1 << 30, 1 << 30, 1 << 30]]) {
      await failsWith(
        client.call('Predict', half({}, { inputs: { x: floats([2], ...dims) } })),
        status.INVALID_ARGUMENT,
        /input 'x': tensor_shape/,
      )
    }
  })

  it('H4 answers the outputs that are asked for', async () => {
    const filtered = (...outputs: readonly string[]) => client.call('Predict', half({}, { output_filter: outputs }))
    expect(Object.keys((await filtered('y')).outputs)).toEqual(['y'])
    await failsWith(
      filtered('zz'),
      status.INVALID_ARGUMENT,
      literally('output tensor alias not found in signature: zz Outputs expected to be in the set {y}.'),
    )
    await failsWith(filtered('y', 'y'), status.INVALID_ARGUMENT, literally('duplicate output tensor alias: y'))
  })

  it('H6 answers NOT_FOUND for an unknown model and an unknown version', async () => {
    await failsWith(
      client.call('Predict', { model_spec: { name: 'foo' } }),
      status.NOT_FOUND,
      literally('Servable not found for request: Latest(foo)'),
    )
    await failsWith(
      client.call('Predict', half({ version: { value: 50 } })),
      status.NOT_FOUND,
      literally('Servable not found for request: Specific(half_plus_two, 50)'),
    )
    await failsWith(
      client.call('Predict', half({ version: { value: -1 } })),
      status.NOT_FOUND,
      /Specific\(half_plus_two, -1\)/,
    )
    expect(refusals).toContainEqual({ ref: { name: 'foo' }, protocol: 'grpc-v1', code: 'not_found' })
  })

  it('H7 answers FAILED_PRECONDITION for an unknown signature', async () => {
    await failsWith(
      client.call('Predict', half({ signature_name: 'nope' })),
      status.FAILED_PRECONDITION,
      literally('Serving signature key "nope" not found.'),
    )
  })

  it('H13 tells why a model did not load, and goes on', async () => {
    await harness.repository.load({
      ref: { name: 'bad', version: '1' },
      runtime: 'test',
      load: () => Promise.reject(new Error('variable W is uninitialised')),
    })
    const error = await failure(client.call('Predict', { model_spec: { name: 'bad' } }))
    expect(error.code).toBe(status.FAILED_PRECONDITION)
    expect((await client.call('Predict', half())).outputs['y']?.['float_val']).toEqual([3])
    await harness.repository.unload({ name: 'bad' })
  })

  it('answers NOT_FOUND for an unloaded model', async () => {
    await harness.add('leaving', simple)
    await harness.repository.unload({ name: 'leaving' })
    await failsWith(client.call('Predict', { model_spec: { name: 'leaving' } }), status.NOT_FOUND, /Latest\(leaving\)/)
  })

  it('refuses what names no model, or a version by an unknown label', async () => {
    await failsWith(client.call('Predict', {}), status.INVALID_ARGUMENT, literally('Missing ModelSpec'))
    await failsWith(
      client.call('Predict', { model_spec: {} }),
      status.INVALID_ARGUMENT,
      literally('ModelSpec has no name specified.'),
    )
    await failsWith(
      client.call('Predict', half({ version_label: 'canary' })),
      status.INVALID_ARGUMENT,
      literally('Unrecognized servable version label: canary'),
    )
  })

  it('tells missing and unknown inputs in the words of TF Serving', async () => {
    const inputs = { INPUT0: floats([1], 1), Z: floats([1], 1) }
    await failsWith(
      client.call('Predict', { model_spec: { name: 'simple' }, inputs }),
      status.INVALID_ARGUMENT,
      literally(
        'input size does not match signature: 2!=2 len({INPUT0,Z}) != len({INPUT0,INPUT1}). Sent extra: {Z}. Missing but required: {INPUT1}.',
      ),
    )
  })

  it('names the input whose datatype, shape or data is wrong', async () => {
    const send = (x: Message) => client.call('Predict', half({}, { inputs: { x } }))
    const one = shapeOf(1, 1)
    await failsWith(
      send({ dtype: 'DT_COMPLEX64', tensor_shape: one }),
      status.INVALID_ARGUMENT,
      /^input 'x': dtype DT_COMPLEX64 is not supported/,
    )
    await failsWith(send({ tensor_shape: one }), status.INVALID_ARGUMENT, /dtype DT_INVALID/)
    await failsWith(
      send({ dtype: 'DT_INT32', tensor_shape: one, int_val: [1] }),
      status.INVALID_ARGUMENT,
      /'x'.*INT32.*FP32/,
    )
    await failsWith(send(floats([1, 2], 1, 2)), status.INVALID_ARGUMENT, /unexpected shape for input 'x'/)
    await failsWith(
      send(floats([1, 2], 1)),
      status.INVALID_ARGUMENT,
      /input 'x': float_val holds 2 values, tensor_shape asks for 1/,
    )
    await failsWith(
      send({ dtype: 'DT_FLOAT', tensor_shape: one, tensor_content: Buffer.alloc(5) }),
      status.INVALID_ARGUMENT,
      /input 'x': tensor_content has 5 bytes.*4/,
    )
    await failsWith(
      send({ dtype: 'DT_FLOAT', tensor_shape: { unknown_rank: true } }),
      status.INVALID_ARGUMENT,
      /unknown_rank/,
    )
    await failsWith(
      send({ dtype: 'DT_FLOAT', tensor_shape: shapeOf(-1) }),
      status.INVALID_ARGUMENT,
      /'x': a dimension of tensor_shape is -1/,
    )
  })

  it.each([
    ['DT_DOUBLE', 'double_val', [1.5, -2.25]],
    ['DT_INT32', 'int_val', [-2147483648, 7]],
    ['DT_INT16', 'int_val', [-32768, 32767]],
    ['DT_INT8', 'int_val', [-128, 127]],
    ['DT_UINT16', 'int_val', [0, 65535]],
    ['DT_UINT8', 'int_val', [0, 255]],
    ['DT_INT64', 'int64_val', ['-9223372036854775808', '9007199254740993']],
    ['DT_UINT32', 'uint32_val', [0, 4294967295]],
    ['DT_UINT64', 'uint64_val', ['0', '18446744073709551615']],
    ['DT_BOOL', 'bool_val', [true, false]],
    ['DT_HALF', 'half_val', [15360, 64512]],
    ['DT_BFLOAT16', 'half_val', [16256, 32640]],
    ['DT_STRING', 'string_val', [Buffer.from('é\0'), Buffer.from([0xff])]],
  ])('carries %s both ways', async (dtype, field, values) => {
    const given = { dtype, tensor_shape: shapeOf(2), [field]: values }
    const { outputs } = await client.call('Predict', { model_spec: { name: 'identity' }, inputs: { any: given } })
    expect(outputs['any']).toMatchObject({ dtype, [field]: values })
    const repeated = { dtype, tensor_shape: shapeOf(1, 3), [field]: values.slice(0, 1) }
    const answer = await client.call('Predict', { model_spec: { name: 'identity' }, inputs: { any: repeated } })
    expect(answer.outputs['any']?.[field]).toEqual([values[0], values[0], values[0]])
  })

  it('refuses values beyond the range of their datatype', async () => {
    for (const [dtype, value] of [
      ['DT_INT8', 128],
      ['DT_UINT8', -1],
      ['DT_INT16', 40_000],
      ['DT_UINT16', 70_000],
    ] as const) {
      const any = { dtype, tensor_shape: shapeOf(1), int_val: [value] }
      const request = { model_spec: { name: 'identity' }, inputs: { any } }
      await failsWith(
        client.call('Predict', request),
        status.INVALID_ARGUMENT,
        new RegExp(`input 'any': element 0 is ${value}`),
      )
    }
  })

  it('answers many integers as tensor_content', async () => {
    const content = Buffer.from(Int32Array.from({ length: 70_000 }, (_, index) => index).buffer)
    const any = { dtype: 'DT_INT32', tensor_shape: shapeOf(70_000), tensor_content: content }
    const { outputs } = await client.call('Predict', { model_spec: { name: 'identity' }, inputs: { any } })
    expect(outputs['any']?.tensor_content.equals(content)).toBe(true)
  })

  it('carries scalars and empty tensors', async () => {
    const request = { model_spec: { name: 'identity' }, inputs: { scalar: floats([7]), empty: floats([], 0, 3) } }
    const { outputs } = await client.call('Predict', request)
    expect(outputs['scalar']).toMatchObject({ float_val: [7], tensor_shape: { dim: [] } })
    expect(outputs['empty']).toMatchObject({ float_val: [], tensor_shape: { dim: [{ size: '0' }, { size: '3' }] } })
  })

  it('lets the deadline of a call reach the model', async () => {
    const slow = gated()
    await harness.add('slow', slow)
    const answer = client.call(
      'Predict',
      { model_spec: { name: 'slow' }, inputs: { x: floats([1], 1) } },
      { deadline: Date.now() + 200 },
    )
    const signal = await slow.started
    expect((await failure(answer)).code).toBe(status.DEADLINE_EXCEEDED)
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  })
})

describe('Classify, Regress and MultiInference', () => {
  const ask = (name: string, input: object, spec: object = {}): Message => ({ model_spec: { name, ...spec }, input })

  it('H9 answer 3.0 for x = 2', async () => {
    const request = ask('half_plus_two', list(example({ x: float(2) })))
    const regression = await client.call('Regress', request)
    expect(regression.result).toEqual({ regressions: [{ value: 3 }] })
    expect(regression.model_spec).toMatchObject({ version: { value: '123' }, signature_name: 'serving_default' })
    const classification = await client.call('Classify', request)
    expect(classification.result).toEqual({ classifications: [{ classes: [{ label: '', score: 3 }] }] })
  })

  it('answer one row per example, in order, with labels', async () => {
    const { result } = await client.call('Classify', ask('classifier', list(row(8), row(4))))
    const classes = (...scores: readonly number[]) => ({
      classes: ['first', 'second', 'third'].map((label, index) => ({ label, score: scores[index] })),
    })
    expect(result).toEqual({ classifications: [classes(4, 2, 8), classes(2, 1, 4)] })
  })

  it('take features in common from the context, unless an example brings its own', async () => {
    const input = {
      example_list_with_context: {
        examples: [example({ x: float(2) }), example({})],
        context: example({ x: float(6) }),
      },
    }
    expect((await client.call('Regress', ask('half_plus_two', input))).result).toEqual({
      regressions: [{ value: 3 }, { value: 5 }],
    })
  })

  it('take integers for floats, and ignore features that the model has not', async () => {
    const input = list(example({ x: int64(2), other: bytes('text') }))
    expect((await client.call('Regress', ask('half_plus_two', input))).result).toEqual({ regressions: [{ value: 3 }] })
  })

  it('name a feature that is missing, of another kind, or of another size', async () => {
    const regress = (features: Readonly<Record<string, object>>) =>
      client.call('Regress', ask('half_plus_two', list(example({ x: float(1) }), example(features))))
    await failsWith(
      regress({ z: float(1) }),
      status.INVALID_ARGUMENT,
      literally('examples[1]: Feature: x (data type: float) is required but could not be found.'),
    )
    await failsWith(
      regress({ x: bytes('1') }),
      status.INVALID_ARGUMENT,
      /examples\[1\]: Key: x\. Data types don't match\. Expected type: float/,
    )
    await failsWith(
      regress({ x: float(1, 2) }),
      status.INVALID_ARGUMENT,
      /examples\[1\]: Key: x\. Number of float values != expected\. Values size: 2 but output shape: \[1\]/,
    )
  })

  it('refuse an input without examples', async () => {
    for (const input of [list(), {}]) {
      await failsWith(
        client.call('Regress', ask('half_plus_two', input)),
        status.INVALID_ARGUMENT,
        literally('Input is empty.'),
      )
    }
  })

  it('say why a model cannot classify or regress', async () => {
    const input = list(example({ text: bytes('abc') }))
    await failsWith(
      client.call('Classify', ask('text_length', input)),
      status.FAILED_PRECONDITION,
      /model 'text_length' cannot classify.*'length' INT32 \[1\]/,
    )
    await failsWith(
      client.call('Regress', ask('classifier', list(row(1)))),
      status.FAILED_PRECONDITION,
      /cannot regress/,
    )
  })

  it('refuse unknown models and signatures', async () => {
    await failsWith(client.call('Classify', ask('foo', list())), status.NOT_FOUND, /Latest\(foo\)/)
    await failsWith(
      client.call('Classify', ask('half_plus_two', list(), { signature_name: 'nope' })),
      status.INVALID_ARGUMENT,
      /nope|empty/,
    )
    await failsWith(
      client.call('Regress', ask('half_plus_two', list(example({ x: float(1) })), { signature_name: 'nope' })),
      status.INVALID_ARGUMENT,
      literally('No signature was found with the name: nope'),
    )
  })

  it('H10 answer several tasks for the same examples', async () => {
    const task = (method: string, spec: object = {}) => ({
      model_spec: { name: 'half_plus_two', ...spec },
      method_name: `tensorflow/serving/${method}`,
    })
    const input = list(example({ x: float(2) }))
    const { results } = await client.call('MultiInference', { tasks: [task('regress'), task('classify')], input })
    expect(results).toMatchObject([
      {
        model_spec: { name: 'half_plus_two', version: { value: '123' } },
        regression_result: { regressions: [{ value: 3 }] },
      },
      { classification_result: { classifications: [{ classes: [{ label: '', score: 3 }] }] } },
    ])
    const multi = (...tasks: readonly object[]) => client.call('MultiInference', { tasks, input })
    await failsWith(
      multi(task('regress'), task('regress')),
      status.INVALID_ARGUMENT,
      literally('Duplicate evaluation of signature: serving_default'),
    )
    await failsWith(
      multi(task('regress'), task('classify', { name: 'simple' })),
      status.INVALID_ARGUMENT,
      /must access the same model name/,
    )
    await failsWith(multi(task('regress', { name: '' })), status.INVALID_ARGUMENT, /empty model name/)
    await failsWith(
      multi(task('predict')),
      status.UNIMPLEMENTED,
      /Unsupported signature method_name: tensorflow\/serving\/predict/,
    )
    await failsWith(multi(), status.INVALID_ARGUMENT, /no tasks/)
  })
})

describe('GetModelMetadata', () => {
  const ask = (spec: object, ...fields: readonly string[]) =>
    client.call('GetModelMetadata', { model_spec: spec, metadata_field: fields })

  it('answers the signature of a model as Any', async () => {
    const answer = await ask({ name: 'simple' }, 'signature_def')
    expect(answer.model_spec).toMatchObject({ name: 'simple', version: { value: '1' }, signature_name: '' })
    const { type_url: type, value } = answer.metadata['signature_def'] as { type_url: string; value: Buffer }
    expect(type).toBe('type.googleapis.com/tensorflow.serving.SignatureDefMap')
    const info = (name: string) => ({
      name: `${name}:0`,
      encoding: 'name',
      dtype: 'DT_INT32',
      tensor_shape: {
        dim: [
          { size: '-1', name: '' },
          { size: '16', name: '' },
        ],
        unknown_rank: false,
      },
    })
    expect(messageCodec('tensorflow.serving.SignatureDefMap').decode(value)).toEqual({
      signature_def: {
        serving_default: {
          inputs: { INPUT0: info('INPUT0'), INPUT1: info('INPUT1') },
          outputs: { OUTPUT0: info('OUTPUT0'), OUTPUT1: info('OUTPUT1') },
          method_name: 'tensorflow/serving/predict',
          defaults: {},
        },
      },
    })
  })

  it('refuses other fields, none, and unknown models', async () => {
    await failsWith(
      ask({ name: 'simple' }, 'graph'),
      status.INVALID_ARGUMENT,
      literally('Metadata field graph is not supported'),
    )
    await failsWith(ask({ name: 'simple' }), status.INVALID_ARGUMENT, /at least one metadata_field/)
    await failsWith(ask({ name: 'foo' }, 'signature_def'), status.NOT_FOUND, /Latest\(foo\)/)
  })
})

describe('GetModelStatus', () => {
  const ask = (spec: object) => client.call('GetModelStatus', { model_spec: spec })

  it('answers every version, newest first', async () => {
    await harness.add('two', simple, '9')
    await harness.add('two', simple, '10')
    await harness.repository.unload({ name: 'two', version: '9' })
    const ok = { error_code: 'OK', error_message: '' }
    expect((await ask({ name: 'two' })).model_version_status).toEqual([
      { version: '10', state: 'AVAILABLE', status: ok },
      { version: '9', state: 'END', status: ok },
    ])
    expect((await ask({ name: 'two', version: { value: 9 } })).model_version_status).toHaveLength(1)
  })

  it('tells why a version failed', async () => {
    await harness.repository.load({
      ref: { name: 'torn', version: '1' },
      runtime: 'test',
      load: () => Promise.reject(new Error('no such file')),
    })
    expect((await ask({ name: 'torn' })).model_version_status).toMatchObject([
      { state: 'END', status: { error_code: 'INTERNAL' } },
    ])
    await harness.repository.unload({ name: 'torn' })
  })

  it('answers NOT_FOUND for an unknown model and version', async () => {
    await failsWith(ask({ name: 'foo' }), status.NOT_FOUND, literally('Could not find any versions of model foo'))
    await failsWith(
      ask({ name: 'simple', version: { value: 7 } }),
      status.NOT_FOUND,
      literally('Could not find version 7 of model simple'),
    )
    await failsWith(client.call('GetModelStatus', {}), status.INVALID_ARGUMENT, literally('Missing ModelSpec'))
  })
})
