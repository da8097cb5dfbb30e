/** TensorFlow.js models: contract, goldens, the wires, and backends. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import tfjs from '../../runtimes/tfjs/index.ts'
import { createClient, valuesOf, type Protocol } from '../../src/client/index.ts'
import { silentLog, tensor } from '../../src/runtime/index.ts'
import type { Model, ModelSpec } from '../../src/runtime/index.ts'
import { createServer } from '../../src/server/server.ts'
import { shared, withoutShared } from '../paths.ts'
import { describeContract } from './contract.ts'
import { expectClose, readGolden } from './golden.ts'
import { never, specOf as specOfFile } from './model-spec.ts'
import {
  constant,
  node,
  placeholder,
  tensorInfo,
  writeDense,
  writeGraph,
  writeHalfPlusTwo,
  writeKeras3,
} from './tfjs-models.ts'

const scratch = mkdtempSync(join(tmpdir(), 'servable-tfjs-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
const folder = (): string => join(mkdtempSync(join(scratch, 'model-')), 'm')
const specOf = (file: string, changes: Partial<ModelSpec> = {}): ModelSpec => {
  return specOfFile(file, { format: 'tfjs', ...changes })
}

const half = writeHalfPlusTwo(folder())
const x = tensor('x', 'FP32', [3], Float32Array.of(1, 2, 5))
const y = tensor('y', 'FP32', [3], Float32Array.of(2.5, 3, 4.5))
const golden = {
  ...{ name: 'half plus two', inputs: [x], outputs: [y], argmax: new Map(), rtol: 0, atol: 0 },
  ...{ model: 'model.json', constantInputs: [] },
}
describeContract('tfjs', { runtime: tfjs, spec: specOf(half), goldens: async () => [golden] })
describeContract('tfjs in a process', {
  ...{ runtime: tfjs, spec: specOf(half, { placement: 'process' }) },
  goldens: async () => [golden],
})

async function loaded<T>(spec: ModelSpec, work: (model: Model) => Promise<T>): Promise<T> {
  const model = await tfjs.load(spec, silentLog, never)
  try {
    return await work(model)
  } finally {
    await model.close()
  }
}

describe('graph models', () => {
  it('answers over every wire', async () => {
    const server = await createServer({ models: { half }, log: silentLog, httpPort: 0, grpcPort: 0 })
    try {
      const { http, grpc = '' } = await server.start()
      const protocols: readonly Protocol[] = ['v1', 'grpc-v1', 'v2', 'grpc-v2']
      for (const protocol of protocols) {
        const client = createClient(protocol.startsWith('grpc') ? grpc : http, { protocol })
        const [output = expect.fail(protocol)] = Object.values((await client.infer('half', { x })).outputs)
        expect(valuesOf(output)).toEqual([2.5, 3, 4.5])
        client.close()
      }
      const body = JSON.stringify({ instances: [1.0, 2.0, 5.0] })
      const answer = await fetch(`${http}/v1/models/half:predict`, { method: 'POST', body })
      expect(await answer.json()).toEqual({ predictions: [2.5, 3, 4.5] })
    } finally {
      await server.close()
    }
  })

  it('has the names and datatypes of its signature, and those of its nodes without one', async () => {
    await loaded(specOf(half), async ({ metadata }) => {
      expect(metadata).toMatchObject({
        platform: 'tfjs_graph_model',
        inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
        outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
        parameters: { backend: 'wasm', device: 'cpu', placement: 'thread' },
      })
    })
    const bare = writeHalfPlusTwo(folder(), { signature: undefined })
    await loaded(specOf(bare), async (model) => {
      const { metadata } = model
      expect(metadata.outputs).toEqual([{ name: 'y', datatype: 'FP32', shape: [-1], isAnyRank: true }])
      expect(await model.predict({ inputs: [x] }, never)).toEqual([y])
    })
  })

  it('takes the names of nodes for those of the signature', async () => {
    const signature = {
      inputs: { given: tensorInfo('x:0', 'DT_FLOAT', [-1]) },
      outputs: { y: tensorInfo('y:0', 'DT_FLOAT', [-1]) },
    }
    const named = writeHalfPlusTwo(folder(), { signature })
    const server = await createServer({ models: { named }, log: silentLog, httpPort: 0, grpcPort: 0 })
    try {
      const { http } = await server.start()
      for (const name of ['given', 'x', 'z']) {
        const body = JSON.stringify({ inputs: [{ name, datatype: 'FP32', shape: [1], data: [3] }] })
        const answer = await fetch(`${http}/v2/models/named/infer`, { method: 'POST', body })
        const expected =
          name === 'z' ? { error: expect.stringContaining("'z'") as string } : { outputs: [{ data: [3.5] }] }
        expect(await answer.json()).toMatchObject(expected)
      }
    } finally {
      await server.close()
    }
  })

  it('computes Booleans and integers in their datatypes', async () => {
    const nodes = [
      ...[placeholder('a', 'DT_INT32', [-1, 2]), placeholder('b', 'DT_INT32', [-1, 2])],
      ...[placeholder('mask', 'DT_BOOL', [-1])],
      { ...node('sum', 'AddV2', ['a', 'b']), attr: { T: { type: 'DT_INT32' } } },
      { ...node('less', 'Less', ['a', 'b']), attr: { T: { type: 'DT_INT32' } } },
      node('not', 'LogicalNot', ['mask']),
    ]
    const pair = (name: string, dtype: string) => tensorInfo(`${name}:0`, dtype, [-1, 2])
    const signature = {
      inputs: { a: pair('a', 'DT_INT64'), b: pair('b', 'DT_INT32'), mask: tensorInfo('mask:0', 'DT_BOOL', [-1]) },
      outputs: {
        ...{ sum: pair('sum', 'DT_INT64'), less: pair('less', 'DT_BOOL') },
        not: tensorInfo('not:0', 'DT_BOOL', [-1]),
      },
    }
    await loaded(specOf(writeGraph(folder(), nodes, {}, { signature })), async (model) => {
      const { metadata } = model
      expect(metadata.inputs.map(({ datatype }) => datatype)).toEqual(['INT32', 'INT32', 'BOOL'])
      const inputs = [
        tensor('a', 'INT32', [1, 2], Int32Array.of(7, -3)),
        tensor('b', 'INT32', [1, 2], Int32Array.of(2 ** 30, -5)),
        tensor('mask', 'BOOL', [2], Uint8Array.of(1, 0)),
      ]
      expect(await model.predict({ inputs }, never)).toEqual([
        tensor('sum', 'INT32', [1, 2], Int32Array.of(7 + 2 ** 30, -8)),
        tensor('less', 'BOOL', [1, 2], Uint8Array.of(1, 0)),
        tensor('not', 'BOOL', [2], Uint8Array.of(0, 1)),
      ])
    })
  })

  it('gives texts back byte for byte, on the backend that knows them', async () => {
    const nodes = [
      placeholder('t', 'DT_STRING', [-1]),
      { ...node('same', 'Identity', ['t']), attr: { T: { type: 'DT_STRING' } } },
    ]
    const signature = {
      inputs: { t: tensorInfo('t:0', 'DT_STRING', [-1]) },
      outputs: { same: tensorInfo('same:0', 'DT_STRING', [-1]) },
    }
    await loaded(specOf(writeGraph(folder(), nodes, {}, { signature })), async (model) => {
      const { metadata } = model
      expect(metadata.parameters).toMatchObject({
        backend: 'cpu',
        backend_reason: expect.stringContaining('texts') as string,
      })
      const texts = [Uint8Array.of(0, 255, 128), new Uint8Array(0), new TextEncoder().encode('größer')]
      const [same = expect.fail()] = await model.predict({ inputs: [tensor('t', 'BYTES', [3], texts)] }, never)
      expect(same.shape).toEqual([3])
      expect([...same.data].map((text) => [...(text as Uint8Array)])).toEqual(texts.map((text) => [...text]))
    })
  })

  it('computes on plain JavaScript what WebAssembly has no kernel for, and says so', async () => {
    const nodes = [
      placeholder('x', 'DT_FLOAT', [-1, 2]),
      constant('scale'),
      node('scaled', 'Mul', ['x', 'scale']),
      node('y', 'Einsum', ['scaled', 'x'], {
        equation: { s: Buffer.from('ij,ij->i').toString('base64') },
        N: { i: '2' },
      }),
    ]
    const signature = {
      inputs: { x: tensorInfo('x:0', 'DT_FLOAT', [-1, 2]) },
      outputs: { y: tensorInfo('y:0', 'DT_FLOAT', [-1]) },
    }
    const file = writeGraph(folder(), nodes, { scale: 10 }, { signature })
    const warned: unknown[] = []
    const log = { ...silentLog, warn: (fields: unknown) => void warned.push(fields) }
    const model = await tfjs.load(specOf(file), log, never)
    try {
      expect(model.metadata.parameters).toMatchObject({ backend: 'cpu' })
      expect(warned).toMatchObject([{ backend: 'cpu', backend_reason: expect.stringContaining('Einsum') as string }])
      const inputs = [tensor('x', 'FP32', [2, 2], Float32Array.of(1, 2, 3, 4))]
      expect(await model.predict({ inputs }, never)).toEqual([tensor('y', 'FP32', [2], Float32Array.of(50, 250))])
    } finally {
      await model.close()
    }
    const asked = tfjs.load(specOf(file, { options: { backend: 'wasm' } }), silentLog, never)
    await expect(asked).rejects.toMatchObject({
      code: 'unimplemented',
      message: expect.stringContaining('Einsum') as string,
    })
  })

  it('refuses what the graph refuses, in the words of the library', async () => {
    await loaded(specOf(half), async (model) => {
      const wrong = tensor('x', 'INT32', [1], Int32Array.of(1))
      await expect(model.predict({ inputs: [wrong] }, never)).rejects.toMatchObject({
        code: 'invalid_argument',
        message: expect.stringContaining('must be float32') as string,
      })
      expect(await model.predict({ inputs: [x] }, never)).toEqual([y])
    })
  })

  it('stays off the event loop', async () => {
    await loaded(specOf(half), async (model) => {
      const many = tensor('x', 'FP32', [4_000_000], new Float32Array(4_000_000))
      let turns = 0
      const counting = setInterval(() => (turns += 1), 1)
      await Promise.all([1, 2, 3].map(() => model.predict({ inputs: [many] }, never)))
      clearInterval(counting)
      expect(turns).toBeGreaterThan(3)
    })
  })
})

describe('layers models', () => {
  it.each([
    ['as they are saved', null],
    ['with what only training knows', { class_name: 'L2', config: { l2: 0.01 } }],
  ])('are served %s', async (_title, regularizer) => {
    await loaded(specOf(writeDense(folder(), regularizer)), async (model) => {
      const { metadata } = model
      expect(metadata).toMatchObject({
        platform: 'tfjs_layers_model',
        inputs: [{ name: 'answer_input', datatype: 'FP32', shape: [-1, 2] }],
        outputs: [{ name: 'answer', datatype: 'FP32', shape: [-1, 1] }],
      })
      const inputs = [tensor('answer_input', 'FP32', [2, 2], Float32Array.of(1, 2, 3, 4))]
      expect(await model.predict({ inputs }, never)).toEqual([
        tensor('answer', 'FP32', [2, 1], Float32Array.of(21.5, 43.5)),
      ])
    })
  })

  it('are served as Keras 3 writes them', async () => {
    await loaded(specOf(writeKeras3(folder())), async (model) => {
      const inputs = ['b', 'a'].map((name, index) => tensor(name, 'FP32', [1, 1], Float32Array.of(2 - index)))
      expect(await model.predict({ inputs }, never)).toEqual([tensor('answer', 'FP32', [1, 1], Float32Array.of(21.5))])
    })
    const named = tfjs.load(specOf(writeKeras3(folder(), { mask: [true] })), silentLog, never)
    await expect(named).rejects.toThrow("a layer of Keras 3 is called with 'mask'")
  })
})

describe.skipIf(shared === undefined)(`third-party models${shared === undefined ? ` (${withoutShared})` : ''}`, () => {
  const third = join(shared ?? '', 'models', 'third-party')

  it.each(['auto', 'cpu'])('predicts goldens of layers with quantized weights, backend %s', async (backend) => {
    const spec = specOf(join(third, 'tfjs-nsfw-mobilenetv2', 'model.json'), { options: { backend } })
    const goldens = (await readGolden(spec.directory)).slice(0, backend === 'cpu' ? 1 : 9) // a second each
    await loaded(spec, async (model) => {
      expect(model.metadata.parameters?.['backend']).toBe(backend === 'cpu' ? 'cpu' : 'wasm')
      expect(model.metadata.inputs).toEqual([{ name: 'input_1', datatype: 'FP32', shape: [-1, 224, 224, 3] }])
      for (const given of goldens) expectClose(await model.predict({ inputs: given.inputs }, never), given)
    })
  })

  it.each(['cifar10-resnet8', 'person-vww'])('agrees with the ONNX twin of %s', async (name) => {
    await loaded(specOf(join(third, name, 'tfjs', 'model.json')), async (model) => {
      const [output = expect.fail()] = model.metadata.outputs
      for (const given of await readGolden(join(third, name))) {
        const [result = expect.fail()] = await model.predict({ inputs: given.inputs }, never)
        const [wanted] = given.outputs
        expectClose([{ ...result, name: wanted?.name ?? output.name }], given)
      }
    })
  })

  it('guesses languages by texts, loops and tables', async () => {
    const directory = join(third, 'tfjs-langdetect')
    const { cases } = JSON.parse(readFileSync(join(directory, 'golden.json'), 'utf8')) as Guesses
    await loaded(specOf(join(directory, 'model.json')), async (model) => {
      const { metadata } = model
      expect(metadata.inputs).toMatchObject([{ name: 'inputs', datatype: 'BYTES', shape: [-1] }])
      expect(metadata.outputs.map(({ name, datatype }) => `${name} ${datatype}`)).toEqual([
        'scores FP32',
        'classes BYTES',
      ])
      for (const { inputs, top } of [...cases, ...cases]) {
        const texts = inputs.flatMap(({ data }) => data).map((text) => new TextEncoder().encode(text))
        const [scores, classes] = await model.predict({ inputs: [tensor('inputs', 'BYTES', [1], texts)] }, never)
        const names = [...(classes?.data ?? [])].map((name) => Buffer.from(name as Uint8Array).toString())
        for (const { languageId, confidence } of top) {
          expect(Number(scores?.data[names.indexOf(languageId)])).toBeCloseTo(confidence, 4)
        }
      }
    })
  })
})

interface Guesses {
  readonly cases: readonly {
    readonly inputs: readonly { readonly data: readonly string[] }[]
    readonly top: readonly { readonly languageId: string; readonly confidence: number }[]
  }[]
}
