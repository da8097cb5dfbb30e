import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ModelRef } from '../../src/core/inference.ts'
import { failing, identity, simple, words } from './models.ts'
import { failure, startServer, type Harness, type Message } from './support.ts'

const sixteen = Array.from({ length: 16 }, (_, index) => index + 1)
const le32 = (values: readonly number[]) => Buffer.from(Int32Array.from(values).buffer)
const int32 = (name: string, contents?: readonly number[], shape: readonly number[] = [1, 16]): Message => ({
  name,
  datatype: 'INT32',
  shape,
  ...(contents && { contents: { int_contents: contents } }),
})
const rawSimple = {
  model_name: 'simple',
  inputs: [int32('INPUT0'), int32('INPUT1')],
  raw_input_contents: [le32(sixteen), le32(sixteen)],
}
const sum = le32(sixteen.map((value) => value * 2))
const zeros = le32(Array<number>(16).fill(0))

const refusals: { ref: ModelRef; code: string }[] = []
let harness: Harness
beforeAll(async () => {
  harness = await startServer(
    { simple, identity, failing, words },
    { metrics: { countRefusal: (ref, _protocol, _verb, code) => refusals.push({ ref, code }) } },
  )
})
afterAll(() => harness.close())

const infer = (request: Message) => harness.client.call('ModelInfer', request)

describe('ServerLive, ServerReady and ModelReady', () => {
  it('say true of a server and a model that are ready', async () => {
    expect(await harness.client.call('ServerLive', {})).toEqual({ live: true })
    expect(await harness.client.call('ServerReady', {})).toEqual({ ready: true })
    expect(await harness.client.call('ModelReady', { name: 'simple' })).toEqual({ ready: true })
    expect(await harness.client.call('ModelReady', { name: 'simple', version: '1' })).toEqual({ ready: true })
  })

  it('answer OK and false for an unknown model, an unknown version and an unloaded model', async () => {
    await harness.add('leaving', simple)
    await harness.repository.unload({ name: 'leaving' })
    for (const ref of [{ name: 'nope' }, { name: 'simple', version: '99' }, { name: 'leaving' }]) {
      expect(await harness.client.call('ModelReady', ref)).toEqual({ ready: false })
    }
  })
})

describe('metadata', () => {
  it('names the server and only extensions that work', async () => {
    expect(await harness.client.call('ServerMetadata', {})).toEqual({
      name: 'servable',
      version: '0.0.0',
      extensions: ['classification', 'schedule_policy', 'model_configuration', 'binary_tensor_data', 'parameters'],
    })
  })

  it('describes a model', async () => {
    const tensor = (name: string) => ({ name, datatype: 'INT32', shape: ['-1', '16'] })
    expect(await harness.client.call('ModelMetadata', { name: 'simple' })).toEqual({
      name: 'simple',
      versions: ['1'],
      platform: 'onnxruntime_onnx',
      inputs: [tensor('INPUT0'), tensor('INPUT1')],
      outputs: [tensor('OUTPUT0'), tensor('OUTPUT1')],
      properties: {},
    })
  })

  it("tells a model's facts as properties", async () => {
    const metadata = { ...identity.metadata, parameters: { device: 'cpu', opset: 17 } }
    await harness.add('facts', { ...identity, metadata }, '3')
    expect(await harness.client.call('ModelMetadata', { name: 'facts' })).toMatchObject({
      versions: ['3'],
      properties: { device: 'cpu', opset: '17' },
    })
  })

  it('answers NOT_FOUND for an unknown model', async () => {
    const error = await failure(harness.client.call('ModelMetadata', { name: 'nope' }))
    expect(error.code).toBe(status.NOT_FOUND)
    expect(error.details).toBe('Model with name nope does not exist.')
  })
})

