/** What is found on disk, and what is said about what cannot be served. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLog, type LogFields } from '../../src/core/log.ts'
import type { DiscoveredModel } from '../../src/repository/discovered-model.ts'
import { discover, refOf, type DiscoverOptions } from '../../src/repository/layout.ts'
import { samples } from '../paths.ts'
import { directoryWith, type Files } from './directories.ts'

const defaults = { device: 'auto', placement: 'auto', maxQueueSize: 10 } as const
const options: DiscoverOptions = { formats: ['onnx'], defaults, log: silentLog }

/** `name/version: path` or `name/version! reason`, paths from the directory on. */
function summary(models: readonly DiscoveredModel[], directory: string): string[] {
  return models.map((model) => {
    const { name, version } = refOf(model)
    const end = model.kind === 'found' ? `: ${model.source}` : `! ${model.reason}`
    return `${name}/${version}${end.replaceAll(`${directory}/`, '').replaceAll(directory, '.')}`
  })
}

async function found(files: Files, path = '.', more: Partial<DiscoverOptions> = {}): Promise<string[]> {
  const directory = await directoryWith(files)
  return summary(await discover(join(directory, path), { ...options, ...more }), directory)
}

describe('a bare file', () => {
  it('is named after itself', async () => {
    expect(await found({ 'iris.onnx': '' }, 'iris.onnx')).toEqual(['iris/1: iris.onnx'])
  })
  it('is named after its directory where it is called model', async () => {
    expect(await found({ 'iris/model.onnx': '' }, 'iris/model.onnx')).toEqual(['iris/1: iris/model.onnx'])
    expect(await found({ 'iris/7/model.onnx': '' }, 'iris/7/model.onnx')).toEqual(['iris/7: iris/7/model.onnx'])
  })
  it('is refused where nothing tells its format', async () => {
    const [line] = await found({ 'weights.bin': '' }, 'weights.bin')
    expect(line).toBe('weights/1! weights.bin is no model file that is known; formats served: onnx')
  })
  it('does not exist', async () => {
    await expect(found({}, 'nope.onnx')).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/^model path .*nope\.onnx does not exist$/) as string,
    })
  })
})

describe('a model directory', () => {
  it('has one version without version directories', async () => {
    const files = { 'iris/model.onnx': '', 'iris/sample.json': '{}', 'iris/README.md': '', 'iris/.hidden.onnx': '' }
    expect(await found(files, 'iris')).toEqual(['iris/1: iris/model.onnx'])
    expect(await found({ 'iris/classifier.onnx': '', 'iris/model.yaml': '' }, 'iris')).toEqual([
      'iris/1: iris/classifier.onnx',
    ])
  })
  it('has one per version directory, zeros in front left out', async () => {
    const files = {
      'm/10/model.onnx': '',
      'm/00000123/model.onnx': '',
      'm/2/x.onnx': '',
      'm/assets/a.txt': '',
    }
    expect(await found(files, 'm')).toEqual([
      'm/2: m/2/x.onnx',
      'm/10: m/10/model.onnx',
      'm/123: m/00000123/model.onnx',
    ])
  })
  it('may be named by one of its versions', async () => {
    expect(await found({ 'm/1/model.onnx': '', 'm/2/model.onnx': '' }, 'm/2')).toEqual(['m/2: m/2/model.onnx'])
  })
  it('serves the file called model where there are others', async () => {
    expect(await found({ 'm/model.onnx': '', 'm/encoder.onnx': '' }, 'm')).toEqual(['m/1: m/model.onnx'])
  })
  it('serves the one format that is served', async () => {
    const files = { 'm/model.onnx': '', 'm/model.pt': '', 'm/model.joblib': '', 'm/model.onnx.data': '' }
    expect(await found(files, 'm')).toEqual(['m/1: m/model.onnx'])
  })
  it('takes the directory forms of Triton', async () => {
    expect(await found({ 'm/1/model.onnx/model.onnx': '', 'm/1/model.onnx/weights': '' }, 'm')).toEqual([
      'm/1: m/1/model.onnx/model.onnx',
    ])
    const tensorflow = { formats: ['tensorflow'] }
    expect(await found({ 'm/1/model.savedmodel/saved_model.pb': '' }, 'm', tensorflow)).toEqual([
      'm/1: m/1/model.savedmodel',
    ])
    expect(await found({ 'm/00000123/saved_model.pb': '' }, 'm', tensorflow)).toEqual(['m/123: m/00000123'])
  })
  it('says which files it might mean', async () => {
    expect(await found({ 'r/m/a.onnx': '', 'r/m/b.onnx': '', 'r/n/1/model.onnx': '' }, 'r')).toEqual([
      'm/1! r/m holds 2 model files (a.onnx, b.onnx); name one in model.yaml: file: a.onnx',
      'n/1: r/n/1/model.onnx',
    ])
    expect(await found({ 'm/a.onnx': '', 'm/b.onnx': '', 'm/model.yaml': 'file: b.onnx' }, 'm')).toEqual([
      'm/1: m/b.onnx',
    ])
  })
})

