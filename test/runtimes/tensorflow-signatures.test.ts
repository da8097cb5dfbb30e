/** Every signature of half_plus_two, as the clients of TensorFlow Serving ask for them. */
import { status } from '@grpc/grpc-js'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installed } from '../../runtimes/tensorflow/native.ts'
import { writeRecords } from '../../src/codec/tensorflow/record.ts'
import { silentLog, type LogFields } from '../../src/core/log.ts'
import { runInspect } from '../../src/cli/inspect.ts'
import { createServer, type Server } from '../../src/server/server.ts'
import { catchIo } from '../cli/io.ts'
import { embedded } from '../codec/embedded.ts'
import { failsWith, messageCodec, ServingClient } from '../grpc/tfserving-client.ts'
import { shared, withoutShared } from '../paths.ts'

const serving = join(shared ?? '', 'models', 'third-party', 'tfserving')
const isInstalled = installed('@tensorflow/tfjs-node') !== undefined
const canRun = shared !== undefined && isInstalled
const reason = shared === undefined ? withoutShared : 'skipped: @tensorflow/tfjs-node is not installed'
const timeout = 120_000

const float = (...value: readonly number[]) => ({ float_list: { value } })
const list = (...values: readonly number[]) => ({
  example_list: { examples: values.map((x) => ({ features: { feature: { x: float(x) } } })) },
})

