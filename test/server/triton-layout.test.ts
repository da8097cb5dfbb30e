/** Triton's repositories read as they are, through the doors of a server. */
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { createServer, type ServerOptions } from '../../src/server/server.ts'
import { samples, shared, withoutShared } from '../paths.ts'
import { directoryWith, type Files } from '../repository/directories.ts'

async function start(models: ServerOptions['models']) {
  const server = await createServer({
    log: silentLog,
    httpPort: 0,
    drainSeconds: 1,
    ...(models === undefined ? {} : { models }),
  })
  onTestFinished(() => server.close())
  const { http } = await server.start()
  const json = async (path: string, body?: object) => {
    const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
    const response = await fetch(`${http}${path}`, init)
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  return { server, json, statuses: server.dataPlane.models() }
}

/** The sample model add-sub, INT32 [-1, 16] on all sides, under a configuration. */
async function addSub(config: string, more: Files = {}) {
  const directory = await directoryWith({ 'add-sub/config.pbtxt': config, 'add-sub/1/': '', ...more })
  cpSync(join(samples, 'add-sub', '1', 'model.onnx'), join(directory, 'add-sub', '1', 'model.onnx'))
  return directory
}

const row = Array.from({ length: 16 }, (_, index) => index)
const inputs = (shape: readonly number[]) =>
  ['INPUT0', 'INPUT1'].map((name) => ({ name, datatype: 'INT32', shape, data: row }))
const sides = (dims: string, more = '') =>
  ['input { name: "INPUT0"', 'input { name: "INPUT1"', 'output { name: "OUTPUT0"', 'output { name: "OUTPUT1"']
    .map((side) => `${side} data_type: TYPE_INT32 dims: ${dims} ${more} }`)
    .join('\n')

describe('a model with a config.pbtxt', () => {
  it('shows what it says, with the defaults of Triton', async () => {
    const { json } = await start(
      await addSub(`max_batch_size: 8 ${sides('[16]')} dynamic_batching {} instance_group { kind: KIND_CPU }`),
    )
    const { body } = await json('/v2/models/add-sub/config')
    expect(body).toMatchObject({
      name: 'add-sub',
      max_batch_size: 8,
      version_policy: { latest: { num_versions: 1 } },
      dynamic_batching: { preferred_batch_size: [8] },
      instance_group: [{ name: 'add-sub_0', kind: 'KIND_CPU', count: 2, gpus: [] }],
      input: [{ name: 'INPUT0', data_type: 'TYPE_INT32', dims: [16] }, { name: 'INPUT1' }],
    })
    const answer = await json('/v2/models/add-sub/infer', { inputs: inputs([1, 16]) })
    expect(answer.status).toBe(200)
    const many = ['INPUT0', 'INPUT1'].map((name) => ({
      name,
      datatype: 'INT32',
      shape: [9, 16],
      data: Array(144).fill(0),
    }))
    expect((await json('/v2/models/add-sub/infer', { inputs: many })).status).toBe(400)
  })
  it('takes and gives the configured shapes', async () => {
    const { json } = await start(await addSub(`max_batch_size: 4 ${sides('[4, 4]', 'reshape { shape: [16] }')}`))
    expect((await json('/v2/models/add-sub')).body).toMatchObject({ inputs: [{ shape: [-1, 4, 4] }, {}] })
    const { body } = await json('/v2/models/add-sub/infer', { inputs: inputs([1, 4, 4]) })
    expect(body).toMatchObject({ outputs: [{ name: 'OUTPUT0', shape: [1, 4, 4] }, { shape: [1, 4, 4] }] })
    const refused = await json('/v2/models/add-sub/infer', { inputs: inputs([1, 16]) })
    expect(refused).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining('Expected [-1,4,4], got [1,16].') as string },
    })
  })
  it('is warmed up by it', async () => {
    const warmUp = (input: string) =>
      `max_batch_size: 4 ${sides('[16]')} model_warmup { batch_size: 2 inputs { key: "INPUT0" value { data_type: TYPE_INT32 dims: 16 zero_data: true } } inputs { key: "INPUT1" value { data_type: TYPE_INT32 dims: 16 ${input} } } }`
    const good = await start(
      await addSub(warmUp('input_data_file: "one"'), { 'add-sub/warmup/one': '\u0001'.repeat(128) }),
    )
    expect(good.statuses).toMatchObject([{ state: 'ready' }])
    const bad = await start(await addSub(warmUp('input_data_file: "one"'), { 'add-sub/warmup/one': '123' }))
    expect(bad.server.dataPlane.models()).toMatchObject([
      {
        state: 'failed',
        reason: expect.stringContaining("input 'INPUT1' of shape [2,16] takes 128 bytes, the file has 3") as string,
      },
    ])
  })
  it('has one version where it does not ask for more', async () => {
    const files = { 'm/1/model.onnx': '', 'm/2/model.onnx': '', 'm/3/model.onnx': '' }
    const versions = async (config: string) => {
      const { server } = await start(await directoryWith({ ...files, 'm/config.pbtxt': config }))
      return server.dataPlane.models().map(({ ref }) => ref.version)
    }
    expect(await versions('')).toEqual(['3'])
    expect(await versions('version_policy { specific { versions: [1, 3] } }')).toEqual(['1', '3'])
    expect(await versions('version_policy { all {} }')).toEqual(['1', '2', '3'])
  })
  it('fails where it cannot be read, others go on', async () => {
    const directory = await addSub('', { 'other/config.pbtxt': 'name "x"', 'other/1/model.onnx': '' })
    const { statuses } = await start(directory)
    expect(statuses.map(({ ref, state }) => `${ref.name} ${state}`)).toEqual(['add-sub ready', 'other failed'])
    expect(statuses[1]?.reason).toMatch(/other\/config\.pbtxt:1: ':' or '\{' was expected/)
  })
})