describe('a repository', () => {
  it('holds bare files, model directories and versions beside each other', async () => {
    const files = {
      'a.onnx': '',
      'b/model.onnx': '',
      'c/1/model.onnx': '',
      'c/2/model.onnx': '',
      'README.md': '',
      '.git/x.onnx': '',
    }
    expect(await found(files)).toEqual([
      'a/1: a.onnx',
      'b/1: b/model.onnx',
      'c/1: c/1/model.onnx',
      'c/2: c/2/model.onnx',
    ])
  })
  it('warns of directories that hold no model and serves the rest', async () => {
    const warnings: (readonly [string, LogFields])[] = []
    const log = { ...silentLog, warn: (fields: LogFields, message: string) => warnings.push([message, fields]) }
    const directory = await directoryWith({ 'a/notes.txt': '', 'b/1/': '', 'c/model.onnx': '' })
    expect(summary(await discover(directory, { ...options, log }), directory)).toEqual(['c/1: c/model.onnx'])
    expect(warnings.toSorted()).toEqual([
      ['directory holds no model', { path: join(directory, 'a') }],
      ['version directory holds no model', { path: join(directory, 'b/1') }],
    ])
    expect(await discover(join(directory, 'a'), { ...options, log })).toEqual([])
    expect(warnings.at(-1)).toEqual(['no model was found', { path: join(directory, 'a') }])
  })
  it('follows links and names those that lead nowhere', async () => {
    expect(await found({ 'store/x.onnx': '', 'r/m/model.onnx': { link: '../../store/x.onnx' } }, 'r')).toEqual([
      'm/1: r/m/model.onnx',
    ])
    expect(await found({ 'm/model.onnx': { link: 'gone.onnx' }, 'n/model.onnx': '', o: { link: 'nowhere' } })).toEqual([
      'm/1! m/model.onnx is a link that leads nowhere',
      'n/1: n/model.onnx',
      'o/1! o is a link that leads nowhere',
    ])
  })
  it('refuses two models of one name, and one version twice, with both paths', async () => {
    await expect(found({ 'a/model.onnx': '', 'a.onnx': '' })).rejects.toThrow(
      /model 'a' is there twice: .*a\.onnx and .*\/a;/,
    )
    await expect(found({ 'a/model.onnx': '', 'b/model.onnx': '', 'b/model.yaml': 'name: a' })).rejects.toThrow(
      /'a' is there twice/,
    )
    await expect(found({ 'a/1/model.onnx': '', 'a/01/model.onnx': '' })).rejects.toThrow(
      /version 1 of model 'a' is there twice/,
    )
  })
  it('takes several paths, each once', async () => {
    const directory = await directoryWith({ 'r/a/model.onnx': '', 's/b.onnx': '' })
    const paths = [join(directory, 'r'), join(directory, 's/b.onnx'), join(directory, 'r/')]
    expect(summary(await discover(paths, options), directory)).toEqual(['a/1: r/a/model.onnx', 'b/1: s/b.onnx'])
  })
  it('finds the sample models', async () => {
    const names = (await discover(samples, options)).map((model) => `${refOf(model).name} ${model.kind}`)
    expect(names).toEqual(['add-sub found', 'breast-cancer found', 'digits found', 'iris found', 'iris-labels found'])
  })
})

describe('a name given from outside', () => {
  it('goes to the one model, all its versions', async () => {
    expect(await found({ '1/model.onnx': '', '2/model.onnx': '' }, '.', { name: 'iris' })).toEqual([
      'iris/1: 1/model.onnx',
      'iris/2: 2/model.onnx',
    ])
  })
  it('is refused where there are several models or none', async () => {
    await expect(found({ 'a.onnx': '', 'b.onnx': '' }, '.', { name: 'x' })).rejects.toThrow(
      "a model name ('x') can be given where exactly one model is served; 2 were found: a, b",
    )
    await expect(found({}, '.', { name: 'x' })).rejects.toThrow('none was found')
  })
})

