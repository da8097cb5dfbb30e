/** Triton's and KServe's management calls over a socket, with a client whose codecs come from `proto/`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { defineModel } from '../../src/runtime/define-model.ts'
import { createServer, type Server } from '../../src/server/server.ts'
import { simple } from './models.ts'
import { failure, TestClient, type Message } from './support.ts'

let server: Server
let client: TestClient

beforeAll(async () => {
  const scalar = defineModel({
    inputs: { x: { datatype: 'FP32', shape: [] }, text: { datatype: 'BYTES', shape: [-1], isOptional: true } },
    outputs: { y: { datatype: 'FP32', shape: [] } },
    predict: ({ x }) => ({ y: x.data }),
  })
  server = await createServer({ log: silentLog, httpPort: 0, drainSeconds: 1, models: { simple, scalar } })
  const { grpc = '' } = await server.start()
  client = new TestClient('inference.GRPCInferenceService', Number(grpc.split(':')[1]))
})

afterAll(async () => {
  client.close()
  await server.close()
})

const call = async (method: string, request: Message = {}): Promise<unknown> => client.call(method, request)
const refusal = (method: string, request: Message) => failure(client.call(method, request))
const NOT_FOUND = 5
const INVALID_ARGUMENT = 3
const UNIMPLEMENTED = 12

const oneRow = Buffer.alloc(64)
const request = {
  model_name: 'simple',
  inputs: ['INPUT0', 'INPUT1'].map((name) => ({ name, datatype: 'INT32', shape: [1, 16] })),
  raw_input_contents: [oneRow, oneRow],
}

describe('the repository', () => {
  it('lists every version', async () => {
    const ready = (name: string) => ({ name, version: '1', state: 'READY', reason: '' })
    expect(await call('RepositoryIndex')).toEqual({ models: [ready('simple'), ready('scalar')] })
    expect(await call('RepositoryIndex', { ready: true })).toMatchObject({ models: [{}, {}] })
    expect(await refusal('RepositoryIndex', { repository_name: 'a' })).toMatchObject({ code: UNIMPLEMENTED })
  })

  it("D22: loads and unloads by Triton's message, and answers nothing", async () => {
    const empty = { model_name: '', isUnloaded: false }
    expect(await call('RepositoryModelUnload', { model_name: 'simple' })).toEqual(empty)
    expect(await call('ModelReady', { name: 'simple' })).toEqual({ ready: false })
    expect(await refusal('ModelInfer', request)).toMatchObject({
      code: NOT_FOUND,
      details: `Request for unknown model: 'simple' has no available versions`,
    })
    const unload_dependents = { bool_param: true }
    const parameters = { unload_dependents }
    expect(await call('RepositoryModelUnload', { model_name: 'simple', parameters })).toEqual(empty)
    expect(await call('RepositoryModelLoad', { model_name: 'simple' })).toEqual({ model_name: '', isLoaded: false })
    expect(await call('ModelInfer', request)).toMatchObject({ model_name: 'simple' })
  })

  it("D23: loads and unloads by KServe's message, and answers with the name", async () => {
    const byFirstField = { repository_name: 'simple' } // where KServe has the name of the model
    expect(await call('RepositoryModelUnload', byFirstField)).toEqual({ model_name: 'simple', isUnloaded: true })
    expect(await call('RepositoryModelLoad', byFirstField)).toEqual({ model_name: 'simple', isLoaded: true })
    expect(await call('ModelReady', { name: 'simple' })).toEqual({ ready: true })
  })

  it.each([
    [{ model_name: 'nope' }, NOT_FOUND, `failed to load 'nope'`],
    [{ model_name: '../x' }, INVALID_ARGUMENT, 'path traversal'],
    [{}, INVALID_ARGUMENT, 'model name is empty'],
    [{ repository_name: 'a', model_name: 'simple' }, UNIMPLEMENTED, 'repository_name'],
    [{ model_name: 'simple', parameters: { config: { int64_param: 1 } } }, INVALID_ARGUMENT, 'must be a string'],
    [
      {
        model_name: 'simple',
        parameters: { config: { string_param: '{}' }, 'file:../a': { bytes_param: Buffer.from('a') } },
      },
      INVALID_ARGUMENT,
      'relative to the model',
    ],
    [
      { model_name: 'simple', parameters: { 'file:1/model.onnx': { bytes_param: Buffer.from('a') } } },
      INVALID_ARGUMENT,
      `without 'config'`,
    ],
  ])('refuses a load of %j', async (message, code, text) => {
    expect(await refusal('RepositoryModelLoad', message)).toMatchObject({
      code,
      details: expect.stringContaining(text) as string,
    })
  })
})

describe('the configuration', () => {
  it('E15: is that of Triton, without the batch dimension', async () => {
    const tensor = { data_type: 'TYPE_INT32', dims: ['16'], reshape: null }
    expect(await call('ModelConfig', { name: 'simple', version: '1' })).toMatchObject({
      config: {
        name: 'simple',
        platform: 'onnxruntime_onnx',
        backend: 'onnxruntime',
        max_batch_size: 8,
        version_policy: { policy_choice: 'all', all: {} },
        input: [
          { ...tensor, name: 'INPUT0', optional: false },
          { ...tensor, name: 'INPUT1' },
        ],
        output: [
          { ...tensor, name: 'OUTPUT0' },
          { ...tensor, name: 'OUTPUT1' },
        ],
        instance_group: [{ name: 'simple', kind: 'KIND_CPU', count: 1, gpus: [] }],
        default_model_filename: 'model.onnx',
        model_transaction_policy: { decoupled: false },
      },
    })
  })

  it('gives scalars one dimension and the shape that they have', async () => {
    expect(await call('ModelConfig', { name: 'scalar' })).toMatchObject({
      config: {
        max_batch_size: 0,
        input: [
          { name: 'x', data_type: 'TYPE_FP32', dims: ['1'], reshape: { shape: [] } },
          { name: 'text', data_type: 'TYPE_STRING', dims: ['-1'], optional: true },
        ],
      },
    })
    expect(await refusal('ModelConfig', { name: 'nope' })).toMatchObject({ code: NOT_FOUND })
  })
})

describe('statistics', () => {
  it('count what was answered', async () => {
    await call('ModelInfer', request)
    const statistics = await call('ModelStatistics', { name: 'simple' })
    expect(statistics).toMatchObject({
      model_stats: [{ name: 'simple', version: '1', batch_stats: [{ batch_size: '1' }] }],
    })
    expect(await call('ModelStatistics')).toMatchObject({ model_stats: [{ name: 'simple' }, { name: 'scalar' }] })
    expect(await refusal('ModelStatistics', { name: 'nope' })).toMatchObject({ code: NOT_FOUND })
  })
})

describe('settings', () => {
  it('E20: of the log act at once', async () => {
    const bool = (value: boolean) => ({ parameter_choice: 'bool_param', bool_param: value })
    const text = (value: string) => ({ parameter_choice: 'string_param', string_param: value })
    const verbose = (value: number) => ({ parameter_choice: 'uint32_param', uint32_param: value })
    const all = {
      log_file: text(''),
      log_info: bool(true),
      log_warning: bool(true),
      log_error: bool(true),
      log_verbose_level: verbose(0),
      log_format: text('default'),
    }
    expect(await call('LogSettings')).toMatchObject({ settings: all })
    const settings = { log_verbose_level: { uint32_param: 1 }, log_info: { bool_param: false } }
    expect(await call('LogSettings', { settings })).toMatchObject({
      settings: { ...all, log_verbose_level: verbose(1), log_info: bool(false) },
    })
    expect(server.log.isDebugEnabled).toBe(true)
    expect(await refusal('LogSettings', { settings: { log_file: { string_param: 'x' } } })).toMatchObject({
      code: UNIMPLEMENTED,
    })
    expect(await refusal('LogSettings', { settings: { log_info: { uint32_param: 1 } } })).toMatchObject({
      code: INVALID_ARGUMENT,
    })
  })

  it('E21: of the trace can be read and set, for the server and for one model', async () => {
    const off = { settings: { trace_level: { value: ['OFF'] }, trace_rate: { value: ['1000'] } } }
    expect(await call('TraceSetting')).toMatchObject(off)
    const settings = { trace_level: { value: ['OFF'] }, trace_rate: { value: [] } }
    expect(await call('TraceSetting', { settings, model_name: 'simple' })).toMatchObject(off)
    const on = { trace_level: { value: ['TIMESTAMPS', 'TENSORS'] }, trace_rate: { value: ['10'] } }
    expect(await call('TraceSetting', { settings: on, model_name: 'simple' })).toMatchObject({ settings: on })
    expect(await call('TraceSetting')).toMatchObject(off)
    const cleared = { trace_level: { value: [] }, trace_rate: { value: [] } }
    expect(await call('TraceSetting', { settings: cleared, model_name: 'simple' })).toMatchObject(off)
    expect(await refusal('TraceSetting', { settings: { trace_file: { value: ['x'] } } })).toMatchObject({
      code: UNIMPLEMENTED,
    })
    expect(await refusal('TraceSetting', { model_name: 'nope' })).toMatchObject({ code: NOT_FOUND })
  })
})