describe('ModelInfer', () => {
  it('answers raw contents by raw contents, in the order of the outputs', async () => {
    const response = await infer({ ...rawSimple, id: '7' })
    expect(response).toMatchObject({ model_name: 'simple', model_version: '1', id: '7' })
    expect(response.outputs).toEqual(
      ['OUTPUT0', 'OUTPUT1'].map((name) => ({
        name,
        datatype: 'INT32',
        shape: ['1', '16'],
        parameters: {},
        contents: null,
      })),
    )
    expect(response.raw_output_contents).toEqual([sum, zeros])
  })

  it('answers typed contents by raw contents too', async () => {
    const response = await infer({
      model_name: 'simple',
      inputs: [int32('INPUT0', sixteen), int32('INPUT1', sixteen)],
    })
    expect(response.outputs[0]?.contents).toBeNull()
    expect(response.raw_output_contents).toEqual([sum, zeros])
  })

  it('answers by typed contents where the caller asks for them', async () => {
    for (const asked of [
      { parameters: { binary_data_output: { bool_param: false } } },
      { outputs: [{ name: 'OUTPUT0', parameters: { binary_data: { bool_param: false } } }] },
    ]) {
      const response = await infer({ ...rawSimple, ...asked })
      expect(response.raw_output_contents).toEqual([])
      expect(response.outputs[0]?.contents).toMatchObject({ int_contents: sixteen.map((value) => value * 2) })
    }
  })

  it('answers only the outputs that were asked for', async () => {
    const response = await infer({ ...rawSimple, outputs: [{ name: 'OUTPUT1' }] })
    expect(response.outputs.map(({ name }) => name)).toEqual(['OUTPUT1'])
    expect(response.raw_output_contents).toEqual([zeros])
  })

  it('takes a version, and makes an id where there is none', async () => {
    const [first, second] = await Promise.all([infer({ ...rawSimple, model_version: '1' }), infer(rawSimple)])
    expect(first.raw_output_contents).toEqual([sum, zeros])
    expect(first.id).not.toBe('')
    expect(first.id).not.toBe(second.id)
  })

  it('hands every kind of parameter to the model', async () => {
    const response = await infer({
      model_name: 'identity',
      inputs: [],
      parameters: {
        echo: { bool_param: true },
        offset: { int64_param: -5 },
        text: { string_param: 'ä' },
        ratio: { double_param: 0.25 },
        priority: { uint64_param: 3 },
      },
    })
    expect(JSON.parse(response.raw_output_contents[0]?.subarray(4).toString() ?? '')).toEqual({
      echo: true,
      offset: -5,
      text: 'ä',
      ratio: 0.25,
    })
  })

  it('carries scalars, empty tensors and strings', async () => {
    const response = await infer({
      model_name: 'identity',
      inputs: [
        { name: 'scalar', datatype: 'FP64', shape: [], contents: { fp64_contents: [0.1] } },
        { name: 'empty', datatype: 'FP32', shape: [0, 16] },
        {
          name: 'text',
          datatype: 'BYTES',
          shape: [2],
          contents: { bytes_contents: [Buffer.from('a'), Buffer.from('é\0')] },
        },
      ],
    })
    expect(response.outputs.map(({ shape }) => shape)).toEqual([[], ['0', '16'], ['2']])
    const doubles = Buffer.alloc(8)
    doubles.writeDoubleLE(0.1)
    expect(response.raw_output_contents).toEqual([
      doubles,
      Buffer.alloc(0),
      Buffer.from([1, 0, 0, 0, 0x61, 3, 0, 0, 0, 0xc3, 0xa9, 0]),
    ])
  })
})

