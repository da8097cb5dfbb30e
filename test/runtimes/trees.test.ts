/** Models of XGBoost and LightGBM: goldens of the libraries, names, refusals, hostile files. */
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { readModel } from '../../runtimes/trees/read-model.ts'
import trees from '../../runtimes/trees/index.ts'
import type { InferenceRequest, Model, ModelSpec, RequestContext, Tensor } from '../../src/runtime/index.ts'
import { silentLog, tensor } from '../../src/runtime/index.ts'
import { fixtures, shared, withoutShared } from '../paths.ts'
import { describeContract } from './contract.ts'
import type { GoldenCase } from './golden.ts'
import { expectClose, readGolden } from './golden.ts'
import { never, specOf } from './model-spec.ts'

const caseSchema = z.object({
  shape: z.array(z.number()),
  inputs: z.array(z.number().nullable()),
  outputs: z.record(z.string(), z.object({ shape: z.array(z.number()), data: z.array(z.number().nullable()) })),
})

/** A golden of test/trees/make_models.py. */
function readCase(folder: string, datatype: 'FP32' | 'FP64'): GoldenCase {
  const { shape, inputs, outputs } = caseSchema.parse(JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')))
  const values = inputs.map((value) => value ?? NaN)
  const x = datatype === 'FP64' ? tensor('X', datatype, shape, Float64Array.from(values)) : fp32('X', shape, values)
  const expected = Object.entries(outputs).map(([name, output]) => fp32(name, output.shape, output.data.map(Number)))
  return {
    name: folder,
    inputs: [x],
    outputs: expected,
    argmax: new Map(),
    rtol: 1e-5,
    atol: 1e-5,
    model: '',
    constantInputs: [],
  }
}

function fp32(name: string, shape: readonly number[], values: readonly number[]): Tensor {
  return tensor(name, 'FP32', shape, Float32Array.from(values))
}

const xgboost = join(fixtures, 'trees', 'xgboost-categorical')
const lightgbm = join(fixtures, 'trees', 'lightgbm-zero')
const xgboostSpec = specOf(join(xgboost, 'model.ubj'), { format: 'xgboost' })
const lightgbmSpec = specOf(join(lightgbm, 'model.txt'), { format: 'lightgbm' })

async function load(spec: ModelSpec): Promise<Model> {
  const model = await trees.load(spec, silentLog, never)
  onTestFinished(() => model.close())
  return model
}

describeContract('runtime trees, XGBoost', {
  runtime: trees,
  spec: xgboostSpec,
  goldens: () => Promise.resolve([readCase(xgboost, 'FP32')]),
})
describeContract('runtime trees, LightGBM', {
  runtime: trees,
  spec: lightgbmSpec,
  goldens: () => Promise.resolve([readCase(lightgbm, 'FP64')]),
})

/** A golden of the ONNX twin of a model, in the names and shapes of ours. */
function renamed(golden: GoldenCase, datatype: 'FP32' | 'FP64'): GoldenCase {
  const inputs = golden.inputs.map((input) =>
    datatype === 'FP32'
      ? input
      : tensor(input.name, 'FP64', input.shape, Float64Array.from(input.data as Float32Array)),
  )
  const outputs = golden.outputs.flatMap((output) => {
    if (output.name === 'label') return []
    const shape = output.shape.at(-1) === 1 ? output.shape.slice(0, -1) : output.shape
    return [{ ...output, name: 'predict', shape }]
  })
  return { ...golden, inputs, outputs, rtol: Math.min(golden.rtol, 1e-4), atol: 1e-5 }
}

describe.skipIf(shared === undefined)(`goldens of real models (${withoutShared})`, () => {
  const models = join(shared ?? '', 'models')

  it.each([
    ['own/iris-xgboost', 'model.json', 'FP32'],
    ['own/iris-xgboost', 'model.ubj', 'FP32'],
    ['own/breast-cancer-xgboost', 'model.json', 'FP32'],
    ['own/breast-cancer-xgboost', 'model.ubj', 'FP32'],
    ['third-party/iris-lightgbm', 'model.bst', 'FP64'],
  ] as const)('%s %s', async (folder, file, datatype) => {
    const path = join(models, folder)
    const model = await load(specOf(join(path, file), { format: datatype === 'FP32' ? 'xgboost' : 'lightgbm' }))
    for (const golden of await readGolden(path)) {
      expectClose(await model.predict({ inputs: renamed(golden, datatype).inputs }, never), renamed(golden, datatype))
    }
  })

  it.each(['iris-xgboost', 'breast-cancer-xgboost'])(
    'refuses the binary format of %s with the command',
    async (name) => {
      const spec = specOf(join(models, 'own', name, 'model.bst'), { format: 'xgboost' })
      await expect(trees.load(spec, silentLog, never)).rejects.toMatchObject({
        code: 'failed_precondition',
        message: expect.stringMatching(/model\.bst.*deprecated binary format.*save_model\('model\.json'\)/s) as string,
      })
    },
  )
})

describe('requests as the servers of the libraries take them', () => {
  const context = { signal: never } as RequestContext // adapt.ts reads nothing of it

  async function prepared(request: Partial<InferenceRequest>): Promise<InferenceRequest> {
    const model = await load(lightgbmSpec)
    const whole: InferenceRequest = { model: { name: 'm' }, inputs: [], ...request }
    return (await model.preprocess?.(whole, context)) ?? whole
  }

  it('takes any name of the one input, and any numbers', async () => {
    const integers = tensor('input-0', 'INT64', [1, 6], BigInt64Array.of(1n, 2n, 3n, 4n, 5n, 6n))
    expect((await prepared({ inputs: [integers] })).inputs).toEqual([
      tensor('X', 'FP64', [1, 6], Float64Array.of(1, 2, 3, 4, 5, 6)),
    ])
    const texts = tensor('X', 'BYTES', [1], [Buffer.from('a')])
    expect((await prepared({ inputs: [texts] })).inputs).toEqual([texts])
  })

  it('answers `predict` alone unless something else is asked for', async () => {
    const inputs = [tensor('X', 'FP64', [1, 6], new Float64Array(6))]
    expect((await prepared({ inputs })).outputs).toEqual(['predict'])
    expect((await prepared({ inputs, outputs: ['predict_proba'] })).outputs).toEqual(['predict_proba'])
  })

  it('tells library, objective and number of trees', async () => {
    const { metadata } = await load(lightgbmSpec)
    expect(metadata.platform).toBe('lightgbm_trees')
    expect(metadata.parameters).toMatchObject({ library: 'lightgbm', objective: 'regression', trees: 12 })
  })
})

const options = { allRounds: false }
const text = readFileSync(join(lightgbm, 'model.txt'), 'utf8')
const ubjson = readFileSync(join(xgboost, 'model.ubj'))
const json = readFileSync(join(fixtures, 'models', 'iris-xgboost', 'model.json'), 'utf8')

function refusal(bytes: Buffer | string): string {
  try {
    readModel(Buffer.from(bytes), options)
  } catch (reason) {
    expect(reason).toMatchObject({ name: 'InferenceError', code: 'failed_precondition' })
    return String(reason)
  }
  return 'taken'
}

/** The first match of a LightGBM text, replaced. */
const changed = (from: RegExp, to: string): string => {
  expect(text).toMatch(from)
  return text.replace(from, to)
}
const changedJson = (from: string | RegExp, to: string): string => {
  expect(json).toMatch(from)
  return json.replace(from, to)
}

describe('files that are refused', () => {
  it.each([
    ['', /empty/],
    ['tree', /no|neither/],
    ['<html>404</html>', /HTML/],
    ['version https://git-lfs.github.com/spec/v1', /Git LFS/],
    ['hello', /neither/],
    ['{"a": 1', /no JSON, or cut short/],
    ['{"a": 1}', /learner is missing/],
  ])('%j', (bytes, message) => {
    expect(refusal(bytes)).toMatch(message)
  })

  it.each([
    ['a linear tree', () => changed(/is_linear=0/, 'is_linear=1'), /linear_tree/],
    ['an objective nobody knows', () => changed(/objective=\S+/, 'objective=mystery'), /'mystery'.*regression/],
    ['a child that is its parent', () => changed(/left_child=\S+/, 'left_child=0'), /child of two nodes, or of itself/],
    ['a child out of range', () => changed(/left_child=\S+/, 'left_child=999999'), /is none of its/],
    ['a feature out of range', () => changed(/split_feature=\S+/, 'split_feature=6'), /from 0 to 5/],
    ['a huge count', () => changed(/num_leaves=\S+/, 'num_leaves=99999999999'), /whole number from 1/],
    ['a word among numbers', () => changed(/threshold=\S+/, 'threshold=many'), /'many', not a number/],
    ['descending sets', () => changed(/cat_boundaries=0 \d+/, 'cat_boundaries=0 99'), /ascend|instead of/],
  ])('LightGBM: %s', (_, make, message) => {
    expect(refusal(make())).toMatch(message)
  })

  it.each([
    ['gblinear', () => changedJson('"name":"gbtree"', '"name":"gblinear"'), /'gblinear' is not supported/],
    [
      'an objective nobody knows',
      () => changedJson(/multi:softprob/g, 'multi:mystery'),
      /'multi:mystery'.*binary:logistic/,
    ],
    ['a child that is its parent', () => changedJson(/"left_children":\[\d+/, '"left_children":[0'), /of itself/],
    ['a child out of range', () => changedJson(/"left_children":\[\d+/, '"left_children":[9999'), /is none of its/],
    ['a feature out of range', () => changedJson(/"split_indices":\[\d+/, '"split_indices":[4'), /from 0 to 3/],
    ['a huge count', () => changedJson(/"num_feature":"4"/g, '"num_feature":"999999999999"'), /num_feature is/],
    ['a short list', () => changedJson(/"split_conditions":\[[^,]+,/, '"split_conditions":['), /instead of/],
    ['a missing list', () => changedJson('"default_left"', '"other"'), /default_left is missing/],
    ['a target out of range', () => changedJson(/"tree_info":\[\d+/, '"tree_info":[7'), /tree_info\[0\] is 7/],
    ['a count that lies', () => changedJson(/"num_trees":"\d+"/, '"num_trees":"1"'), /num_trees 1/],
    [
      'vectors in leaves',
      () => changedJson(/"size_leaf_vector":"\d+"\}\}/, '"size_leaf_vector":"3"}}'),
      /multi_output_tree|taken/,
    ],
  ])('XGBoost: %s', (_, make, message) => {
    expect(refusal(make())).toMatch(message)
  })

  it('every cut of a file, and never hangs', () => {
    for (let part = 1; part < 40; part += 1) {
      expect(refusal(text.slice(0, Math.floor((text.indexOf('end of trees') * part) / 40)))).not.toBe('taken')
      expect(refusal(json.slice(0, Math.floor((json.length * part) / 40)))).not.toBe('taken')
      expect(refusal(ubjson.subarray(0, Math.floor((ubjson.length * part) / 40)))).not.toBe('taken')
    }
  })

  it('any byte that is changed ends in a model or a clear error', () => {
    for (let index = 0; index < ubjson.length; index += 499) {
      const bytes = Buffer.from(ubjson)
      bytes[index] = 255 - (bytes[index] ?? 0)
      refusal(bytes) // fails where anything else is thrown
    }
  })

  it('names the file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'servable-trees-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'model.txt'), 'tree\nversion=v4\nend of trees\n')
    const error = trees.load(specOf(join(folder, 'model.txt'), { format: 'lightgbm' }), silentLog, never)
    await expect(error).rejects.toThrow(/model\.txt': max_feature_idx is missing/)
  })
})

describe('early stopping', () => {
  it('uses the trees up to the best round, and all where asked', () => {
    const stopped = changedJson(/"attributes":\{[^}]*\}/, '"attributes":{"best_iteration":"3"}')
    expect(readModel(Buffer.from(stopped), options).trees.treeCount).toBe(12)
    expect(readModel(Buffer.from(stopped), { allRounds: true }).trees.treeCount).toBeGreaterThan(12)
  })
})