const triton = (...path: string[]) => join(shared ?? '', 'models', 'third-party', 'triton', ...path)

describe.skipIf(shared === undefined)(`Triton's own models (${withoutShared})`, () => {
  it.each(
    ['bad_input_dims', 'bad_max_batch_size', 'bad_output_dims', 'too_few_inputs'].concat([
      'too_many_inputs',
      'unknown_input',
      'unknown_output',
    ]),
  )('fails %s as Triton does', async (name) => {
    const expected = readFileSync(triton('autofill_bad', name, 'expected'), 'utf8').trim()
    const { statuses } = await start(triton('autofill_bad', name))
    expect(statuses).toMatchObject([{ state: 'failed' }])
    expect(statuses[0]?.reason).toContain(expected.replaceAll(/\\([[\]])/g, '$1'))
  })
  it.each(['empty_config', 'no_config', 'no_config_no_batch'])('serves %s', async (name) => {
    const { statuses } = await start(triton('autofill', name))
    expect(statuses).toMatchObject([{ ref: { name }, state: 'ready' }])
  })
  it('adds up sequences', async () => {
    const { json } = await start(triton('simple_sequence'))
    const send = async (value: number, parameters: object) => {
      const input = { name: 'INPUT', datatype: 'INT32', shape: [1, 1], data: [value] }
      const { status, body } = await json('/v2/models/simple_sequence/infer', { parameters, inputs: [input] })
      return status === 200 ? (body['outputs'] as { data: number[] }[])[0]?.data[0] : body['error']
    }
    expect((await json('/v2/models/simple_sequence')).body).toMatchObject({
      inputs: [{ name: 'INPUT', shape: [-1, 1] }],
    })
    expect(await send(1, { sequence_id: 5, sequence_start: true })).toBe(2)
    expect(await send(2, { sequence_id: 5 })).toBe(2)
    expect(await send(3, { sequence_id: 5, sequence_end: true })).toBe(3)
    expect(await send(3, { sequence_id: 5 })).toBe(
      "inference request for sequence 5 to model 'simple_sequence' must specify the START flag on the first request of the sequence",
    )
    expect(await send(3, {})).toBe(
      "inference request to model 'simple_sequence' must specify a non-zero or non-empty correlation ID",
    )
  })
  it('hands on correlation IDs', async () => {
    const { json, statuses } = await start(triton('simple_dyna_sequence'))
    expect(statuses[0]?.reason ?? '').toBe('')
    const parameters = { sequence_id: 7, sequence_start: true, sequence_end: true }
    const input = { name: 'INPUT', datatype: 'INT32', shape: [1, 1], data: [1] }
    const { body } = await json('/v2/models/simple_dyna_sequence/infer', { parameters, inputs: [input] })
    expect(body).toMatchObject({ outputs: [{ data: [9] }] })
  })
})
