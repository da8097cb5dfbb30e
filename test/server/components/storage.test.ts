/** A manifest whose model lies elsewhere: fetched with the credentials of its account. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, it } from 'vitest'
import { silentLog } from '../../../src/core/log.ts'
import { createServer, type Server } from '../../../src/server/server.ts'
import { ManifestBench, service } from '../../kserve/support.ts'
import { samples } from '../../paths.ts'
import { FileServer } from '../../storage/file-server.ts'

const bench = new ManifestBench()
const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const each of open.splice(0)) await each.close()
})
afterAll(() => bench.close())

async function start(text: string): Promise<{ readonly server: Server; readonly http: string }> {
  const cacheDir = await mkdtemp(join(tmpdir(), 'servable-cache-'))
  open.push({ close: () => rm(cacheDir, { recursive: true, force: true }) })
  const file = [join(await bench.write(text), 'm.yaml')]
  const server = await createServer({ httpPort: 0, enableGrpc: false, log: silentLog, cacheDir, file })
  open.unshift(server)
  return { server, ...(await server.start()) }
}

it('serves a model from https:// with the headers of a Secret', async () => {
  const files = new FileServer()
  open.push(files)
  const base = await files.listen()
  const body = await readFile(join(samples, 'iris', '1', 'model.onnx'))
  files.put('/model.onnx', body, { type: 'application/octet-stream' })
  const account = '---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default}\nsecrets: [{name: web}]\n'
  const secret = `---\napiVersion: v1\nkind: Secret\nmetadata: {name: web}\nstringData: {https-host: 127.0.0.1, headers: '{"x-key": "k"}'}\n`
  const { http } = await start(
    `${service(`onnx: {storageUri: "${base}/model.onnx", protocolVersion: v1}`, 'flowers')}${account}${secret}`,
  )
  const answer = await fetch(`${http}/v1/models/flowers:predict`, {
    method: 'POST',
    body: '{"instances": [[6.3, 3.3, 6, 2.5]]}',
  })
  expect(answer.status).toBe(200)
  expect(files.seen[0]?.headers['x-key']).toBe('k')
})

it('goes on without a model that cannot be fetched, and says why', async () => {
  const { server } = await start(service('onnx: {storageUri: "http://127.0.0.1:9/model.onnx"}', 'flowers'))
  expect(server.dataPlane.status({ name: 'flowers' })).toMatchObject({ state: 'failed' })
  expect(server.dataPlane.isReady).toBe(false)
})
