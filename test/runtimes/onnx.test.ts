import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import onnx, { createOnnxRuntime, inspectOnnx } from '../../runtimes/onnx/index.ts'
import { importOrt, openNative, openPublic } from '../../runtimes/onnx/native.ts'
import { parseWarnings } from '../../runtimes/onnx/warnings.ts'
import { InferenceError, silentLog, tensor } from '../../src/runtime/index.ts'
import type { Log, Model, ModelSpec, SystemDescription } from '../../src/runtime/index.ts'
import { fixtures, shared, withoutShared } from '../paths.ts'
import { describeContract } from './contract.ts'
import { expectClose, readGolden } from './golden.ts'
import { never, specOf } from './model-spec.ts'

const models = join(fixtures, 'models')
const fileOf = (name: string): string => join(models, name, 'model.onnx')

async function load(file: string, changes: Partial<ModelSpec> = {}, log: Log = silentLog): Promise<Model> {
  const model = await onnx.load(specOf(file, changes), log, never)
  onTestFinished(() => model.close())
  return model
}

for (const placement of ['auto', 'inline', 'pool', 'thread', 'process'] as const) {
  describeContract(`onnx, placement ${placement}`, {
    runtime: onnx,
    spec: specOf(fileOf('iris-logreg'), { placement, maxBatchSize: 64, instances: 2 }),
    goldens: () => readGolden(join(models, 'iris-logreg')),
  })
}

