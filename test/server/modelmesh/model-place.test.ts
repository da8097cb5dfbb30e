/** Where a mesh says that a model lies, and what it says of it: the keys that the puller writes, and those that it does not read. */
import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { LogFields } from '../../../src/core/log.ts'
import { silentLog } from '../../../src/core/log.ts'
import { readModelKey } from '../../../src/server/modelmesh/model-key.ts'
import { directoryWith } from '../../repository/directories.ts'
import { FileServer } from '../../storage/file-server.ts'
import { addSubPath, codeOf, irisPath, onnx, startRuntime } from './mesh-peer.ts'

const modelFile = join(irisPath, '1', 'model.onnx')

describe('the key of a model', () => {
  it('is read as meshes have written it', () => {
    expect(readModelKey('')).toEqual({})
    expect(readModelKey('{"model_type": "onnx", "bucket": "b"}')).toEqual({
      type: 'onnx',
      storageParameters: { bucket: 'b' },
    })
    const key = {
      model_type: { name: 'tensorflow', version: '1.15' },
      schema_path: '/models/m/_schema.json',
      disk_size_bytes: 12,
      storage_key: 'localMinIO',
      storage_params: { type: 's3', bucket: 'b' },
      unknown: [1],
    }
    expect(readModelKey(JSON.stringify(key))).toEqual({
      type: 'tensorflow',
      schemaPath: '/models/m/_schema.json',
      diskBytes: 12,
      storageKey: 'localMinIO',
      storageParameters: { type: 's3', bucket: 'b' },
    })
  })

  it('has only members of the right kind', () => {
    for (const [key, message] of [
      ['{', 'modelKey is no JSON'],
      ['"onnx"', 'modelKey: expected an object'],
      ['{"model_type": [1]}', 'model_type: expected an object'],
      ['{"model_type": {"name": {}}}', 'model_type.name: expected a text'],
      ['{"disk_size_bytes": -1}', 'disk_size_bytes: expected a number of bytes'],
      ['{"storage_params": "s3"}', 'storage_params: expected an object'],
      ['{"storage_params": {"bucket": []}}', 'storage_params.bucket: expected a text'],
      ['{"__proto__": {"model_type": "x"}, "schema_path": {}}', 'schema_path: expected a text'],
    ] as const) {
      expect(() => readModelKey(key)).toThrow(message)
    }
  })
})

describe('a model', () => {
  it('lies where the puller puts it: a file, a directory, or versions of which the highest counts', async () => {
    const { mesh } = await startRuntime('port')
    const directory = await directoryWith({ 'flat/dir/': '', 'versions/1/': '', 'versions/10/': '', 'versions/9/': '' })
    await cp(modelFile, join(directory, 'flat', 'dir', 'iris.onnx'))
    for (const version of ['1', '9']) await cp(modelFile, join(directory, 'versions', version, 'model.onnx'))
    await cp(join(addSubPath, '1', 'model.onnx'), join(directory, 'versions', '10', 'model.onnx'))
    await mesh.load('file', join(directory, 'flat', 'dir', 'iris.onnx'), onnx)
    await mesh.load('directory', join(directory, 'flat'), onnx)
    await mesh.load('versions', join(directory, 'versions'), { model_type: { name: 'ONNX', version: '1' } })
    expect(await codeOf(mesh.infer('versions'))).toBe('OK')
    expect(await codeOf(mesh.infer('file'))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(mesh.infer('directory'))).toBe('INVALID_ARGUMENT')
  })

  it('is fetched where the mesh leaves that to its runtimes, and the fetch ends with the call', async () => {
    const files = new FileServer()
    const origin = await files.listen()
    onTestFinished(() => files.close())
    files.put('/models/iris.onnx', await readFile(modelFile))
    const directory = await directoryWith({
      http: JSON.stringify({ type: 'http', url: origin }),
      claims: { link: '.' },
    })
    const cacheDir = await directoryWith({})
    vi.stubEnv('STORAGE_CONFIG_DIR', directory)
    onTestFinished(() => void vi.unstubAllEnvs())
    const { mesh, models } = await startRuntime('port', { cacheDir })
    const loads = [
      mesh.load('by-uri', `${origin}/models/iris.onnx`, onnx),
      mesh.load('by-key', 'models/iris.onnx', { ...onnx, storage_key: 'http' }),
      mesh.load('by-parameters', 'iris.onnx', { storage_params: { type: 'http', url: `${origin}/models` } }),
    ]
    expect(await Promise.all(loads.map(codeOf))).toEqual(['OK', 'OK', 'OK'])
    expect(await codeOf(mesh.load('none', 'models/none.onnx', { storage_key: 'http' }))).toBe('FAILED_PRECONDITION')
    expect(models()).toHaveLength(3)
  })

  it('lies in a volume, and never beside it', async () => {
    const directory = await directoryWith({ 'claim/models/': '', 'secret.onnx': 'x' })
    await cp(modelFile, join(directory, 'claim', 'models', 'iris.onnx'))
    vi.stubEnv('PVC_MOUNTS_DIR', directory)
    onTestFinished(() => void vi.unstubAllEnvs())
    const { mesh } = await startRuntime('port')
    const at = (path: string, name: string) =>
      codeOf(
        mesh.load(`${path}-${name}`.replaceAll('/', '_').replaceAll('.', ''), path, {
          storage_params: { type: 'pvc', name },
        }),
      )
    expect(await at('models/iris.onnx', 'claim')).toBe('OK')
    expect(await at('../secret.onnx', 'claim')).toBe('INVALID_ARGUMENT')
    expect(await at('secret.onnx', '..')).toBe('INVALID_ARGUMENT')
  })

  it('is compared with its schema, and what differs is told', async () => {
    const warned: LogFields[] = []
    const log = { ...silentLog, warn: (fields: LogFields) => void warned.push(fields) }
    const input = (name: string, datatype: string, shape: readonly number[]) => ({ name, datatype, shape })
    const files = await directoryWith({
      'right.json': JSON.stringify({ inputs: [input('INPUT0', 'INT32', [-1, 16]), input('INPUT1', 'INT32', [16])] }),
      'wrong.json': JSON.stringify({ inputs: [input('INPUT0', 'FP32', [16]), input('x', 'INT32', [1])], outputs: [] }),
      'broken.json': '{"inputs": {}}',
    })
    const { mesh } = await startRuntime('port', { log })
    const load = (id: string, schema: string) =>
      codeOf(mesh.load(id, addSubPath, { ...onnx, schema_path: join(files, schema) }))
    expect(await load('right', 'right.json')).toBe('OK')
    expect(warned.filter(({ difference }) => difference !== undefined)).toEqual([])
    expect(await load('wrong', 'wrong.json')).toBe('OK')
    expect(warned.flatMap(({ difference = [] }) => difference)).toEqual([
      "input 'INPUT0' is INT32, not FP32",
      "the model has no input 'x'",
    ])
    expect(await load('broken', 'broken.json')).toBe('FAILED_PRECONDITION')
    expect(await load('none', 'none.json')).toBe('FAILED_PRECONDITION')
  })
})
