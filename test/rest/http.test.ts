/** What only a real socket shows: missing headers, broken requests, bodies of every kind, callers who leave. */
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createTestApp } from './models.ts'
import type { Waiting } from './models.ts'
import { exchange, open } from './socket.ts'

const limit = 1000
const body = '{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1,2]}]}'
const path = '/v2/models/half_plus_two/infer'
const head = (...headers: readonly string[]) =>
  [`POST ${path} HTTP/1.1`, 'Host: h', 'Connection: close', ...headers, '', ''].join('\r\n')

let onWaiting: (waiting: Waiting) => void = () => undefined
let isDraining = false
const deadline = new AbortController()
const app = createTestApp({
  limits: { maxRequestBytes: limit },
  onSlow: (waiting) => onWaiting(waiting),
  isDraining: () => isDraining,
  signal: deadline.signal,
})
let port = 0

beforeAll(async () => {
  await app.listen({ port: 0, host: '127.0.0.1' })
  port = (app.server.address() as AddressInfo).port // an IP server has a port
})
afterEach(() => {
  isDraining = false
})
afterAll(() => app.close())

/** Starts a request to the slow model; resolves once the model has it. */
async function startSlow() {
  const waiting = new Promise<Waiting>((resolve) => {
    onWaiting = resolve
  })
  const socket = await open(port)
  const request = head(`Content-Length: ${body.length}`).replace('half_plus_two', 'slow')
  socket.write(request + body)
  return { socket, ...(await waiting) }
}

describe('bodies', () => {
  it('reads a body without Content-Type', async () => {
    const answer = await exchange(port, head(`Content-Length: ${body.length}`), body)
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toBe('application/json')
    expect(answer.headers['content-length']).toBe(String(answer.body.length))
    expect(answer.body).toContain('[2.5,3')
  })

  it('reads a body that comes in pieces', async () => {
    const answer = await exchange(port, head(`Content-Length: ${body.length}`), body.slice(0, 10), body.slice(10))
    expect(answer.status).toBe(200)
  })

  it('reads chunked bodies', async () => {
    const chunks = `a\r\n${body.slice(0, 10)}\r\n${(body.length - 10).toString(16)}\r\n${body.slice(10)}\r\n0\r\n\r\n`
    const answer = await exchange(port, head('Transfer-Encoding: chunked'), chunks)
    expect(answer.status).toBe(200)
  })

  it('answers 100-continue', async () => {
    const answer = await exchange(port, head(`Content-Length: ${body.length}`, 'Expect: 100-continue'), body)
    expect(answer.status).toBe(100)
    expect(answer.body).toContain('HTTP/1.1 200 OK')
  })

  it('refuses a Content-Length over the limit without waiting for the body', async () => {
    const answer = await exchange(port, head('Content-Length: 999999999999'))
    expect(answer.status).toBe(413)
    expect(answer.headers['connection']).toBe('close')
    expect(JSON.parse(answer.body)).toEqual({
      error: 'the request body is larger than the limit of 1000 bytes (max-request-bytes)',
    })
  })

  it('refuses chunks that add up to more than the limit', async () => {
    const chunk = `200\r\n${' '.repeat(0x200)}\r\n`
    const answer = await exchange(port, head('Transfer-Encoding: chunked'), chunk, chunk, chunk, '0\r\n\r\n')
    expect(answer.status).toBe(413)
    expect(answer.body).toContain('max-request-bytes')
  })

  it('answers a POST without any body', async () => {
    const answer = await exchange(port, head())
    expect(answer.status).toBe(400)
    expect(Object.keys(JSON.parse(answer.body) as object)).toEqual(['error'])
  })
})

describe('broken HTTP', () => {
  it.each([
    ['no request at all', 'hello\r\n\r\n', 400],
    ['a bad Content-Length', head('Content-Length: ten'), 400],
    ['a length and chunks', head('Content-Length: 5', 'Transfer-Encoding: chunked') + body, 400],
    ['a bad chunk', `${head('Transfer-Encoding: chunked')}zz\r\n`, 400],
    ['large headers', head(`X-Large: ${'x'.repeat(20_000)}`), 431],
    ['an unknown expectation', head('Expect: the-best', 'Content-Length: 0'), 417],
    ['a bad escape in the path', 'GET /v2/models/%E0%A4 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n', 400],
  ])('answers %s in the one shape of errors', async (_title, request, status) => {
    const answer = await exchange(port, request)
    expect(answer.status).toBe(status)
    expect(answer.headers['content-type']).toBe('application/json')
    expect(JSON.parse(answer.body)).toEqual({ error: expect.any(String) as string })
  })
})

describe('the signal of a request', () => {
  it('fires when the caller disconnects', async () => {
    const { socket, signal } = await startSlow()
    expect(signal.aborted).toBe(false)
    const fired = new Promise((resolve) => signal.addEventListener('abort', resolve))
    socket.destroy()
    await fired
    expect(signal.reason).toMatchObject({ code: 'cancelled' })
  })

  it('does not fire after the answer', async () => {
    const { socket, signal, finish } = await startSlow()
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.resume()
    finish()
    await closed
    expect(signal.aborted).toBe(false)
  })

  it('fires when the deadline of a drain has passed, and the caller is told', async () => {
    const { socket, signal } = await startSlow()
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    const closed = new Promise((resolve) => socket.once('close', resolve))
    deadline.abort()
    await closed
    expect(signal.aborted).toBe(true)
    expect(Buffer.concat(chunks).toString()).toMatch(
      /^HTTP\/1.1 503 [^]*Retry-After: 1[^]*the server is shutting down/i,
    )
  })
})

describe('a server that drains', () => {
  it('refuses inference, finishes what runs, and stays alive but not ready', async () => {
    const { socket, finish } = await startSlow()
    isDraining = true
    const refused = await app.inject({ method: 'POST', url: path, payload: body })
    expect(refused.statusCode).toBe(503)
    expect(refused.headers['retry-after']).toBe('1')
    expect(refused.headers['connection']).toBe('close')
    expect(refused.json()).toEqual({ error: 'the server is shutting down' })
    expect((await app.inject('/v2/health/live')).statusCode).toBe(200)
    expect((await app.inject('/v2/health/ready')).json()).toEqual({ ready: false })
    const answer = new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(chunk.toString())))
    finish()
    expect(await answer).toMatch(/^HTTP\/1.1 200/)
    socket.destroy()
  })
})
