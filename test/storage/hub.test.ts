import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fetchModel, type FetchOptions } from '../../src/storage/index.ts'
import { FileServer } from './file-server.ts'

const model = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 7919) % 251))
const config = Buffer.from('{"model_type": "bert"}')
const limits = { pauseMs: 1 }

let server: FileServer
let origin: string
let cacheDirectory: string

beforeEach(async () => {
  server = new FileServer()
  origin = await server.listen()
  cacheDirectory = mkdtempSync(join(tmpdir(), 'servable-hub-'))
})
afterEach(async () => {
  await server.close()
  rmSync(cacheDirectory, { recursive: true, force: true })
})

const hash = (algorithm: string, ...parts: (string | Buffer)[]) =>
  parts.reduce((hashed, part) => hashed.update(part), createHash(algorithm)).digest('hex')
const json = (value: unknown) => Buffer.from(JSON.stringify(value))
const refusal = async (uri: string, environment: FetchOptions['environment']) => {
  const fetching = fetchModel(uri, { cacheDirectory, limits, environment: environment ?? {} })
  return (await fetching.catch((reason: unknown) => reason)) as Error & { readonly code: string }
}

describe('a model of the Hugging Face hub', () => {
  const commit = 'c'.repeat(40)
  const environment = () => ({ HF_ENDPOINT: origin, HF_TOKEN: 'hf_secret' })

  function put(revision = 'main', sha = commit, weights = model): void {
    const siblings = [
      { rfilename: 'config.json', size: config.length, blobId: hash('sha1', `blob ${config.length}\0`, config) },
      { rfilename: 'onnx/model.onnx', size: 1, lfs: { sha256: hash('sha256', weights), size: weights.length } },
      { rfilename: 'pytorch_model.bin', size: 9, blobId: 'b'.repeat(40) },
    ]
    server.put(`/api/models/owner/bert/revision/${revision}?blobs=true`, json({ sha, siblings }))
    server.put(`/owner/bert/resolve/${sha}/config.json`, config)
    server.put(`/owner/bert/resolve/${sha}/onnx/model.onnx`, weights)
  }
  const patterns = { allow: ['*.json', '*.onnx'] }

  it('is fetched at one commit, its hashes checked, by the token', async () => {
    put()
    server.cuts.push(1_000_000, 1_000_000, 100_000) // the listing and the small file are whole
    const { path } = await fetchModel('hf://owner/bert', {
      cacheDirectory,
      limits,
      patterns,
      environment: environment(),
    })
    expect(basename(path)).toBe('bert')
    expect(readFileSync(join(path, 'onnx', 'model.onnx')).equals(model)).toBe(true)
    expect(readdirSync(path).sort()).toEqual(['config.json', 'onnx'])
    expect(server.seen.every(({ headers }) => headers.authorization === 'Bearer hf_secret')).toBe(true)
  })

  it('is not fetched again where a new commit leaves its files as they were', async () => {
    put()
    await fetchModel('hf://owner/bert', { cacheDirectory, limits, patterns, environment: environment() })
    put('main', 'd'.repeat(40))
    server.seen.length = 0
    const again = await fetchModel('hf://owner/bert', { cacheDirectory, limits, patterns, environment: environment() })
    expect(server.seen).toHaveLength(1)
    expect(again.isCached).toBe(true)
  })

  it('has revisions, which do not become part of its name', async () => {
    put('v1.0')
    const { path } = await fetchModel('hf://owner/bert:v1.0', {
      cacheDirectory,
      limits,
      patterns,
      environment: environment(),
    })
    expect(basename(path)).toBe('bert')
  })

  it('is refused where it is damaged', async () => {
    put()
    server.put(`/owner/bert/resolve/${commit}/config.json`, Buffer.from('{"model_type": "evil"}'))
    const { message } = await refusal('hf://owner/bert', { ...environment(), STORAGE_ALLOW_PATTERNS: '*.json' })
    expect(message).toMatch(/config\.json is damaged: its sha1 is/)
  })

  it('is refused with what is missing, and never with the token', async () => {
    for (const status of [401, 403]) {
      server.answers.set('/api/models/owner/bert/revision/main?blobs=true', (_, response) =>
        response.writeHead(status).end(),
      )
      const { message } = await refusal('hf://owner/bert', environment())
      expect(message).toContain('HF_TOKEN')
      expect(message).not.toContain('hf_secret')
    }
    expect((await refusal('hf://owner/other', environment())).message).toBe(
      "Hugging Face resource 'hf://owner/other' not found.",
    )
    server.answers.clear()
    put()
    const { code, message } = await refusal('hf://owner/bert', { ...environment(), STORAGE_ALLOW_PATTERNS: '*.tflite' })
    expect([code, message]).toEqual([
      'not_found',
      'Failed to fetch model. No model found in hf://owner/bert. Its 3 files do not fit STORAGE_ALLOW_PATTERNS and STORAGE_IGNORE_PATTERNS.',
    ])
    expect((await refusal('hf://a/b/c', environment())).message).toContain('expected hf://owner/model')
  })
})

