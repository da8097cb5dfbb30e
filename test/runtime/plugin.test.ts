/** Runtimes of others: found by package or file, refused with what is wrong. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { importPlugin, isFileSpecifier, namedRuntime } from '../../src/runtime/plugin.ts'
import { RuntimeRegistry } from '../../src/runtime/registry.ts'
import { silentLog } from '../../src/runtime/index.ts'
import { createServer } from '../../src/index.ts'
import { never, specOf } from '../runtimes/model-spec.ts'

const source = (api = 1) => `export default {
  api: ${api}, name: 'doubles', formats: ['doubles'],
  load: async () => ({
    metadata: { platform: 'test_doubles', inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }] },
    memoryBytes: 1, maxBatchSize: 0, concurrency: 1,
    predict: async ({ inputs: [x] }) => [{ ...x, name: 'y', data: x.data.map((value) => value * 2) }],
    close: async () => {},
  }),
}`

async function folder(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'servable-plugin-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(directory, name, '..'), { recursive: true })
    await writeFile(join(directory, name), text)
  }
  return directory
}

const packageFiles = {
  'node_modules/doubles/package.json': '{ "name": "doubles", "type": "module", "exports": "./index.js" }',
  'node_modules/doubles/index.js': source(),
}

describe('runtimes by import specifier', () => {
  it('tells files from packages', () => {
    expect(['./a.js', '../a.js', '/a.js', 'file:///a.js'].map(isFileSpecifier)).toEqual([true, true, true, true])
    expect(['a', '@a/b', 'a/b.js', '.a'].map(isFileSpecifier)).toEqual([false, false, false, false])
  })

  it('imports a package from where it is asked for, and a file', async () => {
    const directory = await folder({ ...packageFiles, 'own.mjs': source() })
    expect((await importPlugin('doubles', directory)).name).toBe('doubles')
    expect((await importPlugin('./own.mjs', directory)).name).toBe('doubles')
  })

  it('says what is wrong', async () => {
    const directory = await folder({ 'new.mjs': source(2), 'none.mjs': 'export default 1' })
    await expect(importPlugin('./new.mjs', directory)).rejects.toThrow(
      'is written for plugin contract 2; this server has 1',
    )
    await expect(importPlugin('./none.mjs', directory)).rejects.toThrow('is no runtime')
    await expect(importPlugin('no-such-runtime', directory)).rejects.toThrow('npm install no-such-runtime')
    const named = namedRuntime('no-such-runtime', directory, new RuntimeRegistry())
    await expect(named.load(specOf(join(directory, 'x')), silentLog, never)).rejects.toThrow(
      /there is no runtime 'no-such-runtime': there are none; and no package of that name/,
    )
  })

  it.each([
    ['a file beside its model.yaml', './runtime.mjs', { 'm/runtime.mjs': source() }],
    ['a package', 'doubles', packageFiles],
  ])('serves a model that names %s', async (_, runtime, files) => {
    const yaml = `runtime: ${runtime}\nformat: doubles\nfile: data.bin\n`
    const directory = await folder({ ...files, 'm/model.yaml': yaml, 'm/data.bin': 'x' })
    await expect(answerOf(join(directory, 'm'))).resolves.toEqual({ predictions: [2, 4] })
  })

  it('serves the formats of a runtime that the server was given', async () => {
    const directory = await folder({
      'runtime.mjs': source(),
      'm/model.yaml': 'format: doubles\nfile: data.bin\n',
      'm/data.bin': 'x',
    })
    await expect(answerOf(join(directory, 'm'), [join(directory, 'runtime.mjs')])).resolves.toEqual({
      predictions: [2, 4],
    })
  })

  it('refuses code outside of the directory of its model', async () => {
    const yaml = 'runtime: ../runtime.mjs\nformat: doubles\nfile: data.bin\n'
    const directory = await folder({ 'runtime.mjs': source(), 'm/model.yaml': yaml, 'm/data.bin': 'x' })
    const server = await createServer({ models: join(directory, 'm'), httpPort: 0, enableGrpc: false, log: silentLog })
    onTestFinished(() => server.close())
    expect(await server.load()).toMatchObject([
      { state: 'failed', reason: expect.stringContaining('lies outside') as string },
    ])
  })
})

async function answerOf(models: string, runtime: readonly string[] = []): Promise<unknown> {
  const server = await createServer({ models, runtime, httpPort: 0, enableGrpc: false, log: silentLog })
  onTestFinished(() => server.close())
  const { http } = await server.listen()
  await server.load()
  const body = JSON.stringify({ instances: [1, 2] })
  return (await fetch(`${http}/v1/models/m:predict`, { method: 'POST', body })).json()
}
