/** A server from KServe's manifests: its models answer over V1 and V2, its graphs call them. */
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { silentLog, type Log } from '../../src/core/log.ts'
import { defineModel } from '../../src/runtime/define-model.ts'
import { createServer, type Server, type ServerOptions } from '../../src/server/server.ts'
import { ManifestBench, service, v1alpha1 } from '../kserve/support.ts'
import { samples } from '../paths.ts'

const bench = new ManifestBench()
const open: Server[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})
afterAll(() => bench.close())

async function start(options: ServerOptions) {
  const server = await createServer({ httpPort: 0, grpcPort: 0, logLevel: 'silent', ...options })
  open.push(server)
  return { server, ...(await server.start()) }
}

async function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body), headers })
  return { status: response.status, answer: await response.json() }
}

const iris = `file://${join(samples, 'iris')}`
const isvc = service(`model:\n  modelFormat: {name: onnx}\n  storageUri: ${iris}`, 'flowers')
const legacy = service(
  `onnx:\n  storageUri: ${iris}/1\n  protocolVersion: v1\n  args: [--model_name=old-flowers]`,
  'old',
)
const graph = `${v1alpha1}
kind: InferenceGraph
metadata: {name: both}
spec:
  nodes:
    root:
      routerType: Ensemble
      steps:
        - {name: new, serviceName: flowers}
        - {name: old, serviceName: old}
`
const rows = { instances: [[6.3, 3.3, 6, 2.5]] }
const v2 = { inputs: [{ name: 'X', datatype: 'FP32', shape: [1, 4], data: [6.3, 3.3, 6, 2.5] }] }
const label = expect.objectContaining({ label: 2 }) as unknown

describe('an InferenceService', () => {
  it('is served under its name over V1 and V2', async () => {
    const { http, server } = await start({ file: [await bench.write(isvc)] })
    expect(await post(`${http}/v1/models/flowers:predict`, rows)).toEqual({
      status: 200,
      answer: { predictions: [label] },
    })
    const { status, answer } = await post(`${http}/v2/models/flowers/infer`, v2)
    expect(status).toBe(200)
    expect(answer).toMatchObject({ model_name: 'flowers', outputs: [{ name: 'label', data: [2] }, {}] })
    expect(server.dataPlane.isReady).toBe(true)
  })

  it('stands beside models of other paths and of the program', async () => {
    const half = defineModel({
      inputs: { x: { datatype: 'FP32', shape: [-1] } },
      outputs: { y: { datatype: 'FP32', shape: [-1] } },
      predict: ({ x }) => ({ y: x.data.map((value) => value / 2) }),
    })
    const { server } = await start({ models: { half }, file: [await bench.write(isvc)] })
    expect(server.dataPlane.models().map(({ ref }) => ref.name)).toEqual(['half', 'flowers'])
    const file = [await bench.write(isvc.replace('flowers', 'half'))]
    await expect(createServer({ models: { half }, file })).rejects.toThrow(
      /m\.yaml:8: the model 'half' is served from another path already/,
    )
  })

  it('takes files by a path beside its manifest, and from a claim', async () => {
    const directory = await bench.write({
      'deploy/a.yaml': service('onnx: {storageUri: file://../models/iris}', 'near'),
    })
    await mkdir(join(directory, 'models'))
    await cp(join(samples, 'iris'), join(directory, 'models', 'iris'), { recursive: true })
    const claimed = await bench.write(service('onnx: {storageUri: pvc://disk/iris}', 'claimed'))
    const file = [join(directory, 'deploy'), join(claimed, 'm.yaml')]
    const { server } = await start({ file, pvc: [['disk', samples]] })
    expect(server.dataPlane.models().map(({ ref, state }) => `${ref.name} ${state}`)).toEqual([
      'near ready',
      'claimed ready',
    ])
  })

  it('can be loaded and unloaded by callers', async () => {
    const { http } = await start({ file: [await bench.write(isvc)] })
    const repository = `${http}/v2/repository/models/flowers`
    expect((await fetch(`${repository}/unload`, { method: 'POST' })).status).toBe(200)
    expect((await post(`${http}/v1/models/flowers:predict`, rows)).status).toBe(404)
    expect((await fetch(`${repository}/load`, { method: 'POST' })).status).toBe(200)
    expect((await post(`${http}/v1/models/flowers:predict`, rows)).status).toBe(200)
  })

  it('of another format than its files fails with the reason', async () => {
    const text = service(`model:\n  modelFormat: {name: other}\n  storageUri: ${iris}`)
    const runtime = {
      api: 1 as const,
      name: 'other',
      formats: ['other'],
      load: () => Promise.reject(new Error('never')),
    }
    const { server } = await start({ file: [await bench.write(text)], runtimes: [runtime] })
    const [status] = server.dataPlane.models()
    expect(status).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/is of format onnx, not other$/) as string,
    })
  })

  it('whose files are missing ends the start with its line', async () => {
    const file = [await bench.write(service('onnx: {storageUri: file:///no/such/model}'))]
    await expect(createServer({ file })).rejects.toThrow(/m\.yaml:6: \/no\/such\/model does not exist$/)
    const empty = await bench.write({ 'a/m.yaml': service('onnx: {storageUri: file://../b}'), 'b/notes.txt': '' })
    await expect(createServer({ file: [join(empty, 'a')] })).rejects.toThrow(
      /m\.yaml:6: a model name \('iris'\) .*none was found$/,
    )
  })
})

describe('an InferenceGraph', () => {
  it('calls the services of its manifests, each by its own protocol', async () => {
    const { http } = await start({ file: [await bench.write([isvc, legacy, graph].join('---\n'))] })
    const expected = { status: 200, answer: { new: { predictions: [label] }, old: { predictions: [label] } } }
    expect(await post(`${http}/v1/models/both:predict`, rows)).toEqual(expected)
  })

  it('that names a service that is nowhere ends the start with its line', async () => {
    const file = [await bench.write([isvc, graph].join('---\n'))]
    await expect(createServer({ file })).rejects.toThrow(/m\.yaml:\d+: .*service 'old'/)
  })
})

it('what is not honoured is in the log, one line each', async () => {
  const warnings: unknown[] = []
  const log: Log = {
    ...silentLog,
    warn: (fields, message) => void (message === 'manifest' && warnings.push(fields['warning'])),
  }
  const text = isvc.replace('predictor:', 'predictor:\n    scaleTarget: 5\n    workerSpec: {}')
  await start({ file: [await bench.write(text)], log })
  expect(warnings).toEqual([
    expect.stringMatching(/m\.yaml:7: spec\.predictor\.workerSpec: not honoured/),
    expect.stringMatching(/m\.yaml:6: spec\.predictor\.scaleTarget: not honoured/),
  ])
})
