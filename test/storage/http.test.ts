import { readdirSync, readFileSync, rmSync, mkdtempSync, truncateSync, chmodSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fetchModel, type FetchOptions } from '../../src/storage/index.ts'
import { FileServer } from './file-server.ts'

const limits = { pauseMs: 1 }
const model = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7919) % 251))

let server: FileServer
let origin: string
let cacheDirectory: string

beforeEach(async () => {
  server = new FileServer()
  origin = await server.listen()
  cacheDirectory = mkdtempSync(join(tmpdir(), 'servable-cache-'))
})
afterEach(async () => {
  await server.close()
  rmSync(cacheDirectory, { recursive: true, force: true })
})

const get = (path: string, options: FetchOptions = {}) =>
  fetchModel(origin + path, { cacheDirectory, limits, ...options })
const refusal = async (path: string, options: FetchOptions = {}) => {
  const reason: unknown = await get(path, options).catch((error: unknown) => error)
  return reason as Error & { readonly code: string }
}
const leftOver = () =>
  ['staging', 'partial', 'locks'].flatMap((name) => {
    try {
      return readdirSync(join(cacheDirectory, name))
    } catch {
      return []
    }
  })

describe('a file over http', () => {
  it('lies under the names of its address, and is not downloaded twice', async () => {
    server.put('/models/iris/model.onnx', model)
    const first = await get('/models/iris/model.onnx')
    expect(readFileSync(first.path).equals(model)).toBe(true)
    expect([basename(first.path), basename(dirname(first.path))]).toEqual(['model.onnx', 'iris'])
    expect([first.isCached, first.bytes]).toEqual([false, model.length])
    const again = await get('/models/iris/model.onnx')
    expect([again.path, again.isCached]).toEqual([first.path, true])
    expect(server.sentBytes).toBe(model.length + 2) // each time one byte to ask what is there
    expect(leftOver()).toEqual([])
  })

  it('takes up where the connection was cut', async () => {
    server.put('/iris.onnx', model)
    server.cuts.push(100_000, 50_000, 0)
    const { path } = await get('/iris.onnx')
    expect(readFileSync(path).equals(model)).toBe(true)
    const [asked, begun, ...resumed] = server.seen.map(({ range }) => range)
    expect([asked, begun]).toEqual(['bytes=0-0', undefined])
    expect(resumed).toHaveLength(3)
    expect(resumed.every((range) => /^bytes=[1-9]\d*-$/.test(range ?? ''))).toBe(true)
    expect(server.seen.at(-1)?.headers['if-range']).toBe(server.files.get('/iris.onnx')?.etag)
  })

  it('takes up what an earlier fetch has left', async () => {
    server.put('/iris.onnx', model)
    server.cuts.push(100_000, 0, 0, 0, 0)
    const failed = await refusal('/iris.onnx', { limits: { ...limits, maxAttempts: 2 } })
    expect(failed.code).toBe('unavailable')
    server.cuts.length = 0
    server.seen.length = 0
    const { path } = await get('/iris.onnx')
    expect(readFileSync(path).equals(model)).toBe(true)
    expect(server.seen).toHaveLength(2)
    expect(server.seen[1]?.range).toMatch(/^bytes=[1-9]\d*-$/)
  })

  it('begins anew where the file changed in the midst', async () => {
    const next = Buffer.from(model).fill(9, 0, 1000)
    server.put('/iris.onnx', model)
    server.cuts.push(100_000)
    let cut = false
    const changing = get('/iris.onnx', {
      onProgress: () => undefined,
      log: {
        debug: () => undefined,
        info: () => undefined,
        error: () => undefined,
        isDebugEnabled: false,
        warn: () => {
          if (!cut) server.put('/iris.onnx', next)
          cut = true
        },
      },
    })
    expect(readFileSync((await changing).path).equals(next)).toBe(true)
    expect(cut).toBe(true)
  })

  it('comes whole from a server without ranges, and again after a cut', async () => {
    server.put('/iris.onnx', model, { hasRanges: false })
    server.cuts.push(100_000)
    const { path } = await get('/iris.onnx')
    expect(readFileSync(path).equals(model)).toBe(true)
    expect(server.seen).toHaveLength(2) // what the server sent to the first question was taken
  })

  it('is asked for anew where the server names no version, and kept once', async () => {
    server.files.set('/iris.onnx', { body: model, hasRanges: false })
    const first = await get('/iris.onnx')
    const second = await get('/iris.onnx')
    expect(second.path).toBe(first.path)
    server.files.set('/iris.onnx', { body: Buffer.from('other'), hasRanges: false })
    const third = await get('/iris.onnx')
    expect(readFileSync(third.path, 'utf8')).toBe('other')
    expect(readFileSync(first.path).equals(model)).toBe(true)
  })

  it('is refused where it does not have the digest that the server gives', async () => {
    const digest = { 'repr-digest': `sha-256=:${Buffer.alloc(32, 1).toString('base64')}:` }
    server.put('/iris.onnx', model, { headers: digest })
    const { code, message } = await refusal('/iris.onnx')
    expect(code).toBe('unavailable')
    expect(message).toMatch(/iris\.onnx is damaged: its sha256 is [0-9a-f]{64}, the store says 0101/)
    expect(leftOver()).toEqual([])
  })

  it('is given up where the server promises more than it sends', async () => {
    server.answers.set('/iris.onnx', (_, response) => {
      response.writeHead(200, { 'content-length': '1000' })
      response.write('half', () => response.destroy())
    })
    expect((await refusal('/iris.onnx')).code).toBe('unavailable')
  })

  it('is given up where nothing comes any more', async () => {
    server.answers.set('/iris.onnx', (_, response) => {
      response.writeHead(200, { 'content-length': '1000' })
      response.write('half')
    })
    const { code, message } = await refusal('/iris.onnx', { limits: { pauseMs: 1, idleMs: 50, maxAttempts: 1 } })
    expect([code, message]).toEqual(['unavailable', `${origin}/iris.onnx: nothing has come for 0.05 s`])
  })

  it('may not be larger than the limit, announced or not', async () => {
    server.put('/iris.onnx', model)
    const limited = { limits: { ...limits, maxBytes: 1000 } }
    expect((await refusal('/iris.onnx', limited)).code).toBe('resource_exhausted')
    server.answers.set('/endless.onnx', (_, response) => {
      response.writeHead(200)
      response.write(model)
    })
    expect((await refusal('/endless.onnx', limited)).code).toBe('resource_exhausted')
  })

  it('ends with its signal', async () => {
    server.answers.set('/iris.onnx', (_, response) => {
      response.writeHead(200, { 'content-length': '1000' })
      response.write('half')
    })
    const controller = new AbortController()
    const fetching = refusal('/iris.onnx', { signal: controller.signal })
    await new Promise<void>((resolve) => {
      const wait = (): void => {
        if (server.seen.length > 0) resolve()
        else setImmediate(wait)
      }
      wait()
    })
    controller.abort()
    expect((await fetching).code).toBe('cancelled')
    expect(leftOver()).toEqual([])
  })

  it('is downloaded once where many ask at once', async () => {
    server.put('/iris.onnx', model)
    const all = await Promise.all(Array.from({ length: 8 }, () => get('/iris.onnx')))
    expect(new Set(all.map(({ path }) => path)).size).toBe(1)
    expect(server.sentBytes).toBe(model.length + 8)
  })

  it('is served as it was fetched last where its server does not answer', async () => {
    server.put('/iris.onnx', model)
    const first = await get('/iris.onnx')
    await server.close()
    const again = await get('/iris.onnx')
    expect([again.path, again.isCached]).toEqual([first.path, true])
    const other = await refusal('/other.onnx')
    expect(other.message).toContain('Failed to connect to HTTP endpoint')
  })

  it('is fetched anew where what lies in the cache is damaged', async () => {
    server.put('/iris.onnx', model)
    const first = await get('/iris.onnx')
    chmodSync(first.path, 0o644)
    truncateSync(first.path, 10)
    const again = await get('/iris.onnx')
    expect(readFileSync(again.path).equals(model)).toBe(true)
  })

  it('may be empty', async () => {
    server.put('/iris.onnx', Buffer.alloc(0))
    expect(readFileSync((await get('/iris.onnx')).path)).toHaveLength(0)
  })
})

