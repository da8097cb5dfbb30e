/** Models on disk that a caller of `mmesh.ModelMesh` names, in a whole server. */
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { silentLog } from '../../../src/core/log.ts'
import { createServer, type ServerOptions } from '../../../src/server/server.ts'
import { root, samples } from '../../paths.ts'
import { directoryWith } from '../../repository/directories.ts'

const definitions = loadSync('mmesh/model-mesh.proto', { includeDirs: [join(root, 'proto')], enums: String })
const methods = definitions['mmesh.ModelMesh'] as grpc.ServiceDefinition<
  Record<string, grpc.MethodDefinition<object, object>>
>

async function start(directory: string, options: Partial<ServerOptions> = {}) {
  const server = await createServer({
    log: silentLog,
    httpPort: 0,
    drainSeconds: 1,
    models: [],
    modelMeshApi: directory,
    ...options,
  })
  const { http, grpc: address = '' } = await server.start()
  const client = new grpc.Client(address, grpc.credentials.createInsecure())
  const close = async (): Promise<void> => {
    client.close()
    await server.close()
  }
  onTestFinished(close)
  const ask = (method: string, request: object): Promise<unknown> => {
    const { path, requestSerialize, responseDeserialize } = methods[method] as grpc.MethodDefinition<object, object>
    return new Promise((resolve, reject) =>
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, answer) =>
        answer === undefined ? reject(error ?? new Error('no answer')) : resolve(answer),
      ),
    )
  }
  const metadata = async (model: string): Promise<unknown> => (await fetch(`${http}/v2/models/${model}`)).json()
  return { ask, metadata, close }
}

async function modelDirectory(): Promise<string> {
  const directory = join(await directoryWith({ 'secret/model.onnx': 'x' }), 'models')
  await mkdir(directory)
  await cp(join(samples, 'add-sub'), join(directory, 'add-sub'), { recursive: true })
  return directory
}

const register = (modelId: string, path: string, key = '') => ({
  modelId,
  modelInfo: { type: 'mt:onnx', path, key },
  loadNow: true,
  sync: true,
})
const loaded = expect.objectContaining({ status: 'LOADED' }) as object
const failed = (error: RegExp) =>
  expect.objectContaining({ status: 'LOADING_FAILED', errors: [expect.stringMatching(error)] }) as object

describe('a registered model', () => {
  it('is found in the directory, by a path, by its id or by both', async () => {
    const directory = await modelDirectory()
    const { ask, metadata } = await start(directory)
    expect(await ask('registerModel', register('sum', 'add-sub'))).toEqual(loaded)
    expect(await ask('registerModel', register('add-sub', ''))).toEqual(loaded)
    const key = JSON.stringify({ model_type: { name: 'onnx', version: '1' } })
    expect(await ask('registerModel', register('file', join(directory, 'add-sub/1/model.onnx'), key))).toEqual(loaded)
    expect(await metadata('sum')).toMatchObject({ name: 'sum', versions: ['1'], platform: 'onnxruntime_onnx' })
  })

  it('says why it is not found, and not what lies elsewhere', async () => {
    const { ask } = await start(await modelDirectory())
    const outside = failed(/^\S+ lies outside of the directory of --model-mesh-api$/)
    expect(await ask('registerModel', register('a', '../secret'))).toEqual(outside)
    expect(await ask('registerModel', register('b', '../nothing'))).toEqual(outside)
    expect(await ask('registerModel', register('c', '/etc'))).toEqual(outside)
    expect(await ask('registerModel', register('d', 'nothing'))).toEqual(failed(/^there is no nothing in/))
    expect(await ask('registerModel', register('e', 'add-sub', 'no json'))).toEqual(failed(/modelKey is no JSON/))
  })

  it('is there again after a restart, with the vmodel that leads to it', async () => {
    const directory = await modelDirectory()
    const namesFile = join(directory, 'names.jsonl')
    const first = await start(directory, { namesFile })
    const set = { vModelId: 'v', targetModelId: 'sum', modelInfo: { type: 't', path: 'add-sub', key: '' } }
    expect(await first.ask('setVModel', { ...set, loadNow: true, sync: true })).toMatchObject({ status: 'DEFINED' })
    await first.close()
    const second = await start(directory, { namesFile })
    expect(await second.ask('getVModelStatus', { vModelId: 'v' })).toMatchObject({
      status: 'DEFINED',
      activeModelId: 'sum',
      activeModelStatus: { status: 'NOT_LOADED' },
    })
    expect(await second.metadata('v')).toMatchObject({ name: 'sum' })
    expect(await second.ask('getModelStatus', { modelId: 'sum' })).toEqual(loaded)
  })
})