describe('a file that is no good', () => {
  it.each<[string, RegExp]>([
    ['load-failures/truncated.onnx', /is cut short.*has 2381 bytes and needs at least \d+. Copy or download it again/],
    ['load-failures/garbage.onnx', /is no ONNX model \(protobuf\)/],
    ['load-failures/empty.onnx', /is empty \(0 bytes\)/],
    ['load-failures/text.onnx', /is a Git LFS pointer, not the model: run `git lfs pull`/],
    ['load-failures/unknown-op.onnx', /operator 'com\.example:NoSuchOp' is unknown to onnxruntime/],
    ['load-failures/opset99.onnx', /opset 99 of ai\.onnx is newer than this onnxruntime-node knows \(up to \d+\)/],
    ['load-failures/ir99.onnx', /IR version 99 is newer than this onnxruntime-node reads \(up to \d+\)/],
    ['load-failures/type-mismatch.onnx', /contradicts itself: Type \(tensor\(int64\)\) of output arg \(OUTPUT0\)/],
    ['load-failures/missing-external-data.onnx', /keeps weights in 'model\.onnx\.data', which is not beside it/],
    ['identity-bf16/model.onnx', /input 'INPUT0' has datatype BF16, which onnxruntime-node does not support/],
    ['absent/model.onnx', /cannot open model file '.*absent.model\.onnx': ENOENT/],
    ['iris-logreg', /is a directory|cannot open/],
  ])('%s is refused with a text that helps', async (name, text) => {
    const failure: unknown = await onnx
      .load(specOf(join(models, name)), silentLog, never)
      .catch((reason: unknown) => reason)
    expect(failure).toBeInstanceOf(InferenceError)
    expect(failure).toMatchObject({ code: 'failed_precondition', message: text })
    expect(String(failure)).not.toContain('onnxruntime_src')
  })

  it('is refused where weights lie outside its directory', async () => {
    // external_data { location: "../../etc/passwd" } of one initializer, written by hand
    const text = (field: number, value: string): number[] => [field * 8 + 2, value.length, ...Buffer.from(value)]
    const message = (field: number, value: number[]): number[] => [field * 8 + 2, value.length, ...value]
    const entry = message(13, [...text(1, 'location'), ...text(2, '../../etc/passwd')])
    const bytes = Buffer.from([8, 8, ...message(7, message(5, [...text(8, 'W'), ...entry, 14 * 8, 1]))])
    const folder = mkdtempSync(join(tmpdir(), 'servable-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(join(folder, 'model.onnx'), bytes)
    expect(() => inspectOnnx(join(folder, 'model.onnx'))).toThrow(
      /'\.\.\/\.\.\/etc\/passwd', outside its own directory/,
    )
  })
})

describe('options', () => {
  const iris = fileOf('iris-logreg')

  it('are passed on where they are good', async () => {
    const options = {
      intra_op_num_threads: 2,
      allow_spinning: true,
      execution_mode: 'parallel',
      inter_op_num_threads: 2,
    }
    const model = await load(iris, { options: { ...options, graph_optimization_level: 'basic' }, placement: 'pool' })
    expect(model.metadata.parameters).toMatchObject({ placement: 'pool', placement_reason: 'asked for' })
  })

  it.each([
    [{ threads: 2 }, /unknown option 'threads' of runtime 'onnx': there are intra_op_num_threads, /],
    [{ intra_op_num_threads: 0 }, /option 'intra_op_num_threads' of runtime 'onnx'/],
    [{ graph_optimization_level: 'most' }, /option 'graph_optimization_level'.*"disabled"/],
    [{ allow_spinning: 'yes' }, /option 'allow_spinning'/],
  ])('%j is refused', async (options, text) => {
    const loading = onnx.load(specOf(iris, { options }), silentLog, never)
    await expect(loading).rejects.toMatchObject({ code: 'failed_precondition', message: text })
  })
})

describe('what onnxruntime would change', () => {
  const strings = (elements: readonly Uint8Array[]) => ({
    inputs: [tensor('INPUT0', 'BYTES', [elements.length, 1], elements)],
  })

  it.each(['inline', 'pool'] as const)('is refused by name (%s)', async (placement) => {
    const model = await load(fileOf('identity-bytes'), { placement })
    const withNul = model.predict(strings([Buffer.from('ok'), Buffer.from('a\0b')]), never)
    await expect(withNul).rejects.toMatchObject({
      code: 'invalid_argument',
      message: /input 'INPUT0': element 1 contains a NUL/,
    })
    const binary = model.predict(strings([Buffer.from([0xff, 0xfe])]), never)
    await expect(binary).rejects.toMatchObject({ code: 'invalid_argument', message: /element 0 is not valid UTF-8/ })
    const [kept] = await model.predict(strings([Buffer.from('\ufeffmark'), Buffer.from('😀')]), never)
    const texts = kept?.datatype === 'BYTES' ? kept.data.map((text) => Buffer.from(text).toString()) : []
    expect(texts).toEqual(['\ufeffmark', '😀'])
  })

  it('leaves out outputs that are no tensors, and says so in the log', async () => {
    const lines: unknown[] = []
    const model = await load(fileOf('iris-zipmap'), {}, { ...silentLog, warn: (fields) => lines.push(fields) })
    expect(model.metadata.outputs.map(({ name }) => name)).toEqual(['label'])
    expect(lines).toMatchObject([{ outputs: ['output_probability'] }])
    for (const golden of await readGolden(join(models, 'iris-zipmap'))) {
      if (golden.error === undefined) expectClose(await model.predict({ inputs: golden.inputs }, never), golden)
    }
  })
})

describe('devices', () => {
  const system: SystemDescription = {
    platform: 'linux',
    arch: 'x64',
    gpus: [],
    missingCudaLibraries: [],
    missingTensorrtLibraries: [],
  }

  it('fall back to the CPU, and the metadata says why', async () => {
    const runtime = createOnnxRuntime(() => Promise.resolve(system))
    const model = await runtime.load(specOf(fileOf('add-sub'), { device: 'auto' }), silentLog, never)
    onTestFinished(() => model.close())
    const reason: unknown = expect.stringContaining('no NVIDIA driver')
    expect(model.metadata.parameters).toMatchObject({ device: 'cpu', device_reason: reason })
    await expect(runtime.load(specOf(fileOf('add-sub'), { device: 'cuda' }), silentLog, never)).rejects.toThrow(
      /no NVIDIA driver/,
    )
  })

  it('fall back as well where the GPU that was found refuses the model', async () => {
    const gpu = { index: 0, name: 'A', uuid: 'GPU-0', isMigEnabled: false, migInstances: [] }
    const flags = { hasShared: true, hasCuda: true, hasTensorrt: false }
    const pretended = {
      ...system,
      driverVersion: '570.1.1',
      gpus: [gpu],
      package: { name: 'onnxruntime-node', directory: '/', ...flags },
    }
    const runtime = createOnnxRuntime(() => Promise.resolve(pretended))
    const loading = runtime.load(specOf(fileOf('add-sub'), { device: 'auto' }), silentLog, never)
    const model = await loading
    onTestFinished(() => model.close())
    const reason = String(model.metadata.parameters?.['device_reason'])
    expect(reason).toMatch(
      model.metadata.parameters?.['device'] === 'cpu' ? /cuda:0 failed: .*Cuda provider/ : /found A/,
    )
  })
})

describe('placement', () => {
  it('is measured: a cheap model is inline, a slow one in the pool', async () => {
    const cheap = await load(fileOf('add-sub'))
    expect(['inline', 'pool']).toContain(cheap.metadata.parameters?.['placement'])
    const slow = await load(fileOf('slow-5ms'))
    expect(slow.metadata.parameters?.['placement']).not.toBe('inline')
    expect(slow.metadata.parameters?.['run_us']).toBeGreaterThan(1000)
  })

  it.each(['pool', 'thread'] as const)('%s leaves the event loop free', async (placement) => {
    const model = await load(fileOf('slow-5ms'), { placement })
    const rows = 64
    let ticks = 0
    const timer = setInterval(() => (ticks += 1), 1)
    await model.predict({ inputs: [tensor('INPUT0', 'FP32', [rows, 512], new Float32Array(rows * 512))] }, never)
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(5)
  })
})

describe('the two ways to onnxruntime', () => {
  it('give the same signature and the same outputs', async () => {
    const ort = await importOrt()
    for (const name of ['iris-logreg', 'identity-all-dtypes', 'iris-zipmap']) {
      const options = { executionProviders: ['cpu'], logSeverityLevel: 4 }
      const direct = await openNative(fileOf(name), options)
      const documented = await openPublic(ort, fileOf(name), options)
      expect(direct.inputs).toEqual(documented.inputs)
      expect(direct.outputs).toEqual(documented.outputs)
      await direct.close()
      await documented.close()
    }
    const options = { executionProviders: ['cpu'], logSeverityLevel: 4 }
    const sessions = [
      await openNative(fileOf('iris-logreg'), options),
      await openPublic(ort, fileOf('iris-logreg'), options),
    ]
    const X = { type: 'float32', data: Float32Array.of(5.1, 3.5, 1.4, 0.2), dims: [1, 4], location: 'cpu' } as const
    const results = []
    for (const session of sessions) results.push(await session.run({ X }, { label: null, probabilities: null }))
    expect(results[0]?.['probabilities']?.data).toEqual(results[1]?.['probabilities']?.data)
    for (const session of sessions) await session.close()
  })
})

describe('inspection', () => {
  it('tells the signature without onnxruntime', () => {
    expect(inspectOnnx(fileOf('iris-logreg'))).toMatchObject({
      inputs: [{ name: 'X', datatype: 'FP32', shape: [-1, 4], dimensionNames: ['N', ''] }],
      outputs: [
        { name: 'label', datatype: 'INT64', shape: [-1] },
        { name: 'probabilities', datatype: 'FP32', shape: [-1, 3] },
      ],
      operators: { LinearClassifier: 1 },
      hiddenOutputs: [],
    })
  })

  it('agrees with onnxruntime', async () => {
    for (const name of ['add-sub', 'identity-all-dtypes', 'slow-5ms', 'iris-zipmap']) {
      const { inputs, outputs } = inspectOnnx(fileOf(name))
      const model = await load(fileOf(name), { placement: 'pool' })
      expect(model.metadata.inputs).toEqual(inputs)
      expect(model.metadata.outputs).toEqual(outputs)
    }
  })
})

describe("onnxruntime's warnings", () => {
  it('are taken apart line by line', () => {
    const escape = String.fromCharCode(27)
    const line = `${escape}[0;93m2026-01-02 03:04:05.678 [W:onnxruntime:, graph.cc:4285 CleanUnused] Removing initializer 'a'.${escape}[m`
    expect(parseWarnings(`${line}\nsomething else\n`)).toEqual(["Removing initializer 'a'."])
  })

  it('are looked for at debug only and never fail a load', async () => {
    const model = await load(fileOf('add-sub'), {}, { ...silentLog, isDebugEnabled: true })
    expect(model.metadata.inputs).toHaveLength(2)
  })
})

describe.skipIf(shared === undefined)(`shared models (${withoutShared})`, () => {
  const own = join(shared ?? '', 'models', 'own', 'synthetic')

  it('names inputs with an initializer as constants and leaves them out of the signature', async () => {
    const model = await load(join(own, 'optional-input', 'model.onnx'))
    expect(model.metadata.inputs.map(({ name }) => name)).toEqual(['INPUT0'])
    expect(model.metadata.parameters).toMatchObject({ constant_inputs: 'BIAS' })
  })

  it("writes onnxruntime's warnings to the log at debug", async () => {
    const lines: unknown[] = []
    const log: Log = { ...silentLog, isDebugEnabled: true, debug: (fields) => lines.push(fields) }
    await load(join(own, 'optional-input', 'model.onnx'), { placement: 'pool' }, log)
    const warning: unknown = expect.stringMatching(/^Initializer BIAS appears in graph inputs/)
    expect(lines).toContainEqual({ model: 'optional-input', onnxruntime: warning })
  })

  it('tells a scalar from an unknown rank', async () => {
    const scalar = await load(join(own, 'scalar-square', 'model.onnx'))
    expect(scalar.metadata.inputs).toEqual([{ name: expect.any(String) as string, datatype: 'FP64', shape: [] }])
    const any = await load(join(own, 'identity-anyrank', 'model.onnx'))
    expect(any.metadata.inputs).toMatchObject([{ datatype: 'FP32', shape: [-1], isAnyRank: true }])
  })

  it("passes on onnxruntime's reason where a run fails", async () => {
    const model = await load(join(own, 'fail-gather', 'model.onnx'))
    const run = model.predict({ inputs: [tensor('INDEX', 'INT64', [1], BigInt64Array.of(10n))] }, never)
    const message: unknown = expect.stringMatching(
      /^onnxruntime: running Gather node.*indices element out of data bounds/,
    )
    await expect(run).rejects.toMatchObject({ code: 'internal', message })
  })

  it('counts external files as memory', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'servable-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    cpSync(join(own, 'external-data'), folder, { recursive: true })
    const { externalFiles, fileBytes } = inspectOnnx(join(folder, 'model.onnx'))
    expect(externalFiles).toMatchObject([{ location: 'model.onnx.data', exists: true }])
    const model = await load(join(folder, 'model.onnx'))
    expect(model.memoryBytes).toBe(fileBytes + (externalFiles[0]?.bytes ?? 0))
    expect(await onnx.estimateBytes?.(specOf(join(folder, 'model.onnx')))).toBeGreaterThan(model.memoryBytes)
  })
})
