/** The calls of a mesh to its runtime, in the orders in which ModelMesh makes them, on a port and on a Unix socket. */
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { portOf } from '../../../src/server/addresses.ts'
import { directoryWith } from '../../repository/directories.ts'
import { gatedRuntime } from './gated-runtime.ts'
import { addSub, addSubPath, codeOf, irisPath, onnx, startRuntime, ways } from './mesh-peer.ts'

describe.each(ways)('a runtime of a mesh on a %s', (way) => {
  it('tells at start what a mesh checks', async () => {
    const { mesh } = await startRuntime(way)
    const status = await mesh.status()
    const { capacityInBytes: capacity, defaultModelSizeInBytes: size } = status
    expect(status.status).toBe('READY')
    expect(capacity).toBe(2 ** 30)
    expect(status.maxLoadingConcurrency).toBeGreaterThanOrEqual(1)
    expect(status.modelLoadingTimeoutMs).toBeGreaterThanOrEqual(100)
    expect(size).toBeGreaterThanOrEqual(8192)
    expect(capacity).toBeGreaterThanOrEqual(Math.max(2 * size, Math.min(512 * 2 ** 20, 10 * size)))
    expect(status.runtimeVersion).not.toBe('')
    expect(status.allowAnyMethod).toBe(false)
    expect(status.methodInfos).toMatchObject({
      'inference.GRPCInferenceService/ModelInfer': { idInjectionPath: [1] },
      'inference.GRPCInferenceService/ModelMetadata': { idInjectionPath: [1] },
      'tensorflow.serving.PredictionService/Predict': { idInjectionPath: [1, 1] },
    })
  })

  it('loads, tells sizes, answers, and unloads', async () => {
    const { mesh, data, models } = await startRuntime(way)
    expect(await codeOf(mesh.infer('m__isvc-0123456789'))).toBe('NOT_FOUND')
    const guess = await mesh.predictSize('m__isvc-0123456789', addSubPath, onnx)
    const loaded = await mesh.load('m__isvc-0123456789', addSubPath, onnx)
    expect(guess.sizeInBytes).toBeGreaterThan(0)
    expect(loaded.sizeInBytes).toBeGreaterThanOrEqual(131_072)
    expect(loaded.maxConcurrency).toBeGreaterThanOrEqual(1)
    expect((await mesh.size('m__isvc-0123456789')).sizeInBytes).toBe(loaded.sizeInBytes)
    for (const door of [mesh, data]) {
      expect(await door.infer('m__isvc-0123456789')).toMatchObject({
        model_name: 'm__isvc-0123456789',
        outputs: [{ name: 'OUTPUT0' }, { name: 'OUTPUT1' }],
      })
    }
    await mesh.unload('m__isvc-0123456789')
    expect(models()).toEqual([])
    expect(await codeOf(mesh.infer('m__isvc-0123456789'))).toBe('NOT_FOUND')
    expect(await codeOf(mesh.size('m__isvc-0123456789'))).toBe('NOT_FOUND')
    expect(await codeOf(mesh.unload('m__isvc-0123456789'))).toBe('OK')
    expect(await codeOf(mesh.unload('never-there'))).toBe('OK')
  })

  it('unloads everything, what is being loaded included, before it is ready', async () => {
    const gated = await gatedRuntime()
    const { mesh, models } = await startRuntime(way, { runtimes: [gated.runtime] })
    await mesh.load('loaded', addSubPath, onnx)
    const loading = mesh.load('loading', gated.path)
    while (gated.begun.length === 0) await mesh.infer('loaded')
    const first = mesh.status()
    gated.release()
    let { status } = await first
    while (status === 'STARTING') status = (await mesh.status()).status
    expect(status).toBe('READY')
    expect(models()).toEqual([])
    expect(await codeOf(loading)).toBe('CANCELLED')
    expect(gated.open.get('loading') ?? 0).toBe(0)
    expect(await codeOf(mesh.infer('loaded'))).toBe('NOT_FOUND')
    expect(await codeOf(mesh.load('loaded', addSubPath, onnx))).toBe('OK')
  })

  it('is not ready before a load that cannot be interrupted has ended', async () => {
    const gated = await gatedRuntime()
    const { mesh } = await startRuntime(way, { runtimes: [gated.runtime] })
    void mesh.startLoad('loading', gated.path)
    while (gated.begun.length === 0) await codeOf(mesh.infer('loading'))
    expect((await mesh.status()).status).toBe('STARTING')
    gated.release()
    let { status } = await mesh.status()
    while (status === 'STARTING') status = (await mesh.status()).status
    expect([...gated.open.values()].every((instances) => instances === 0)).toBe(true)
  })

  it('ends a load that is cancelled, so that nothing is loaded once the unload is answered', async () => {
    const gated = await gatedRuntime()
    const { mesh, models } = await startRuntime(way, { runtimes: [gated.runtime] })
    const load = mesh.startLoad('slow', gated.path)
    while (gated.begun.length === 0) await codeOf(mesh.infer('slow'))
    load.cancel()
    expect(await codeOf(load.answer)).toBe('CANCELLED')
    const unloaded = mesh.unload('slow')
    gated.release()
    await unloaded
    expect(models()).toEqual([])
    expect(gated.open.get('slow') ?? 0).toBe(0)
    expect(await codeOf(mesh.infer('slow'))).toBe('NOT_FOUND')
    await mesh.load('slow', gated.path)
    expect(gated.open.get('slow')).toBe(1)
  })

  it('loads twenty models at once', async () => {
    const { mesh, models } = await startRuntime(way)
    const ids = Array.from({ length: 20 }, (_, index) => `model-${index}`)
    const sizes = await Promise.all(ids.map((id) => mesh.load(id, addSubPath, onnx)))
    expect(sizes.every(({ sizeInBytes }) => sizeInBytes > 0)).toBe(true)
    const answers = await Promise.all(ids.map((id) => mesh.infer(id)))
    expect(answers.map((answer) => answer.model_name)).toEqual(ids)
    await Promise.all(ids.map((id) => mesh.unload(id)))
    expect(models()).toEqual([])
  })
})

