/** Repositories of TensorFlow Serving, MLServer and MLflow, read as they are. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { discover, refOf, type DiscoverOptions } from '../../src/repository/layout.ts'
import { isServingConfig, readServingConfig } from '../../src/repository/serving-config.ts'
import { shared, withoutShared } from '../paths.ts'
import { directoryWith, type Files } from './directories.ts'

const defaults = { device: 'auto', placement: 'auto', maxQueueSize: 10 } as const
const formats = ['onnx', 'xgboost', 'lightgbm', 'tensorflow']
const options: DiscoverOptions = { formats, defaults, log: silentLog }

async function found(files: Files, path = '.') {
  const directory = await directoryWith(files)
  const models = await discover(join(directory, path), options)
  return models.map((model) => {
    const { name, version } = refOf(model)
    const end =
      model.kind === 'found' ? `${model.spec.format} ${model.spec.file ?? model.spec.directory}` : `! ${model.reason}`
    return `${name}/${version} ${end}`.replaceAll(`${directory}/`, '')
  })
}

const half = { 'half/1/model.onnx': '', 'half/2/model.onnx': '', 'half/3/model.onnx': '' }
const list = (model: string) => `model_config_list { config { name: "h" base_path: "half" ${model} } }`

describe("TensorFlow Serving's models.config", () => {
  it('names models, their versions and labels', async () => {
    const of = (model: string) => found({ ...half, 'models.config': list(model) }, 'models.config')
    expect(await of('')).toEqual(['h/3 onnx half/3/model.onnx'])
    expect(await of('model_version_policy { latest { num_versions: 2 } }')).toHaveLength(2)
    expect(await of('model_version_policy { all {} }')).toHaveLength(3)
    expect(await of('model_version_policy { specific { versions: 1 versions: 3 } }')).toEqual([
      'h/1 onnx half/1/model.onnx',
      'h/3 onnx half/3/model.onnx',
    ])
    const labelled = list('model_platform: "tensorflow" version_labels { key: "stable" value: 3 }')
    const directory = await directoryWith({ ...half, 'models.config': labelled })
    expect(await discover(join(directory, 'models.config'), options)).toMatchObject([{ versionLabels: { stable: 3 } }])
  })
  it('lets others go on where one model is not there', async () => {
    const text = `${list('')} model_config_list { config { name: "gone" base_path: "gone" } config { name: "none" base_path: "half" model_version_policy { specific { versions: 9 } } } }`
    const lines = await found({ ...half, 'models.config': text }, 'models.config')
    expect(lines).toEqual([
      'h/3 onnx half/3/model.onnx',
      'gone/1 ! model path gone does not exist',
      'none/1 ! No versions of servable none found under base path half',
    ])
  })
  it.each([
    ['model_config_list { config { base_path: "x" } }', "models.config:1: 'config': a model has no name"],
    ['model_config_list { config { name: "x" } }', "models.config:1: 'config': model x has no base_path"],
    ['custom_model_config { }', "models.config:1: 'custom_model_config': only model_config_list is known"],
    [`${list('')}\n${list('')}`, 'models.config:2: model h is listed twice'],
    ['', 'models.config: holds no model_config_list'],
    [list('\nbase: 1'), "models.config:2: 'base': is unknown; known are name"],
    ['improperly formatted file', "models.config:1: ':' or '{' was expected, not formatted"],
  ])('is refused where it says %j', async (text, message) => {
    await expect(found({ ...half, 'models.config': text }, 'models.config')).rejects.toThrow(message)
  })
  it('is known by its name', () => {
    const names = ['models.config', 'model.config', 'good_model_config.txt', 'model_config_list.pbtxt', 'models.conf']
    expect(names.filter((name) => !isServingConfig(name))).toEqual([])
    expect(['requirements.txt', 'model.onnx', 'config.pbtxt', 'nginx.conf'].filter(isServingConfig)).toEqual([])
  })
  it('may set the batching of a version', async () => {
    const text = 'max_batch_size { value: 64 } batch_timeout_micros { value: 500 } num_batch_threads { value: 8 }'
    const directory = await directoryWith({ 'm/1/model.onnx': '', 'm/1/batching_params.pbtxt': text })
    expect(await discover(directory, options)).toMatchObject([
      { spec: { maxBatchSize: 64, scheduling: { maxQueueDelayMs: 0.5 } } },
    ])
  })
  it.skipIf(shared === undefined)(`is read from the files of its tests (${withoutShared})`, async () => {
    const file = (name: string) => join(shared ?? '', 'models', 'third-party', 'tfserving', name)
    const models = await readServingConfig(file('good_model_config.txt'), silentLog)
    expect(models.map(({ name }) => name)).toEqual(['half_plus_two', 'half_plus_three'])
    await expect(readServingConfig(file('bad_model_config.txt'), silentLog)).rejects.toThrow('bad_model_config.txt:1:')
    expect(readFileSync(file('batching_config.txt'), 'utf8')).toContain('max_batch_size { value: 128 }')
  })
})

const xgboost = '{"learner": {}}'
const settings = (more: object = {}, parameters: object = { uri: './model.json' }) =>
  JSON.stringify({ name: 'iris', implementation: 'mlserver_xgboost.XGBoostModel', parameters, ...more })

describe("MLServer's model-settings.json", () => {
  it('names model, version, file and batching', async () => {
    const more = { max_batch_size: 8, max_batch_time: 0.01, cache_enabled: true }
    const directory = await directoryWith({
      'a/model-settings.json': settings(more, { uri: './model.json', version: 'v1.2.3' }),
      'a/model.json': xgboost,
    })
    expect(await discover(directory, options)).toMatchObject([
      {
        spec: {
          ref: { name: 'iris', version: 'v1.2.3' },
          format: 'xgboost',
          file: join(directory, 'a', 'model.json'),
          maxBatchSize: 8,
          isCached: true,
          scheduling: { maxQueueDelayMs: 10 },
        },
      },
    ])
  })
  it('is found however deep, versions side by side', async () => {
    const one = (version: string) => settings({}, { uri: './model.json', version })
    const files = {
      'group/iris/v1/model-settings.json': one('v1'),
      'group/iris/v1/model.json': xgboost,
      'group/iris/v2/model-settings.json': one('v2'),
      'group/iris/v2/model.json': xgboost,
    }
    expect(await found(files, 'group')).toEqual([
      'iris/v1 xgboost group/iris/v1/model.json',
      'iris/v2 xgboost group/iris/v2/model.json',
    ])
  })
  it('fails what needs Python, and says what can be done', async () => {
    const text = JSON.stringify({ name: 'svc', implementation: 'mlserver_sklearn.SKLearnModel' })
    const files = { 'svc/model-settings.json': text, 'svc/model.joblib': '' }
    const [line] = await found(files)
    expect(line).toMatch(
      /^svc\/1 ! svc\/model-settings\.json: implementation mlserver_sklearn\.SKLearnModel needs Python: /,
    )
    const [served] = await found({ ...files, 'svc/model.yaml': 'runtime: proxy\nformat: proxy' })
    expect(served).toMatch(/^svc\/1 proxy/)
  })
  it.each([
    ['{', 'model-settings.json: '],
    ['{"name": 1}', "model-settings.json: 'name': expected string, received number"],
    ['{"max_batch_size": -1}', "'max_batch_size'"],
  ])('is refused as %j', async (text, message) => {
    const [line] = await found({ 'a/model-settings.json': text, 'a/model.json': xgboost })
    expect(line).toContain(message)
  })
})

describe("MLflow's MLmodel", () => {
  const python = 'flavors:\n  python_function:\n    loader_module: mlflow.x\n'
  it.each([
    ['  onnx:\n    data: model.onnx\n', 'model.onnx', 'm/1 onnx m/model.onnx'],
    ['  xgboost:\n    data: model.xgb\n', 'model.xgb', 'm/1 xgboost m/model.xgb'],
    ['  lightgbm:\n    data: model.lgb\n', 'model.lgb', 'm/1 lightgbm m/model.lgb'],
    ['  tensorflow:\n    saved_model_dir: tfmodel\n', 'tfmodel/saved_model.pb', 'm/1 tensorflow m/tfmodel'],
    ['  tensorflow:\n    data: data\n', 'data/model/saved_model.pb', 'm/1 tensorflow m/data/model'],
  ])('has a flavor that is served: %j', async (flavor, file, line) => {
    expect(await found({ 'm/MLmodel': python + flavor, [`m/${file}`]: '', 'm/requirements.txt': '' })).toEqual([line])
  })
  it('fails what needs Python', async () => {
    const [line] = await found({
      'm/MLmodel': `${python}  sklearn:\n    pickled_model: model.pkl\n`,
      'm/model.pkl': '',
    })
    expect(line).toContain('m/MLmodel: flavor python_function, sklearn needs Python: serve it by MLServer')
  })
  it('is refused where it is none', async () => {
    expect((await found({ 'm/MLmodel': 'a: [', 'm/model.onnx': '' }))[0]).toContain('m/1 ! m/MLmodel: ')
    expect((await found({ 'm/MLmodel': 'flavours: {}', 'm/model.onnx': '' }))[0]).toContain(
      "'flavors': expected record",
    )
  })
})