describe('credentials', () => {
  it('go to their host and not where it redirects to', async () => {
    const elsewhere = new FileServer()
    const other = await elsewhere.listen()
    try {
      elsewhere.put('/file', model)
      server.answers.set('/iris.onnx', (_, response) => response.writeHead(302, { location: `${other}/file` }).end())
      const environment = { '127.0.0.1-headers': '{"Authorization":"Bearer secret-1"}' }
      const { path } = await get('/iris.onnx', { environment })
      expect(readFileSync(path).equals(model)).toBe(true)
      expect(server.seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer secret-1', 'Bearer secret-1'])
      expect(elsewhere.seen.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined])
    } finally {
      await elsewhere.close()
    }
  })

  it('are never part of a message', async () => {
    server.answers.set('/iris.onnx', (_, response) => response.writeHead(401).end())
    const { host } = new URL(origin)
    const uri = `http://user:secret-2@${host}/iris.onnx?token=secret-3`
    const reason: unknown = await fetchModel(uri, { cacheDirectory }).catch((error: unknown) => error)
    server.answers.set('/iris.onnx?token=secret-3', (_, response) => response.writeHead(401).end())
    const second: unknown = await fetchModel(uri, { cacheDirectory }).catch((error: unknown) => error)
    expect(String(reason)).toContain(`${origin}/iris.onnx' not found`)
    expect(String(second)).toContain(`authentication failed for '${origin}/iris.onnx'`)
    expect(String(second) + String(reason)).not.toContain('secret')
    expect(server.seen[0]?.headers.authorization).toBe(`Basic ${Buffer.from('user:secret-2').toString('base64')}`)
  })

  it('are complained of by name where they cannot be read', async () => {
    const { message } = await refusal('/iris.onnx', { environment: { '127.0.0.1-headers': 'secret-4' } })
    expect(message).toContain('127.0.0.1-headers: expected a JSON object')
    expect(message).not.toContain('secret')
  })
})

describe('what is no file', () => {
  it.each([
    [403, 'permission_denied', /Access denied to HTTP resource/],
    [404, 'not_found', /not found/],
    [418, 'failed_precondition', /answers with status 418/],
    [503, 'unavailable', /answers with status 503/],
  ])('is refused by its status %d', async (status, code, message) => {
    server.answers.set('/iris.onnx', (_, response) => response.writeHead(status).end())
    const reason = await refusal('/iris.onnx')
    expect(reason.code).toBe(code)
    expect(reason.message).toMatch(message)
  })

  it('is refused where a page comes instead', async () => {
    server.put('/iris.onnx', Buffer.from('<html>'), { type: 'text/html; charset=utf-8' })
    expect((await refusal('/iris.onnx')).message).toContain('answers with a page')
  })

  it('is refused where redirects go in a circle', async () => {
    server.answers.set('/iris.onnx', (_, response) => response.writeHead(302, { location: '/iris.onnx' }).end())
    expect((await refusal('/iris.onnx')).message).toContain('redirects more than 10 times')
  })
})
