/** SavedModels through TensorFlow: contract, goldens, the four wires, and files that are broken. */
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import tensorflow from '../../runtimes/tensorflow/index.ts'
import { choosePackage } from '../../runtimes/tensorflow/choose-package.ts'
import { readSignatures } from '../../runtimes/tensorflow/load.ts'
import { installed } from '../../runtimes/tensorflow/native.ts'
import { chooseSignature, parseOptions } from '../../runtimes/tensorflow/options.ts'
import { readSavedModel } from '../../runtimes/tensorflow/saved-model.ts'
import { createClient, valuesOf, type Protocol } from '../../src/client/index.ts'
import { renderInspection } from '../../src/cli/inspect-output.ts'
import { inspectModel } from '../../src/cli/inspection.ts'
import { discover } from '../../src/repository/layout.ts'
import { createServer } from '../../src/server/server.ts'
import { silentLog } from '../../src/runtime/index.ts'
import type { ModelSpec } from '../../src/runtime/index.ts'
import { shared, withoutShared } from '../paths.ts'
import { describeContract } from './contract.ts'
import type { GoldenCase } from './golden.ts'
import { expectClose, readGoldenFile } from './golden.ts'
import { never } from './model-spec.ts'

const models = join(shared ?? '', 'models', 'third-party')
const savedModels = join(models, 'tf-savedmodels')
const half = join(savedModels, 'half_plus_two_cpu', '1')
const isInstalled = installed('@tensorflow/tfjs-node') !== undefined
const reason = shared === undefined ? withoutShared : 'skipped: @tensorflow/tfjs-node is not installed'
const canRun = shared !== undefined && isInstalled
const timeout = 120_000

function specOf(directory: string, options: ModelSpec['options'] = {}): ModelSpec {
  const ref = { name: basename(dirname(directory)), version: '1' }
  const rest = { device: 'cpu', placement: 'auto', maxQueueSize: 100 } as const
  return { ref, format: 'tensorflow', directory, options, ...rest }
}

const goldens = shared === undefined ? [] : await readGoldenFile(join(savedModels, 'savedmodel_golden.json'))
const ofHalf = goldens.filter(({ dir, signature }) => dir === 'half_plus_two_cpu/1' && signature === 'serving_default')

if (canRun) {
  const subject = { runtime: tensorflow, spec: specOf(half), goldens: async (): Promise<GoldenCase[]> => [...ofHalf] }
  describeContract('tensorflow', subject)
}

describe.skipIf(!canRun)(`SavedModels${canRun ? '' : ` (${reason})`}`, () => {
  it.each(goldens.map((golden) => [`${golden.dir} ${golden.signature ?? ''}`, golden] as const))(
    'predicts %s',
    async (_title, golden) => {
      const options = golden.signature === undefined ? {} : { signature: golden.signature }
      const model = await tensorflow.load(specOf(join(savedModels, golden.dir ?? ''), options), silentLog, never)
      try {
        expectClose(await model.predict({ inputs: golden.inputs }, never), golden)
      } finally {
        await model.close()
      }
    },
    timeout,
  )

  it(
    'answers half_plus_two over every wire, from the layout of TF Serving',
    async () => {
      const path = join(models, 'tfserving', 'saved_model_half_plus_two_cpu')
      const server = await createServer({ models: { half: path }, log: silentLog, httpPort: 0, grpcPort: 0 })
      try {
        const { http, grpc = '' } = await server.start()
        const protocols: readonly Protocol[] = ['v1', 'grpc-v1', 'v2', 'grpc-v2']
        for (const protocol of protocols) {
          const client = createClient(protocol.startsWith('grpc') ? grpc : http, { protocol })
          for (const shape of [[3, 1], [3]]) {
            const x = { datatype: 'FP32', shape, data: Float32Array.of(1, 2, 5) } as const
            // V1 names no single output, and nothing made the client ask for the metadata.
            const [y = expect.fail(`${protocol}: no output`)] = Object.values(
              (await client.infer('half', { x })).outputs,
            )
            expect(valuesOf(y)).toEqual([2.5, 3, 4.5])
            expect(y.shape).toEqual(shape)
          }
          client.close()
        }
        const post = async (verb: string, body: unknown): Promise<unknown> => {
          const url = `${http}/v1/models/half/versions/123:${verb}`
          return (await fetch(url, { method: 'POST', body: JSON.stringify(body) })).json()
        }
        expect(await post('predict', { instances: [1.0, 2.0, 5.0] })).toEqual({ predictions: [2.5, 3, 4.5] })
        expect(await post('predict', { instances: [[1], [2], [5]] })).toEqual({ predictions: [[2.5], [3], [4.5]] })
        // The signature says [-1,1], and TensorFlow Serving does not hold anybody to it.
        expect(
          await post('predict', {
            instances: [
              [1, 2],
              [3, 4],
            ],
          }),
        ).toEqual({
          predictions: [
            [2.5, 3],
            [3.5, 4],
          ],
        })
        expect(await post('predict', { inputs: [3.0, 4.0] })).toEqual({ outputs: [3.5, 4] })
        expect(await post('regress', { examples: [{ x: 1 }, { x: 2 }] })).toEqual({ results: [2.5, 3] })
      } finally {
        await server.close()
      }
    },
    timeout,
  )

  it(
    'names the directory where variables are missing',
    async () => {
      const copy = copyOf(half)
      rmSync(join(copy, 'variables'), { recursive: true })
      await expect(tensorflow.load(specOf(copy), silentLog, never)).rejects.toMatchObject({
        code: 'failed_precondition',
        message: expect.stringContaining(join(copy, 'variables', 'variables.index')) as string,
      })
    },
    timeout,
  )
})

