/** Exactly the models of a list: TF Serving's HandleReloadConfigRequest, and the labels of versions. */
import { status } from '@grpc/grpc-js'
import { readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { createServer, type ServerOptions } from '../../src/server/server.ts'
import { failsWith, literally, ServingClient } from '../grpc/tfserving-client.ts'
import { samples } from '../paths.ts'
import { directoryWith } from '../repository/directories.ts'

const addSub = await readFile(join(samples, 'add-sub', '1', 'model.onnx'))

async function start(options: ServerOptions) {
  const server = await createServer({ log: silentLog, httpPort: 0, grpcPort: 0, drainSeconds: 1, ...options })
  const { http, grpc = '' } = await server.start()
  const client = new ServingClient(Number(grpc.split(':')[1]))
  onTestFinished(() => {
    client.close()
    return server.close()
  })
  return {
    server,
    reload: (...config: readonly object[]) =>
      client.call('HandleReloadConfigRequest', { config: { model_config_list: { config } } }),
    reloadNothing: () => client.call('HandleReloadConfigRequest', {}),
    predict: (spec: object) => client.call('Predict', { model_spec: spec, inputs: { INPUT0: ones, INPUT1: ones } }),
    served: () =>
      server.dataPlane
        .models()
        .filter(({ state }) => state === 'ready')
        .map(({ ref }) => `${ref.name}/${ref.version}`),
    post: async (path: string) => {
      const body = JSON.stringify({ instances: [{ INPUT0: numbers, INPUT1: numbers }] })
      const response = await fetch(`${http}${path}`, { method: 'POST', body })
      return { status: response.status, body: await response.json() }
    },
  }
}

const numbers = Array.from({ length: 16 }, () => 1)
const ones = { dtype: 'DT_INT32', tensor_shape: { dim: [{ size: 1 }, { size: 16 }] }, int_val: [1] }

/** Models a (versions 1, 2 and 3) and b (version 1). */
function twoModels() {
  return directoryWith({
    'a/1/model.onnx': addSub,
    'a/2/model.onnx': addSub,
    'a/3/model.onnx': addSub,
    'b/1/model.onnx': addSub,
  })
}

describe('HandleReloadConfigRequest', () => {
  it('H12: serves the new model, and the old one no more', async () => {
    const directory = await directoryWith({ 'old/1/model.onnx': addSub, 'new/7/model.onnx': addSub })
    const { predict, reload } = await start({ models: directory })
    expect(
      await reload({ name: 'new', base_path: join(directory, 'new'), model_platform: 'tensorflow' }),
    ).toMatchObject({
      status: { error_code: 'OK', error_message: '' },
    })
    await failsWith(
      predict({ name: 'old' }),
      status.NOT_FOUND,
      literally('Servable not found for request: Latest(old)'),
    )
    expect(await predict({ name: 'new' })).toMatchObject({ model_spec: { version: { value: '7' } } })
  })

  it('serves the versions that the policy picks: the newest where it says nothing', async () => {
    const directory = await twoModels()
    const { reload, served } = await start({ models: directory })
    const base_path = join(directory, 'a')
    await reload({ name: 'a', base_path })
    expect(served()).toEqual(['a/3'])
    await reload({ name: 'a', base_path, model_version_policy: { latest: { num_versions: 2 } } })
    expect(served()).toEqual(['a/2', 'a/3'])
    await reload({ name: 'a', base_path, model_version_policy: { specific: { versions: [1, 3] } } })
    expect(served()).toEqual(['a/1', 'a/3'])
    await reload({ name: 'a', base_path, model_version_policy: { all: {} } })
    expect(served()).toEqual(['a/1', 'a/2', 'a/3'])
    await reload()
    expect(served()).toEqual([])
  })

  it('does not load anew what is ready', async () => {
    const directory = await twoModels()
    const { server, reload } = await start({ models: directory })
    const states: string[] = []
    server.dataPlane.onChange(({ ref, state }) => states.push(`${ref.name}/${ref.version} ${state}`))
    await reload({ name: 'a', base_path: join(directory, 'a') })
    expect(states.filter((state) => state.endsWith('loading') && !state.endsWith('unloading'))).toEqual([])
  })

  it('gives a model another name, and finds it again at the next load', async () => {
    const directory = await twoModels()
    const { server, reload, served } = await start({ models: directory })
    await reload({ name: 'other', base_path: join(directory, 'a') })
    expect(served()).toEqual(['other/3'])
    await server.dataPlane.modelControl.load('other')
    expect(served()).toEqual(['other/3'])
  })

  it('sets labels, which every door takes', async () => {
    const directory = await twoModels()
    const { predict, post, reload } = await start({ models: directory })
    const config = { name: 'a', base_path: join(directory, 'a'), model_version_policy: { all: {} } }
    await reload({ ...config, version_labels: { stable: 1, canary: 3 } })
    expect(await predict({ name: 'a', version_label: 'stable' })).toMatchObject({
      model_spec: { version: { value: '1' } },
    })
    expect(await predict({ name: 'a', version_label: 'canary' })).toMatchObject({
      model_spec: { version: { value: '3' } },
    })
    expect(await post('/v1/models/a/labels/stable:predict')).toMatchObject({ status: 200 })
    await reload({ ...config, version_labels: { stable: 3 } })
    expect(await predict({ name: 'a', version_label: 'stable' })).toMatchObject({
      model_spec: { version: { value: '3' } },
    })
    expect(await post('/v1/models/a/labels/canary:predict')).toEqual({
      status: 400,
      body: { error: 'Unrecognized servable version label: canary' },
    })
  })

  it('changes nothing where the list is wrong', async () => {
    const directory = await twoModels()
    const { reload, reloadNothing, served } = await start({ models: directory })
    const before = served()
    const a = { name: 'a', base_path: join(directory, 'a') }
    await failsWith(
      reload(a, a),
      status.INVALID_ARGUMENT,
      literally('Illegal to list model a multiple times in config list'),
    )
    await failsWith(
      reload({ ...a, base_path: 'a' }),
      status.INVALID_ARGUMENT,
      /^Expected model a to have an absolute path/,
    )
    await failsWith(reload({ ...a, name: '../a' }), status.INVALID_ARGUMENT, /cannot be named/)
    await failsWith(
      reload({ name: 'c' }),
      status.INVALID_ARGUMENT,
      /^Expected model c to have an absolute path or URI; got/,
    )
    await failsWith(
      reload({ ...a, base_path: join(directory, 'c') }),
      status.NOT_FOUND,
      /^No versions of servable a found/,
    )
    await failsWith(
      reload({ ...a, model_version_policy: { specific: { versions: [9] } } }),
      status.NOT_FOUND,
      /^Version 9 of servable a/,
    )
    await failsWith(
      reload({ ...a, version_labels: { stable: 1 } }),
      status.FAILED_PRECONDITION,
      /^Request to assign label 'stable' to version 1 of model a, which is not currently available/,
    )
    await failsWith(reloadNothing(), status.INVALID_ARGUMENT, /^ServerModelConfig type not supported/)
    expect(served()).toEqual(before)
  })

  it('loads nothing from outside of the served paths, by whatever way', async () => {
    const outside = await twoModels()
    const inside = await directoryWith({ 'x/1/model.onnx': addSub, 'x/away/': '' })
    await symlink(outside, join(inside, 'x', 'away', 'link'))
    const { reload, served } = await start({ models: inside })
    for (const base_path of [
      join(outside, 'a'),
      join(outside, 'nothing'),
      `${inside}/../${outside.split('/').at(-1) ?? ''}/a`,
      join(inside, 'x', 'away', 'link', 'a'),
    ]) {
      await failsWith(reload({ name: 'a', base_path }), status.PERMISSION_DENIED, /lies outside of the paths/)
    }
    expect(served()).toEqual(['x/1'])
  })

  it('keeps everything where a load fails', async () => {
    const directory = await directoryWith({ 'a/1/model.onnx': addSub, 'bad/1/model.onnx': 'no model' })
    const { reload, served } = await start({ models: directory })
    await failsWith(
      reload({ name: 'bad', base_path: join(directory, 'bad') }),
      status.FAILED_PRECONDITION,
      /^failed to load 'bad', version 1/,
    )
    expect(served()).toEqual(['a/1'])
  })

  it('is refused where callers may not load models', async () => {
    const { reload } = await start({ models: await twoModels(), modelControl: 'none' })
    await failsWith(reload(), status.UNAVAILABLE, /explicit model load/)
  })
})

describe('version_labels of model.yaml', () => {
  it('name versions', async () => {
    const directory = await directoryWith({
      'a/model.yaml': 'version_labels:\n  stable: 1\n  next: 9\n',
      'a/1/model.onnx': addSub,
      'a/2/model.onnx': addSub,
    })
    const { predict, post } = await start({ models: directory })
    expect(await predict({ name: 'a', version_label: 'stable' })).toMatchObject({
      model_spec: { version: { value: '1' } },
    })
    await failsWith(
      predict({ name: 'a', version_label: 'next' }),
      status.NOT_FOUND,
      literally('Servable not found for request: Specific(a, 9)'),
    )
    expect(await post('/v1/models/a/labels/stable:predict')).toMatchObject({ status: 200 })
    expect(await post('/v1/models/a/labels/other:predict')).toMatchObject({ status: 400 })
  })
})