describe('loads and unloads of one model', () => {
  it('share one load where they ask for the same', async () => {
    const gated = await gatedRuntime()
    const { mesh } = await startRuntime('port', { runtimes: [gated.runtime] })
    const loads = [1, 2, 3].map(() => mesh.startLoad('shared', gated.path))
    while (gated.begun.length === 0) await codeOf(mesh.infer('shared'))
    loads[0]?.cancel()
    expect(await codeOf(loads[0]?.answer ?? Promise.resolve())).toBe('CANCELLED')
    gated.release()
    expect(await Promise.all(loads.slice(1).map(({ answer }) => codeOf(answer)))).toEqual(['OK', 'OK'])
    expect(gated.begun).toEqual(['shared'])
    expect(await mesh.load('shared', gated.path)).toEqual({ sizeInBytes: 123_456 + 131_072, maxConcurrency: 3 })
    expect(gated.begun).toEqual(['shared'])
  })

  it('follow each other in any order, and leave what was asked for last', async () => {
    const gated = await gatedRuntime({ isGated: false })
    const { mesh, models } = await startRuntime('port', { runtimes: [gated.runtime] })
    let seed = 7
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below
    for (let round = 0; round < 30; round += 1) {
      const steps = Array.from({ length: 1 + random(6) }, () => random(3))
      const calls = steps.map((step) => {
        if (step === 0) return codeOf(mesh.unload('m'))
        const load = mesh.startLoad('m', gated.path)
        if (step === 1) load.cancel()
        return codeOf(load.answer)
      })
      for (const code of await Promise.all(calls)) expect(['OK', 'CANCELLED']).toContain(code)
      await mesh.unload('m')
      expect([models(), gated.open.get('m') ?? 0]).toEqual([[], 0])
      expect(await codeOf(mesh.load('m', gated.path))).toBe('OK')
      expect(gated.open.get('m')).toBe(1)
      await mesh.unload('m')
    }
  })

  it('wait for requests that run', async () => {
    const { mesh } = await startRuntime('port')
    await mesh.load('m', addSubPath, onnx)
    const answers = Promise.all(Array.from({ length: 50 }, () => codeOf(mesh.infer('m'))))
    await mesh.unload('m')
    for (const code of await answers) expect(['OK', 'NOT_FOUND']).toContain(code)
  })

  it('take another path for another model', async () => {
    const { mesh } = await startRuntime('port')
    await mesh.load('m', addSubPath, onnx)
    await mesh.load('m', irisPath, onnx)
    expect(await codeOf(mesh.infer('m'))).toBe('INVALID_ARGUMENT')
  })
})

