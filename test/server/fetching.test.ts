import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '../../src/core/log.ts'
import { createServer, type ServerOptions } from '../../src/server/server.ts'
import { samples } from '../paths.ts'
import { FileServer } from '../storage/file-server.ts'
import { zipOf } from '../storage/zip.ts'

const iris = readFileSync(join(samples, 'iris', '1', 'model.onnx'))

let files: FileServer
let origin: string
let cacheDir: string

beforeEach(async () => {
  files = new FileServer()
  origin = await files.listen()
  cacheDir = mkdtempSync(join(tmpdir(), 'servable-fetching-'))
})
afterEach(async () => {
  await files.close()
  rmSync(cacheDir, { recursive: true, force: true })
})

async function withServer<T>(options: ServerOptions, work: (http: string) => Promise<T>): Promise<T> {
  const server = await createServer({ httpPort: 0, enableGrpc: false, log: silentLog, cacheDir, ...options })
  const { http } = await server.start()
  try {
    return await work(http)
  } finally {
    await server.close()
  }
}

async function json(url: string, init: RequestInit = {}): Promise<unknown> {
  const response = await fetch(url, init)
  return response.json()
}

describe('models at URIs', () => {
  it('are served beside local ones, each under its own name', async () => {
    files.put('/flowers/1/model.onnx', iris)
    files.put('/more.zip', zipOf({ 'note.txt': 'x' }))
    files.put('/petals.onnx', iris)
    const models = [`${origin}/flowers/1/model.onnx`, `${origin}/petals.onnx`, join(samples, 'iris')]
    await withServer({ models }, async (http) => {
      for (const name of ['flowers', 'petals', 'iris']) {
        expect(await json(`${http}/v2/models/${name}`)).toMatchObject({ name, versions: ['1'] })
      }
      expect((await fetch(`${http}/v2/health/ready`)).status).toBe(200)
    })
  })

  it('that cannot be fetched fail with their reason, and the others are served', async () => {
    files.put('/petals.onnx', iris)
    const models = [`${origin}/gone.onnx?token=secret`, `${origin}/petals.onnx`]
    await withServer({ models }, async (http) => {
      expect((await fetch(`${http}/v2/models/petals/ready`)).status).toBe(200)
      expect((await fetch(`${http}/v2/health/live`)).status).toBe(200)
      expect((await fetch(`${http}/v2/health/ready`)).status).not.toBe(200)
      const index = await json(`${http}/v2/repository/index`, { method: 'POST' })
      expect(index).toContainEqual(
        expect.objectContaining({
          name: 'gone',
          state: 'UNAVAILABLE',
          reason: `HTTP resource '${origin}/gone.onnx' not found.`,
        }),
      )
      expect(JSON.stringify(index)).not.toContain('secret')
    })
  })

  it('are fetched again when they are loaded', async () => {
    await withServer({ models: { late: `${origin}/late.onnx` } }, async (http) => {
      expect((await fetch(`${http}/v2/models/late/ready`)).status).not.toBe(200)
      files.put('/late.onnx', iris)
      expect((await fetch(`${http}/v2/repository/models/late/load`, { method: 'POST' })).status).toBe(200)
      expect((await fetch(`${http}/v2/models/late/ready`)).status).toBe(200)
    })
  })

  it('end the start of a server with its signal', async () => {
    files.answers.set('/slow.onnx', (_, response) => {
      response.writeHead(200, { 'content-length': '1000' })
      response.write('x', () => controller.abort())
    })
    const controller = new AbortController()
    const opening = createServer({
      models: `${origin}/slow.onnx`,
      cacheDir,
      log: silentLog,
      signal: controller.signal,
    })
    await expect(opening).rejects.toMatchObject({ name: 'InferenceError', code: 'cancelled' })
  })
})