describe('formats', () => {
  it.each([
    ['model.json', '{"learner":{}}', 'no runtime for format xgboost is installed; formats served: onnx'],
    ['model.json', '{"format": "graph-model"}', 'no runtime for format tfjs is installed; formats served: onnx'],
    ['model.json', '{"modelTopology":{}}', 'no runtime for format tfjs is installed; formats served: onnx'],
    ['model.ubj', '', 'no runtime for format xgboost is installed; formats served: onnx'],
    ['model.bst', 'tree\nversion=v3', 'no runtime for format lightgbm is installed; formats served: onnx'],
    ['model.bst', 'binf', 'no runtime for format xgboost is installed; formats served: onnx'],
    ['saved_model.pb', '', 'no runtime for format tensorflow is installed; formats served: onnx'],
    ['model.joblib', '', /^format sklearn cannot be served in process: .*skl2onnx.*formats served: onnx$/],
    ['model.PKL', '', /^format sklearn cannot be served in process/],
  ])('says of %s (%s) why it is not served', async (name, content, reason) => {
    const directory = await directoryWith({ [`m/${name}`]: content })
    const [model] = await discover(join(directory, 'm'), options)
    expect(model?.kind === 'failed' ? model.reason : '').toMatch(reason)
  })
})

describe('model.yaml', () => {
  it('fails its own model and no other', async () => {
    expect(await found({ 'a/model.onnx': '', 'a/model.yaml': 'nmae: x', 'b/model.onnx': '' })).toEqual([
      "a/1! a/model.yaml:1: unknown key 'nmae'; did you mean 'name'?",
      'b/1: b/model.onnx',
    ])
    expect(await found({ 'a/1/model.onnx': '', 'a/2/model.onnx': '', 'a/2/model.yaml': 'device: gpu' })).toEqual([
      'a/1: a/1/model.onnx',
      "a/2! a/2/model.yaml:1: 'device': expected auto, cpu, cuda or cuda:N",
    ])
  })
  it('of a version wins key by key over that of the model', async () => {
    const directory = await directoryWith({
      'm/model.yaml':
        'name: shop\ndevice: cpu\ninstances: 2\nlabels: names.txt\nlimits: {max_batch_size: 8}\nhooks: ./hooks.js',
      'm/1/model.onnx': '',
      'm/2/model.onnx': '',
      'm/2/model.yaml':
        'device: cuda:1\nplacement: thread\noptions: {threads: 3}\nhooks: [./own.js, labels: {top_k: 2}]',
    })
    const models = await discover(join(directory, 'm'), options)
    expect(models).toMatchObject([
      {
        spec: {
          ref: { name: 'shop', version: '1' },
          device: 'cpu',
          placement: 'auto',
          instances: 2,
          maxBatchSize: 8,
          maxQueueSize: 10,
        },
        hooks: [
          { kind: 'module', path: join(directory, 'm/hooks.js') },
          { kind: 'class-names', file: join(directory, 'm/names.txt') },
        ],
      },
      {
        spec: {
          ref: { name: 'shop', version: '2' },
          device: 'cuda:1',
          placement: 'thread',
          instances: 2,
          options: { threads: 3 },
        },
        hooks: [
          { kind: 'module', path: join(directory, 'm/2/own.js') },
          { kind: 'labels', file: join(directory, 'm/names.txt'), options: { top_k: 2 } },
        ],
      },
    ])
  })
  it.each([
    ['file: ../other.onnx', 'file: ../other.onnx lies outside of m'],
    ['file: gone.onnx', 'file: m/gone.onnx does not exist'],
    ['file: weights.bin', 'file: the format of weights.bin is not known by its name; say which, as format: onnx'],
    ['name: a/b', "a model cannot be named 'a/b'"],
    ['name: "a:b"', "a model cannot be named 'a:b'"],
    ['format: tfjs', 'no runtime for format tfjs is installed; formats served: onnx'],
    ['hooks: [labels: {}]', 'hooks: labels needs the file with the labels, as labels: {file: labels.txt}'],
  ])('%s fails with its reason', async (yaml, reason) => {
    const [line] = await found({ 'm/model.onnx': '', 'm/weights.bin': '', 'other.onnx': '', 'm/model.yaml': yaml }, 'm')
    expect(line).toContain(`! ${reason}`)
  })
  it('without a model says so', async () => {
    const [line] = await found({ 'm/model.yaml': '', 'm/weights.bin': '' }, 'm')
    expect(line).toContain('m holds a model.yaml but no model file that is known')
  })
  it('gives a file of another name its format, or the whole directory', async () => {
    expect(await found({ 'm/weights.bin': '', 'm/model.yaml': 'file: weights.bin\nformat: onnx' }, 'm')).toEqual([
      'm/1: m/weights.bin',
    ])
    expect(await found({ 'm/config.json': '', 'm/model.yaml': 'format: text' }, 'm', { formats: ['text'] })).toEqual([
      'm/1: m',
    ])
    expect(await found({ 'm/model.ubj': '', 'm/model.yaml': 'runtime: mine' }, 'm')).toEqual(['m/1: m/model.ubj'])
  })
  it('of a version cannot rename the model', async () => {
    expect(await found({ 'm/1/model.onnx': '', 'm/1/model.yaml': 'name: other' }, 'm')).toEqual([
      "m/1! m/1/model.yaml: name belongs into the model.yaml of the model's own directory",
    ])
  })
})
