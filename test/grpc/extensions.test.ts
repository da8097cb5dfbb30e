/** Classification, reserved parameters and forwarded metadata over a socket. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { headerPattern } from '../../src/dataplane/forwarded-headers.ts'
import { defineModel } from '../../src/runtime/define-model.ts'
import { createServer, type Server } from '../../src/server/server.ts'
import { failure, TestClient } from './support.ts'

let server: Server
let client: TestClient

beforeAll(async () => {
  const scores = defineModel({
    inputs: { x: { datatype: 'FP32', shape: [-1, 3] } },
    outputs: { y: { datatype: 'FP32', shape: [-1, 3] }, parameters: { datatype: 'BYTES', shape: [-1] } },
    predict: ({ x }, { parameters }) => ({
      y: { shape: x.shape, data: x.data },
      parameters: [Buffer.from(JSON.stringify(parameters))],
    }),
  })
  server = await createServer({
    log: silentLog,
    httpPort: 0,
    drainSeconds: 1,
    models: { scores },
    httpHeaderForwardPattern: headerPattern('x-trace-.*'),
  })
  const { grpc = '' } = await server.start()
  client = new TestClient('inference.GRPCInferenceService', Number(grpc.split(':')[1]))
})

afterAll(async () => {
  client.close()
  await server.close()
})

const request = {
  model_name: 'scores',
  inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 3] }],
  raw_input_contents: [Buffer.from(Float32Array.of(1, 3, 2, 6, 5, 4).buffer)],
}
const wanting = (classification: object) => ({ ...request, outputs: [{ name: 'y', parameters: { classification } }] })

/** BYTES elements, each behind its length. */
function textsOf(bytes: Buffer | undefined): readonly string[] {
  const texts: string[] = []
  for (let offset = 0; bytes !== undefined && offset < bytes.length;) {
    const end = offset + 4 + bytes.readUInt32LE(offset)
    texts.push(bytes.subarray(offset + 4, end).toString())
    offset = end
  }
  return texts
}

it('D14: gives the best classes of each row, raw', async () => {
  const { outputs, raw_output_contents } = await client.call('ModelInfer', wanting({ int64_param: 2 }))
  expect(outputs).toMatchObject([{ name: 'y', datatype: 'BYTES', shape: ['2', '2'] }])
  expect(textsOf(raw_output_contents[0])).toEqual(['3.000000:1', '2.000000:2', '6.000000:0', '5.000000:1'])
})

it('D14: refuses any other number of classes', async () => {
  for (const value of [{ int64_param: 0 }, { int64_param: -1 }, { string_param: '2' }]) {
    expect(await failure(client.call('ModelInfer', wanting(value)))).toMatchObject({ code: 3 })
  }
})

it('refuses reserved parameters of the wrong type', async () => {
  for (const parameters of [
    { priority: { int64_param: -1 } },
    { sequence_id: { bool_param: true } },
    { sequence_start: { int64_param: 1 } },
    { triton_other: { int64_param: 1 } },
  ]) {
    expect(await failure(client.call('ModelInfer', { ...request, parameters }))).toMatchObject({ code: 3 })
  }
})

it('forwards metadata that fits the pattern', async () => {
  const headers = { 'x-trace-id': '7', 'x-other': '8' }
  const { raw_output_contents } = await client.call('ModelInfer', request, { headers })
  expect(textsOf(raw_output_contents[1])).toEqual(['{"x-trace-id":"7"}'])
})

it('names the extensions that work', async () => {
  const { extensions } = await client.call('ServerMetadata', {})
  expect(extensions).toEqual([
    'classification',
    'model_repository',
    'schedule_policy',
    'model_configuration',
    'binary_tensor_data',
    'parameters',
    'statistics',
    'logging',
  ])
})