describe('objects of Google', () => {
  const environment = () => ({ STORAGE_EMULATOR_HOST: origin })
  const fields = '&fields=items%28name%2Csize%2Cgeneration%2Cmd5Hash%29%2CnextPageToken'
  const listing = (prefix: string, most: number, token = '') =>
    `/storage/v1/b/models/o?prefix=${encodeURIComponent(prefix)}&maxResults=${most}${fields}${token}`

  function put(key: string, body: Buffer, generation = '1') {
    server.put(`/storage/v1/b/models/o/${encodeURIComponent(key)}?alt=media&generation=${generation}`, body)
    const md5Hash = createHash('md5').update(body).digest('base64')
    return { name: key, size: String(body.length), generation, md5Hash }
  }

  it('below a prefix come over several pages, taken up where they were cut', async () => {
    const items = [put('iris/', Buffer.alloc(0)), put('iris/1/model.onnx', model), put('iris/config.json', config)]
    server.put(listing('iris', 1), json({ items: items.slice(0, 1) }))
    server.put(listing('iris/', 1000), json({ items: items.slice(0, 2), nextPageToken: 'next' }))
    server.put(listing('iris/', 1000, '&pageToken=next'), json({ items: items.slice(2) }))
    server.cuts.push(1e9, 1e9, 1e9, 100_000)
    const { path } = await fetchModel('gs://models/iris/', {
      cacheDirectory,
      limits: { ...limits, concurrency: 1 },
      environment: environment(),
    })
    expect(basename(path)).toBe('iris')
    expect(readFileSync(join(path, '1', 'model.onnx')).equals(model)).toBe(true)
    expect(readFileSync(join(path, 'config.json')).equals(config)).toBe(true)
    expect(server.seen.some(({ range }) => /^bytes=[1-9]/.test(range ?? ''))).toBe(true)
  })

  it('may be named themselves', async () => {
    server.put(listing('iris/model.onnx', 1), json({ items: [put('iris/model.onnx', model)] }))
    const { path } = await fetchModel('gs://models/iris/model.onnx', {
      cacheDirectory,
      limits,
      environment: environment(),
    })
    expect(readFileSync(path).equals(model)).toBe(true)
  })

  it('that are written anew in the midst are listed again', async () => {
    const key = 'iris/model.onnx'
    put(key, model, '2')
    const stale = { ...put(key, model, '1') }
    server.files.delete(`/storage/v1/b/models/o/${encodeURIComponent(key)}?alt=media&generation=1`)
    let listed = 0
    server.answers.set(listing(key, 1), (_, response) => {
      listed += 1
      response.end(json({ items: [listed === 1 ? stale : { ...stale, generation: '2' }] }))
    })
    const { path } = await fetchModel(`gs://models/${key}`, { cacheDirectory, limits, environment: environment() })
    expect(readFileSync(path).equals(model)).toBe(true)
    expect(listed).toBe(2)
  })

  it('are refused with what would give access', async () => {
    server.answers.set(listing('iris', 1), (_, response) => response.writeHead(403).end())
    expect((await refusal('gs://models/iris', environment())).message).toContain('GOOGLE_APPLICATION_CREDENTIALS')
    expect((await refusal('gs://other/iris', environment())).message).toBe("GCS resource 'gs://other/iris' not found.")
    expect((await refusal('gs:///iris', environment())).message).toContain('names no bucket')
  })
})

describe('a store whose client is not installed', () => {
  it.each([
    ['s3://bucket/iris', '@aws-sdk/client-s3'],
    ['https://account.blob.core.windows.net/container/iris', '@azure/storage-blob'],
  ])(
    '%s says the command to type',
    async (uri, name) => {
      const { code, message } = await refusal(uri, {})
      const isInstalled = !message.includes('not installed')
      expect(isInstalled || message.endsWith(`need a package that is not installed: npm install ${name}`)).toBe(true)
      expect(isInstalled || code === 'failed_precondition').toBe(true)
    },
    60_000,
  )
})