describe('a load that fails', () => {
  it('tells by its code whether anything was tried', async () => {
    const directory = await directoryWith({
      'broken/model.onnx': 'no model',
      'nothing/readme.txt': 'empty',
      'sklearn/model.joblib': 'x',
    })
    const { mesh, models } = await startRuntime('port', { models: { own: addSubPath } })
    const failures = [
      [() => mesh.load('', addSubPath, onnx), 'INVALID_ARGUMENT'],
      [() => mesh.load('a/b', addSubPath, onnx), 'INVALID_ARGUMENT'],
      [() => mesh.load('m', '', onnx), 'INVALID_ARGUMENT'],
      [() => mesh.load('m', 'relative/path', onnx), 'INVALID_ARGUMENT'],
      [() => mesh.load('m', addSubPath, '{"model_type":'), 'INVALID_ARGUMENT'],
      [() => mesh.load('m', addSubPath, '[]'), 'INVALID_ARGUMENT'],
      [() => mesh.load('m', addSubPath, { model_type: 7 }), 'INVALID_ARGUMENT'],
      [() => mesh.load('m', addSubPath, { disk_size_bytes: 'many' }), 'INVALID_ARGUMENT'],
      [() => mesh.load('m', 'x', { storage_params: { type: 'ftp' } }), 'INVALID_ARGUMENT'],
      [() => mesh.load('m', 'x', { storage_key: 'none-such' }), 'INVALID_ARGUMENT'],
      [() => mesh.load('m', `${directory}/none`, onnx), 'INVALID_ARGUMENT'],
      [() => mesh.load('m', `${directory}/nothing`, onnx), 'INVALID_ARGUMENT'],
      [() => mesh.load('m', `${directory}/sklearn`), 'FAILED_PRECONDITION'],
      [() => mesh.load('m', addSubPath, { model_type: { name: 'pytorch' } }), 'FAILED_PRECONDITION'],
      [() => mesh.load('m', addSubPath, { model_type: { name: 'lightgbm' } }), 'FAILED_PRECONDITION'],
      [() => mesh.load('own', addSubPath, onnx), 'FAILED_PRECONDITION'],
      [() => mesh.load('m', `${directory}/broken`, onnx), 'INTERNAL'],
    ] as const
    for (const [index, [load, code]] of failures.entries()) expect([index, await codeOf(load())]).toEqual([index, code])
    expect(models()).toEqual(['own'])
    expect(await codeOf(mesh.unload('m'))).toBe('OK')
    expect(await codeOf(mesh.infer('m'))).toBe('NOT_FOUND')
    expect(await codeOf(mesh.load('m', addSubPath, onnx))).toBe('OK')
  })

  it('names its reason', async () => {
    const directory = await directoryWith({ 'broken/model.onnx': 'no model' })
    const { mesh } = await startRuntime('port')
    await expect(mesh.load('m', `${directory}/broken`, onnx)).rejects.toThrow(/model\.onnx/)
    await expect(mesh.load('m', addSubPath, { model_type: { name: 'pytorch' } })).rejects.toThrow(/pytorch.*onnx/)
  })

  it('has no room', async () => {
    const { mesh } = await startRuntime('port', { memoryBudget: 100_000 })
    const gated = await gatedRuntime({ isGated: false })
    const tight = await startRuntime('port', { memoryBudget: 100_000, runtimes: [withEstimate(gated, 2 ** 30)] })
    expect((await mesh.status()).defaultModelSizeInBytes).toBe(10_000)
    expect(await codeOf(tight.mesh.load('m', gated.path))).toBe('RESOURCE_EXHAUSTED')
    expect(tight.models()).toEqual([])
  })
})

