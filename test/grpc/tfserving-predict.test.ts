/** Predict of TF Serving over a socket: the cases of block H, and what clients of every language send. */
import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { gated, identity, simple, words } from './models.ts'
import { failure, type Message } from './support.ts'
import { failsWith, literally, startServing, type ServingClient, type ServingHarness } from './tfserving-client.ts'
import { halfPlusTwo } from './tfserving-models.ts'

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

let harness: ServingHarness
let client: ServingClient
beforeAll(async () => {
  harness = await startServing({ half_plus_two: halfPlusTwo, simple, identity, words })
  client = harness.client
})
afterAll(() => harness.close())

describe('Predict', () => {
  it('does not answer a model that gives any number of responses', async () => {
    await failsWith(
      client.call('Predict', { model_spec: { name: 'words' } }),
      status.UNIMPLEMENTED,
      literally("Predict RPC doesn't support models with decoupled transaction policy"),
    )
  })

  it('H1 answers by typed values, with the version and signature that ran', async () => {
    const { outputs, model_spec: spec } = await client.call('Predict', half({ signature_name: '' }))
    expect(outputs['y']).toMatchObject({
      dtype: 'DT_FLOAT',
      float_val: [3],
      tensor_shape: { dim: [{ size: '1' }] },
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
    expect(harness.refusals).toContainEqual({ ref: { name: 'foo' }, protocol: 'grpc-v1', code: 'not_found' })
  })

  it('H7 answers FAILED_PRECONDITION for an unknown signature', async () => {
    await failsWith(
      client.call('Predict', half({ signature_name: 'nope' })),
      status.FAILED_PRECONDITION,
      literally('Serving signature key "nope" not found.'),
    )
  })

  it('H13 tells why a model did not load, and goes on', async () => {
    await harness.server.repository.load({
      ref: { name: 'bad', version: '1' },
      runtime: 'test',
      load: () => Promise.reject(new Error('variable W is uninitialised')),
    })
    const error = await failure(client.call('Predict', { model_spec: { name: 'bad' } }))
    expect(error.code).toBe(status.FAILED_PRECONDITION)
    expect((await client.call('Predict', half())).outputs['y']?.['float_val']).toEqual([3])
    await harness.server.repository.unload({ name: 'bad' })
  })

  it('answers NOT_FOUND for an unloaded model', async () => {
    await harness.server.add('leaving', simple)
    await harness.server.repository.unload({ name: 'leaving' })
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
    await harness.server.add('slow', slow)
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
