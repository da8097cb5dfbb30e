/** Models whose model.yaml names a `uri`: their files come from a store, what is said about them stays here. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { runInspect } from '../../src/cli/inspect.ts'
import { silentLog } from '../../src/core/log.ts'
import { createServer } from '../../src/server/server.ts'
import { catchIo } from '../cli/io.ts'
import { samples } from '../paths.ts'
import { directoryWith, type Files } from '../repository/directories.ts'
import { FileServer } from '../storage/file-server.ts'
import { zipOf } from '../storage/zip.ts'

const iris = readFileSync(join(samples, 'iris', '1', 'model.onnx'))

let store: FileServer
let origin: string
beforeEach(async () => {
  store = new FileServer()
  origin = await store.listen()
})
afterEach(() => store.close())

async function serve(files: Files) {
  const models = await directoryWith(files)
  const cacheDir = await directoryWith({})
  const server = await createServer({ models, cacheDir, httpPort: 0, enableGrpc: false, log: silentLog })
  onTestFinished(() => server.close())
  const statuses = await server.load()
  const index = () => server.dataPlane.modelControl.index()
  return { server, models, index, reasons: statuses.map(({ ref, reason }) => `${ref.name}: ${reason ?? 'ready'}`) }
}

describe('a model.yaml with a uri', () => {
  it('is served from the files there, under its own name and with its own settings', async () => {
    store.put('/flowers.onnx', iris)
    const yaml = `uri: ${origin}/flowers.onnx\nname: petals\nlimits: {max_batch_size: 7}\n`
    const { server, index } = await serve({ 'a/model.yaml': yaml })
    expect(index()).toEqual([{ name: 'petals', version: '1', state: 'READY' }])
    expect(server.dataPlane.modelConfig({ name: 'petals' })).toMatchObject({ max_batch_size: 7 })
  })

  it('finds versions and a config.pbtxt in an archive', async () => {
    const archive = zipOf({
      '1/model.onnx': iris,
      '2/model.onnx': iris,
      'config.pbtxt': 'max_batch_size: 5 version_policy { all {} }',
    })
    store.put('/flowers.zip', archive)
    const { server, index } = await serve({ 'iris/model.yaml': `uri: ${origin}/flowers.zip\n` })
    expect(index().map(({ version, state }) => `${version ?? ''} ${state ?? ''}`)).toEqual(['1 READY', '2 READY'])
    expect(server.dataPlane.modelConfig({ name: 'iris' })).toMatchObject({ max_batch_size: 5 })
  })

  it('takes the version from the path, and a path from its own directory', async () => {
    store.put('/flowers/3/model.onnx', iris)
    const { index } = await serve({
      'far/model.yaml': `uri: ${origin}/flowers/3/model.onnx\n`,
      'near/model.yaml': 'uri: ./.files\n',
      'near/.files/model.onnx': iris,
    })
    expect(index()).toEqual([
      { name: 'far', version: '3', state: 'READY' },
      { name: 'near', version: '1', state: 'READY' },
    ])
  })

  it('looks again at a load on request', async () => {
    const { server, index, reasons } = await serve({ 'iris/model.yaml': `uri: ${origin}/late.onnx\n` })
    expect(reasons).toEqual([expect.stringMatching(/^iris: .*iris\/model\.yaml: 'uri': .*late\.onnx/)])
    store.put('/late.onnx', iris)
    await server.dataPlane.modelControl.load('iris')
    expect(index()).toEqual([{ name: 'iris', version: '1', state: 'READY' }])
  })

  it('takes its hooks from its own directory, not from the store', async () => {
    const archive = zipOf({ 'model.onnx': iris, 'model.yaml': 'hooks: ./hooks.js\n', 'hooks.js': 'throw new Error()' })
    store.put('/flowers.zip', archive)
    const { reasons } = await serve({ 'iris/model.yaml': `uri: ${origin}/flowers.zip\n` })
    expect(reasons).toEqual(['iris: ready'])
  })

  it.each([
    ['ftp://host/iris', /'uri': Cannot recognize storage type for ftp:\/\//],
    ['oci://host/iris', /'uri': oci:\/\/ is not fetched: mount the image as a volume/],
    ['./missing', /'uri': .*missing/],
  ])('%s: fails alone and names the field', async (uri, expected) => {
    const { reasons } = await serve({ 'bad/model.yaml': `uri: ${uri}\n`, 'iris/model.onnx': iris })
    expect(reasons).toEqual([expect.stringMatching(expected), 'iris: ready'])
    expect(reasons[0]).toContain(join('bad', 'model.yaml'))
  })

  it('says so where nothing there is a model', async () => {
    store.put('/notes.zip?signature=secret', zipOf({ 'note.md': 'x' }))
    store.put('/thing.bin', Buffer.from('x'))
    const { reasons } = await serve({
      'a/model.yaml': `uri: ${origin}/notes.zip?signature=secret\n`,
      'b/model.yaml': `uri: ${origin}/thing.bin\n`,
    })
    expect(reasons[0]).toMatch(/'uri': http:\S+\/notes\.zip holds no model file that is known$/)
    expect(reasons[1]).toMatch(/'uri': the format of thing\.bin is not known by its name; say which, as format: onnx$/)
  })

  it('is shown by servable inspect', async () => {
    store.put('/flowers.onnx', iris)
    const directory = await directoryWith({ 'model.yaml': `uri: ${origin}/flowers.onnx\nname: petals\n` })
    const io = catchIo()
    expect(await runInspect([directory, '--cache-dir', await directoryWith({})], io)).toBe(0)
    expect(io.out()).toMatch(/^petals version 1/)
    await writeFile(join(directory, 'model.yaml'), 'uri: ftp://host/x\nname: petals\n')
    const second = catchIo()
    expect(await runInspect([directory], second)).toBe(1)
    expect(second.out()).toContain("'uri': Cannot recognize")
  })
})