describe('ModelInfer refuses', () => {
  const cases: readonly (readonly [string, Message, status, string | RegExp])[] = [
    [
      'typed contents of another datatype',
      {
        model_name: 'simple',
        inputs: [{ ...int32('INPUT0'), contents: { fp32_contents: sixteen } }, int32('INPUT1', sixteen)],
      },
      status.INVALID_ARGUMENT,
      /^unexpected explicit tensor data for input tensor 'INPUT0' for model 'simple' of type 'FP32', expected datatype 'INT32'/,
    ],
    [
      'one raw entry for two inputs',
      { ...rawSimple, raw_input_contents: [le32(sixteen)] },
      status.INVALID_ARGUMENT,
      /^unable to find data for input tensor 'INPUT1' for model 'simple' in request\. .*the number of inputs \(2\) does not match the expected number of raw input contents \(1\) for model 'simple'/,
    ],
    [
      'more raw entries than inputs',
      { ...rawSimple, raw_input_contents: [...rawSimple.raw_input_contents, le32([1])] },
      status.INVALID_ARGUMENT,
      "the number of inputs (2) does not match the expected number of raw input contents (3) for model 'simple'.",
    ],
    [
      'an input without any data',
      { model_name: 'simple', inputs: [int32('INPUT0', sixteen), int32('INPUT1')] },
      status.INVALID_ARGUMENT,
      "unable to find data for input tensor 'INPUT1' for model 'simple' in request.",
    ],
    [
      'raw and typed contents together',
      { ...rawSimple, inputs: [int32('INPUT0', sixteen), int32('INPUT1')] },
      status.INVALID_ARGUMENT,
      "contents field must not be specified when using raw_input_contents for input 'INPUT0' for model 'simple'",
    ],
    [
      'FP16 in fp32_contents',
      {
        model_name: 'identity',
        inputs: [{ name: 'x', datatype: 'FP16', shape: [1], contents: { fp32_contents: [1] } }],
      },
      status.INVALID_ARGUMENT,
      /raw_input_contents/,
    ],
    [
      'raw contents of the wrong size',
      { ...rawSimple, raw_input_contents: [le32(sixteen), le32(sixteen.slice(1))] },
      status.INVALID_ARGUMENT,
      "input byte size mismatch for input 'INPUT1' for model 'simple'. Expected 64, got 60",
    ],
    [
      'strings that are cut off',
      {
        model_name: 'identity',
        inputs: [{ name: 'x', datatype: 'BYTES', shape: [1] }],
        raw_input_contents: [Buffer.from([9, 0, 0, 0, 1])],
      },
      status.INVALID_ARGUMENT,
      /^incomplete string data for inference input 'x'/,
    ],
    [
      'an unknown datatype',
      {
        model_name: 'identity',
        inputs: [{ name: 'x', datatype: 'INT322', shape: [1], contents: { int_contents: [1] } }],
      },
      status.INVALID_ARGUMENT,
      /unknown datatype 'INT322', expected one of BOOL, UINT8/,
    ],
    [
      'a negative dimension',
      { ...rawSimple, inputs: [int32('INPUT0', undefined, [1, -16]), int32('INPUT1')] },
      status.INVALID_ARGUMENT,
      /^input 'INPUT0': dimension 1 of the shape is -16/,
    ],
    [
      'a value that its datatype does not hold',
      {
        model_name: 'identity',
        inputs: [{ name: 'x', datatype: 'UINT8', shape: [2], contents: { uint_contents: [1, 300] } }],
      },
      status.INVALID_ARGUMENT,
      "input 'x': element 1 is 300, UINT8 holds 0 to 255",
    ],
    [
      'an output listed twice',
      { ...rawSimple, outputs: [{ name: 'OUTPUT1' }, { name: 'OUTPUT1' }] },
      status.INVALID_ARGUMENT,
      "output 'OUTPUT1' already exists in request",
    ],
    [
      'a missing input',
      { model_name: 'simple', inputs: [int32('INPUT0', sixteen)] },
      status.INVALID_ARGUMENT,
      /missing required input\(s\) \['INPUT1'\]/,
    ],
    ['an empty model name', { inputs: [] }, status.INVALID_ARGUMENT, /^model_name is empty/],
    [
      'an unknown model',
      { ...rawSimple, model_name: 'nope' },
      status.NOT_FOUND,
      'Model with name nope does not exist.',
    ],
    ['an unknown version', { ...rawSimple, model_version: '99' }, status.NOT_FOUND, /version 99/],
    [
      'a decoupled model',
      { model_name: 'words', inputs: [] },
      status.UNIMPLEMENTED,
      "ModelInfer RPC doesn't support models with decoupled transaction policy",
    ],
  ]

  it.each(cases)('%s', async (_what, request, code, details) => {
    const error = await failure(infer(request))
    expect(error.details).toMatch(details)
    expect(error.code).toBe(code)
  })

  it('a shape whose product overflows, without allocating', async () => {
    for (const shape of [
      [2 ** 62, 16],
      [2 ** 40, 2 ** 40],
    ]) {
      const error = await failure(infer({ ...rawSimple, inputs: [int32('INPUT0', undefined, shape), int32('INPUT1')] }))
      expect(error.code).toBe(status.INVALID_ARGUMENT)
    }
  })

  it('a message that is no ModelInferRequest, and counts it', async () => {
    const before = refusals.length
    const error = await failure(infer({ ...rawSimple, outputs: [{ name: 'a' }, { name: 'a' }] }))
    expect(error.code).toBe(status.INVALID_ARGUMENT)
    expect(refusals.slice(before)).toEqual([{ ref: { name: 'simple', version: '' }, code: 'invalid_argument' }])
  })

  it('tells nothing of an unknown fault, and logs it', async () => {
    const error = await failure(infer({ model_name: 'failing', inputs: [] }))
    expect(error.code).toBe(status.INTERNAL)
    expect(error.details).toBe('internal error')
    expect(harness.log.at(-1)?.fields['error']).toMatchObject({ cause: { message: 'something really bad happened' } })
  })
})

describe('shared memory', () => {
  it('is refused for inputs and outputs', async () => {
    const parameters = { shared_memory_region: { string_param: 'region' } }
    const input = { ...int32('INPUT0'), parameters }
    for (const request of [
      { model_name: 'simple', inputs: [input, int32('INPUT1', sixteen)] },
      { ...rawSimple, outputs: [{ name: 'OUTPUT0', parameters }] },
    ]) {
      const error = await failure(infer(request))
      expect(error.code).toBe(status.UNIMPLEMENTED)
      expect(error.details).toMatch(/^Client shared memory is disabled/)
    }
  })

  it.each(['System', 'Cuda'])('%s: can be freed and has no regions, but takes none', async (kind) => {
    const call = (verb: string, request: Message) => harness.client.call(`${kind}SharedMemory${verb}`, request)
    expect(await call('Unregister', {})).toEqual({})
    expect(await call('Unregister', { name: 'region' })).toEqual({})
    expect(await call('Status', {})).toEqual({ regions: {} })
    expect(await failure(call('Status', { name: 'region' }))).toMatchObject({ code: status.NOT_FOUND })
    const error = await failure(call('Register', { name: 'region' }))
    expect(error.code).toBe(status.UNIMPLEMENTED)
    expect(error.details).toMatch(/^Client shared memory is disabled/)
  })
})
