/** Loads on request that bring a configuration along, or the model's files: as Triton's clients send them. */
import { readFile, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import type { ControlParameters } from '../../src/dataplane/model-control.ts'
import { createServer, type ServerOptions } from '../../src/server/server.ts'
import { UploadDirectory } from '../../src/server/uploads.ts'
import { samples } from '../paths.ts'
import { directoryWith } from '../repository/directories.ts'

const weights = await readFile(join(samples, 'add-sub', '1', 'model.onnx'))
const text = weights.toString('base64')
const inputs = ['INPUT0', 'INPUT1'].map((name) => ({
  name,
  datatype: 'INT32',
  shape: [1, 16],
  data: Array.from({ length: 16 }, (_, index) => index),
}))

/** A server of a repository with version 1 of `add-sub`. */
async function start(options: ServerOptions = {}) {
  const models = await directoryWith({ 'add-sub/1/model.onnx': weights })
  const server = await createServer({
    models,
    log: silentLog,
    httpPort: 0,
    enableGrpc: false,
    drainSeconds: 1,
    ...options,
  })
  onTestFinished(() => server.close())
  const { http } = await server.start()
  const post = async (path: string, body?: object) => {
    const response = await fetch(`${http}/v2/${path}`, {
      method: 'POST',
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const answer = await response.text()
    return { status: response.status, body: answer === '' ? undefined : (JSON.parse(answer) as unknown) }
  }
  return {
    server,
    control: server.dataPlane.modelControl,
    load: (name: string, parameters?: ControlParameters) =>
      post(`repository/models/${name}/load`, parameters && { parameters }),
    infer: async (name: string) => (await post(`models/${name}/infer`, { inputs })).status,
    batch: async (name: string) => {
      const config = (await (await fetch(`${http}/v2/models/${name}/config`)).json()) as { max_batch_size: number }
      return config.max_batch_size
    },
    versions: () => server.dataPlane.modelControl.index(true).map(({ name, version }) => `${name} ${version ?? ''}`),
  }
}

describe('a configuration that comes with a load', () => {
  it('takes the place of the model’s own until the next load', async () => {
    const { load, batch, infer } = await start()
    const before = await batch('add-sub')
    expect(await load('add-sub', { config: '{"max_batch_size":3}' })).toMatchObject({ status: 200 })
    expect([before, await batch('add-sub')]).not.toEqual([3, 3])
    expect(await batch('add-sub')).toBe(3)
    expect(await infer('add-sub')).toBe(200)
    expect(await load('add-sub')).toMatchObject({ status: 200 })
    expect(await batch('add-sub')).toBe(before)
  })

  it('is not the model’s where its load fails', async () => {
    const { load, batch, infer } = await start()
    const before = await batch('add-sub')
    const wrong = { name: 'NOT_THERE', data_type: 'TYPE_INT32', dims: [16] }
    const refused = await load('add-sub', { config: JSON.stringify({ max_batch_size: 3, input: [wrong] }) })
    expect(refused.status).toBe(400)
    expect([await infer('add-sub'), await batch('add-sub')]).toEqual([200, before])
  })

  it('needs a model that is there', async () => {
    const { load } = await start()
    expect(await load('nope', { config: '{}' })).toMatchObject({ status: 404 })
  })
})

describe('files that come with a load', () => {
  it('are a model of their own, with the versions that they name', async () => {
    const { load, infer, versions, control } = await start()
    const files = { 'file:2/model.onnx': text, 'file:7/model.onnx': text }
    const config = '{"backend":"onnxruntime","version_policy":{"all":{}}}'
    expect(await load('sent', { config, ...files })).toMatchObject({ status: 200 })
    expect(versions()).toEqual(['add-sub 1', 'sent 2', 'sent 7'])
    expect(await infer('sent')).toBe(200)
    await control.unload('sent')
    expect(versions()).toEqual(['add-sub 1'])
    expect(await load('sent')).toMatchObject({ status: 404 })
  })

  it('replace those of the repository until the next load', async () => {
    const { load, infer, versions } = await start()
    expect(await load('add-sub', { config: '{}', 'file:5/model.onnx': text })).toMatchObject({ status: 200 })
    expect(versions()).toEqual(['add-sub 5'])
    expect(await infer('add-sub')).toBe(200)
    expect(await load('add-sub')).toMatchObject({ status: 200 })
    expect(versions()).toEqual(['add-sub 1'])
  })

  it('come as bytes over gRPC', async () => {
    const { control, infer } = await start()
    await control.load('sent', { config: '{}', 'file:1/model.onnx': new Uint8Array(weights) })
    expect(await infer('sent')).toBe(200)
  })

  it('that are no model change nothing', async () => {
    const { load, infer, versions } = await start()
    const broken = await load('add-sub', { config: '{}', 'file:9/model.onnx': 'YWJj' })
    expect(broken).toMatchObject({ status: 400, body: { error: expect.stringContaining('version 9') as string } })
    expect([versions(), await infer('add-sub')]).toEqual([['add-sub 1'], 200])
  })
})

describe('the directory of uploads', () => {
  it('keeps what is loaded, for its owner alone, and nothing older', async () => {
    const uploads = new UploadDirectory()
    onTestFinished(() => uploads.close())
    const files = new Map([['1/model.onnx', weights]])
    const first = await uploads.stage('a model', files)
    const moment = uploads.now()
    const second = await uploads.stage('a model', files)
    expect(await readFile(join(second, '1/model.onnx'))).toEqual(weights)
    expect((await stat(uploads.path)).mode & 0o077).toBe(0)
    await uploads.dropBefore('a model', moment)
    await expect(readdir(first)).rejects.toThrow('ENOENT')
    expect(await readdir(second)).toEqual(['1'])
    await uploads.close()
    await expect(readdir(uploads.path)).rejects.toThrow('ENOENT')
  })

  it('keeps that of which a version is served, though another failed', async () => {
    const temporary = await directoryWith({})
    vi.stubEnv('TMPDIR', temporary)
    onTestFinished(() => void vi.unstubAllEnvs())
    const { load, versions, control } = await start()
    const staged = async () =>
      (await readdir(temporary, { recursive: true })).filter((path) => /^servable-uploads-.*\.onnx$/.test(path))
    const config = '{"version_policy":{"all":{}}}'
    const files = { 'file:2/model.onnx': text, 'file:3/model.onnx': 'YWJj' }
    expect(await load('sent', { config, ...files })).toMatchObject({ status: 400 })
    expect(versions()).toContain('sent 2')
    expect(await staged()).toHaveLength(2)
    expect(await load('other', { config, 'file:3/model.onnx': 'YWJj' })).toMatchObject({ status: 400 })
    expect(await staged()).toHaveLength(2)
    await control.unload('sent')
    expect(await staged()).toEqual([])
  })

  it('has no room for more than the settings say, all models together', async () => {
    const limits = { maxUploadBytes: weights.byteLength + 10, maxUploadFiles: 2 }
    const { load, infer } = await start(limits)
    const one = { config: '{}', 'file:1/model.onnx': text }
    expect(await load('many', { ...one, 'file:1/a': '', 'file:1/b': '' })).toMatchObject({
      status: 503,
      body: { error: expect.stringContaining('--max-upload-files allows 2') as string },
    })
    expect(await load('one', one)).toMatchObject({ status: 200 })
    expect(await load('two', one)).toMatchObject({
      status: 503,
      body: { error: expect.stringContaining('--max-upload-bytes allows') as string },
    })
    expect(await load('one')).toMatchObject({ status: 404 })
    expect(await infer('one')).toBe(200)
  })

  it('takes nothing where its size is 0, and a configuration all the same', async () => {
    const { load } = await start({ maxUploadBytes: 0 })
    expect(await load('one', { config: '{}', 'file:1/model.onnx': text })).toMatchObject({ status: 501 })
    expect(await load('add-sub', { config: '{}' })).toMatchObject({ status: 200 })
  })

  it('leaves nothing where files do not fit together', async () => {
    const uploads = new UploadDirectory()
    onTestFinished(() => uploads.close())
    const files = new Map([
      ['1', weights],
      ['1/model.onnx', weights],
    ])
    await expect(uploads.stage('iris', files)).rejects.toThrow(`the files of model 'iris' cannot be kept`)
    expect(await readdir(join(uploads.path, 'iris'))).toEqual([])
  })
})