describe.skipIf(shared === undefined)(`saved_model.pb${shared === undefined ? ` (${withoutShared})` : ''}`, () => {
  it('tells its signatures without TensorFlow', async () => {
    const [graph] = await readSavedModel(half)
    expect(graph?.tags).toEqual(['serve'])
    expect(graph?.signatures.get('regress_x_to_y')?.()).toMatchObject({
      methodName: 'tensorflow/serving/regress',
      inputs: [{ name: 'inputs', datatype: 'BYTES', graphName: 'tf_example:0' }],
      outputs: [{ name: 'outputs', datatype: 'FP32', shape: [-1, 1], graphName: 'y:0' }],
    })
  })

  it('is inspected without TensorFlow', async () => {
    const [found] = await discover(join(models, 'tfserving', 'saved_model_half_plus_two_cpu'), {
      formats: ['tensorflow'],
      defaults: { device: 'cpu', placement: 'auto', maxQueueSize: 100 },
      log: silentLog,
    })
    if (found === undefined) throw new Error('nothing was found')
    const registry = { forName: missing, forFormat: missing }
    const inspection = await inspectModel(found, { registry, log: silentLog, signal: never })
    expect(inspection.reason).toBe('no runtime')
    const names = inspection.savedModel?.signatures.map(({ name }) => name)
    const others = ['classify_x_to_y', 'regress_x2_to_y3', 'regress_x_to_y', 'regress_x_to_y2']
    expect(names).toEqual(['serving_default', ...others])
    const text = renderInspection(inspection, ['123'])
    for (const name of others) expect(text).toContain(`signature_name ${name} (`)
    expect(text).toMatch(/tags +serve/)
  })

  it('names a signature and tags that are not there in the words of TensorFlow', async () => {
    const load = (options: ModelSpec['options']): Promise<unknown> =>
      tensorflow.load(specOf(half, options), silentLog, never)
    await expect(load({ signature: 'no' })).rejects.toThrow('Serving signature key "no" not found.')
    await expect(load({ tags: ['gpu'] })).rejects.toThrow(
      'Could not find meta graph def matching supplied tags: { gpu }',
    )
    await expect(load({ sign: 'x' })).rejects.toThrow(`unknown option 'sign'`)
  })

  it('serves the first by name where there is no serving_default', () => {
    const read = (name: string) => () => ({ name, methodName: '', inputs: [], outputs: [] })
    const graphOf = (...names: readonly string[]) => [
      {
        ...{ tags: ['serve'], tensorflowVersion: '', hasVariables: false },
        signatures: new Map(names.map((name) => [name, read(name)])),
      },
    ]
    const chosen = (...names: readonly string[]) => chooseSignature(graphOf(...names), parseOptions({})).signature.name
    expect(chosen('b', 'a')).toBe('a')
    expect(chosen('b', 'a', 'serving_default')).toBe('serving_default')
    expect(() => chosen()).toThrow('Serving signature key "serving_default" not found. There are none')
  })

  it('leaves out signatures that cannot be served, and says so', () => {
    const read = (name: string) => () => ({ name, methodName: '', inputs: [], outputs: [] })
    const broken = (): never => {
      throw new Error('sparse')
    }
    const signatures = new Map([
      ['b', read('b')],
      ['broken', broken],
      ['a', read('a')],
    ] as const)
    const graph = { tags: ['serve'], tensorflowVersion: '', hasVariables: false, signatures }
    const leftOut: string[] = []
    const all = readSignatures(graph, read('b')(), (name, why) => leftOut.push(`${name}: ${why}`))
    expect(all.map(({ name }) => name)).toEqual(['b', 'a'])
    expect(leftOut).toEqual(['broken: sparse'])
  })

  it('names a file that is cut short at any byte, or is none', async () => {
    const copy = copyOf(half)
    const file = join(copy, 'saved_model.pb')
    const { length } = readFileSync(file)
    for (const size of [length - 1, Math.floor(length / 2), 3, 0]) {
      truncateSync(file, size)
      const broken = { code: 'failed_precondition', message: expect.stringContaining(file) as string }
      await expect(tensorflow.load(specOf(copy), silentLog, never)).rejects.toMatchObject(broken)
    }
    writeFileSync(file, 'no protobuf at all')
    await expect(tensorflow.load(specOf(copy), silentLog, never)).rejects.toThrow('is no SavedModel')
  })
})

function missing(): never {
  throw new Error('no runtime')
}

describe('the choice of a package', () => {
  it('says the command where none is installed', () => {
    expect(() => choosePackage('auto', { gpus: [] })).toThrow('npm install @tensorflow/tfjs-node')
    expect(() => choosePackage('cuda', { gpus: ['H'], cpu: 'c' })).toThrow('npm install @tensorflow/tfjs-node-gpu')
  })

  it('takes a GPU where it can, and says why where not', () => {
    const both = { cpu: 'c', gpu: 'g' }
    expect(choosePackage('auto', { ...both, gpus: ['H'] })).toMatchObject({ path: 'g', device: 'cuda:0' })
    expect(choosePackage('auto', { ...both, gpus: [] })).toMatchObject({
      path: 'c',
      reason: 'there is no NVIDIA GPU 0',
    })
    expect(choosePackage('cpu', { gpu: 'g', gpus: ['H'] })).toMatchObject({ path: 'g', device: 'cpu' })
  })
})

const scratch = mkdtempSync(join(tmpdir(), 'servable-tensorflow-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

function copyOf(directory: string): string {
  const copy = join(mkdtempSync(join(scratch, 'model-')), '1')
  cpSync(directory, copy, { recursive: true })
  return copy
}