describe('NOT_FOUND', () => {
  it('is told of nothing but a model that is not here', async () => {
    const { mesh } = await startRuntime('port')
    await mesh.load('m', addSubPath, onnx)
    const [first] = addSub['inputs'] as readonly object[] // as written in mesh-peer.ts
    const codes = [
      mesh.infer('m', { ...addSub, model_version: '7' }),
      mesh.infer('m', { ...addSub, outputs: [{ name: 'none' }] }),
      mesh.infer('m', { inputs: [{ ...first, name: 'none' }] }),
      mesh.infer('m', { inputs: [] }),
    ].map(codeOf)
    expect(await Promise.all(codes)).toEqual(Array.from(codes, () => 'INVALID_ARGUMENT'))
  })

  it('is told of a model that somebody else unloaded', async () => {
    const { mesh, models, addresses } = await startRuntime('port')
    await mesh.load('m', addSubPath, onnx)
    const unloaded = await fetch(`${addresses.http}/v2/repository/models/m/unload`, { method: 'POST' })
    expect(unloaded.status).toBe(200)
    expect(await codeOf(mesh.infer('m'))).toBe('NOT_FOUND')
    await mesh.unload('m')
    expect(models()).toEqual([])
    await mesh.load('m', addSubPath, onnx)
    expect(await codeOf(mesh.infer('m'))).toBe('OK')
  })

  it('is told of a model that broke while it served, so that it is loaded again', async () => {
    const gated = await gatedRuntime({ isGated: false })
    const { mesh, models } = await startRuntime('port', { runtimes: [gated.runtime] })
    await mesh.load('m', gated.path)
    gated.breakDown('m')
    expect(await codeOf(mesh.infer('m'))).toBe('NOT_FOUND')
    expect(models()).toEqual([])
    expect(await codeOf(mesh.load('m', gated.path))).toBe('OK')
  })
})

describe('the data plane', () => {
  it('finds the model in the metadata, whatever the message says', async () => {
    const { mesh, data } = await startRuntime('port')
    await mesh.load('größe', addSubPath, onnx)
    const service = 'inference.GRPCInferenceService'
    const binary = { 'mm-model-id-bin': Buffer.from('größe') }
    for (const door of [mesh, data]) {
      const answers = [
        door.call(service, 'ModelInfer', addSub, { metadata: binary }),
        door.call(service, 'ModelInfer', { ...addSub, model_name: 'vmodel' }, { metadata: binary }),
        door.call(service, 'ModelInfer', { ...addSub, model_name: 'größe' }),
      ]
      for (const answer of answers) expect(await answer).toMatchObject({ model_name: 'größe' })
      const metadata = await door.call(service, 'ModelMetadata', {}, { metadata: binary })
      expect(metadata).toMatchObject({ name: 'größe' })
    }
    await mesh.load('m', addSubPath, onnx)
    expect(
      await data.call(service, 'ModelInfer', { ...addSub, model_name: 'other' }, { metadata: { 'mm-model-id': 'm' } }),
    ).toMatchObject({ model_name: 'm' })
  })

  it('has no calls of the mesh where these have a door of their own', async () => {
    const { data, mesh } = await startRuntime('unix')
    const calls = [data.load('m', addSubPath, onnx), data.unload('m'), data.size('m'), data.status()]
    expect(await Promise.all(calls.map(codeOf))).toEqual(Array.from(calls, () => 'UNIMPLEMENTED'))
    expect(await codeOf(mesh.infer('m'))).toBe('NOT_FOUND')
  })
})

describe('one port', () => {
  it('is for both, where the endpoint of the mesh is the port of gRPC', async () => {
    const port = await freePort()
    const { data, addresses } = await startRuntime('port', {
      grpcPort: port,
      httpPort: await freePort(),
      modelMesh: { kind: 'port', port },
    })
    expect(addresses.mesh).toBe(addresses.grpc)
    expect(await data.status()).toMatchObject({ status: 'READY' })
    await data.load('m', addSubPath, onnx)
    expect(await codeOf(data.infer('m'))).toBe('OK')
  })
})

describe('predictModelSize', () => {
  it('goes by the size of the files, without loading them', async () => {
    const { mesh, models } = await startRuntime('port')
    const { defaultModelSizeInBytes } = await mesh.status()
    const sizeOf = async (path: string, key: object) => (await mesh.predictSize('m', path, key)).sizeInBytes
    expect(await sizeOf('/none', { ...onnx, disk_size_bytes: 4_000_000 })).toBe(5_000_000)
    const directory = await directoryWith({ 'm/1/weights.bin': new Uint8Array(80_000), 'm/config': 'x' })
    expect(await sizeOf(`${directory}/m`, onnx)).toBe(80_001 + 131_072)
    expect(await sizeOf('/none', onnx)).toBe(defaultModelSizeInBytes)
    expect(await sizeOf('s3://bucket/model', onnx)).toBe(defaultModelSizeInBytes)
    expect(await codeOf(mesh.predictSize('m', '/none', '{'))).toBe('INVALID_ARGUMENT')
    expect(models()).toEqual([])
  })
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const port = portOf(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

function withEstimate({ runtime }: Awaited<ReturnType<typeof gatedRuntime>>, bytes: number) {
  return { ...runtime, estimateBytes: () => Promise.resolve(bytes) }
}