describe.skipIf(!canRun)(`the signatures of half_plus_two${canRun ? '' : ` (${reason})`}`, () => {
  let server: Server
  let http = ''
  let client: ServingClient
  beforeAll(async () => {
    const models = {
      half: join(serving, 'saved_model_half_plus_two_cpu'),
      half2: join(serving, 'saved_model_half_plus_two_tf2_cpu'),
    }
    server = await createServer({ models, log: silentLog, httpPort: 0, grpcPort: 0 })
    const started = await server.start()
    http = started.http
    client = new ServingClient(Number(new URL(`grpc://${(started.grpc ?? '').replace(/^.*:\/\//, '')}`).port))
  }, timeout)
  afterAll(async () => {
    client.close()
    await server.close()
  })
  const post = async (path: string, body: unknown) => {
    const response = await fetch(`${http}${path}`, { method: 'POST', body: JSON.stringify(body) })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  const v1 = (verb: string, body: unknown, model = 'half') => post(`/v1/models/${model}:${verb}`, body)
  const spec = (signature: string, name = 'half') => ({ model_spec: { name, signature_name: signature } })

  it.each(['half', 'half2'])('classify and regress over REST (%s)', async (model) => {
    const results = async (verb: string, body: unknown) => (await v1(verb, body, model)).body['results']
    const regress = { signature_name: 'regress_x_to_y', examples: [{ x: 80.5 }, { x: 20.5 }] }
    expect(await results('regress', regress)).toEqual([42.25, 12.25])
    const context = { signature_name: 'regress_x_to_y', context: { x: 80.5 }, examples: [{}, { x: 20.5 }] }
    expect(await results('regress', context)).toEqual([42.25, 12.25])
    expect(await results('regress', { ...regress, signature_name: 'regress_x_to_y2' })).toEqual([43.25, 13.25])
    const classify = { signature_name: 'classify_x_to_y', examples: [{ x: 20.5 }] }
    expect(await results('classify', classify)).toEqual([[['', 12.25]]])
  })

  it('tells what TensorFlow says of examples that it cannot parse', async () => {
    const { status: code, body } = await v1('regress', { signature_name: 'regress_x_to_y', examples: [{ z: 1.5 }] })
    expect([code, body['error']]).toEqual([
      400,
      expect.stringMatching(/Feature: x .*is required but could not be found/),
    ])
    const wrong = await v1('regress', { signature_name: 'classify_x_to_y', examples: [{ x: 1.5 }] })
    expect(wrong.body['error']).toMatch(/^Expected regression signature method_name to be/)
  })

  it('classify and regress over gRPC, one by one and together', async () => {
    const regress = await client.call('Regress', { ...spec('regress_x_to_y'), input: list(2, 5) })
    expect(regress.result).toEqual({ regressions: [{ value: 3 }, { value: 4.5 }] })
    expect(regress.model_spec).toMatchObject({ signature_name: 'regress_x_to_y', version: { value: '123' } })
    const classify = await client.call('Classify', { ...spec('classify_x_to_y'), input: list(2) })
    expect(classify.result).toEqual({ classifications: [{ classes: [{ label: '', score: 3 }] }] })
    const tasks = [
      ['regress_x_to_y', 'regress'],
      ['regress_x_to_y2', 'regress'],
      ['classify_x_to_y', 'classify'],
    ].map(([name = '', method = '']) => ({ ...spec(name), method_name: `tensorflow/serving/${method}` }))
    expect((await client.call('MultiInference', { tasks, input: list(2) })).results).toMatchObject([
      { regression_result: { regressions: [{ value: 3 }] } },
      { regression_result: { regressions: [{ value: 4 }] } },
      { classification_result: { classifications: [{ classes: [{ score: 3 }] }] } },
    ])
    await failsWith(
      client.call('Regress', { ...spec('nope'), input: list(2) }),
      status.INVALID_ARGUMENT,
      /^No signature was found with the name: nope\. There are serving_default, classify_x_to_y/,
    )
  })

  it('predict with any of them, over V1 and V2', async () => {
    const x2 = { signature_name: 'regress_x2_to_y3', instances: [[1], [2]] }
    expect((await v1('predict', x2)).body).toEqual({ predictions: [[3.5], [4]] })
    const inputs = [{ name: 'inputs', datatype: 'FP32', shape: [1, 1], data: [1] }]
    const parameters = { signature_name: 'regress_x2_to_y3' }
    expect((await post('/v2/models/half/infer', { inputs, parameters })).body).toMatchObject({
      outputs: [{ name: 'outputs', shape: [1, 1], data: [3.5] }],
    })
    const example = messageCodec('tensorflow.serving.Input').encode(list(2))
    const b64 = example.subarray(4).toString('base64') // within Input and its list, each of one byte of length
    const raw = await v1('predict', { signature_name: 'regress_x_to_y', instances: [{ b64 }] })
    expect(raw.body).toEqual({ predictions: [[3]] })
    const unknown = await v1('predict', { ...x2, signature_name: 'nope' })
    expect(unknown.body['error']).toMatch(/^Serving signature name: "nope" not found in signature def/)
  })

  it('are described as TensorFlow Serving describes them', async () => {
    const golden: unknown = JSON.parse(readFileSync(join(serving, 'half_plus_two_model_metadata.json'), 'utf8'))
    const answer = (await (await fetch(`${http}/v1/models/half/metadata`)).json()) as object
    expect({ ...answer, model_spec: {} }).toEqual({ ...(golden as object), model_spec: {} })
  })

  it(
    'are all listed by servable inspect',
    async () => {
      const io = catchIo()
      await runInspect([join(serving, 'saved_model_half_plus_two_cpu')], io)
      expect(io.out()).toContain('signature_name classify_x_to_y (tensorflow/serving/classify)')
      expect(io.out()).toContain('signature_name regress_x2_to_y3 (tensorflow/serving/regress)')
    },
    timeout,
  )
})

describe.skipIf(!canRun)(`the warm-up file of a SavedModel${canRun ? '' : ` (${reason})`}`, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'servable-warm-up-'))
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))

  /** A server of a copy with these records. */
  async function warmed(name: string, records: readonly Uint8Array[]) {
    const directory = join(scratch, name, '1')
    cpSync(join(serving, 'saved_model_half_plus_two_cpu', '00000123'), directory, { recursive: true })
    mkdirSync(join(directory, 'assets.extra'), { recursive: true })
    writeFileSync(join(directory, 'assets.extra', 'tf_serving_warmup_requests'), writeRecords(records))
    const leftOut: LogFields[] = []
    const log = { ...silentLog, warn: (fields: LogFields) => void ('record' in fields && leftOut.push(fields)) }
    const server = await createServer({ models: { half: join(scratch, name) }, log, httpPort: 0, grpcPort: 0 })
    try {
      await server.start()
      const [model] = server.dataPlane.models()
      return { state: model?.state, reason: model?.reason, leftOut }
    } finally {
      await server.close()
    }
  }
  const encode = (message: string, value: object) => messageCodec(`tensorflow.serving.${message}`).encode(value)
  const record = (field: number, request: Uint8Array) => embedded(field, embedded(1, request))
  const spec = (name: string) => ({ model_spec: { name: 'half', signature_name: name } })
  const x = { dtype: 'DT_FLOAT', tensor_shape: { dim: [{ size: 1 }] }, float_val: [1] }

  it(
    'is replayed at load: predict, classify, regress and several at once',
    async () => {
      const task = (name: string, method: string) => ({ ...spec(name), method_name: `tensorflow/serving/${method}` })
      const tasks = [task('regress_x_to_y', 'regress'), task('classify_x_to_y', 'classify')]
      const loaded = await warmed('good', [
        record(6, encode('PredictRequest', { ...spec(''), inputs: { x } })),
        record(6, encode('PredictRequest', { ...spec('regress_x2_to_y3'), inputs: { inputs: x } })),
        record(2, encode('ClassificationRequest', { ...spec('classify_x_to_y'), input: list(1, 2) })),
        record(3, encode('RegressionRequest', { ...spec('regress_x_to_y2'), input: list(1) })),
        record(4, encode('MultiInferenceRequest', { tasks, input: list(1) })),
      ])
      expect(loaded).toMatchObject({ state: 'ready', leftOut: [] })
    },
    timeout,
  )

  it(
    'fails the load where a record asks for a signature that there is not, or TensorFlow refuses it',
    async () => {
      const unknown = await warmed('unknown', [
        record(6, encode('PredictRequest', { ...spec(''), inputs: { x } })),
        record(3, encode('RegressionRequest', { ...spec('nope'), input: list(1) })),
      ])
      expect(unknown.state).toBe('failed')
      expect(unknown.reason).toMatch(/record 2: No signature was found with the name: nope/)
      const input = { example_list: { examples: [{}] } }
      const refused = await warmed('refused', [
        record(3, encode('RegressionRequest', { ...spec('regress_x_to_y'), input })),
      ])
      expect(refused.reason).toMatch(/record 1 failed: TensorFlow: .*Feature: x/)
    },
    timeout,
  )
})
