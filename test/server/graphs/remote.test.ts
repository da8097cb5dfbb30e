/** Graphs over services elsewhere: stubs on sockets of their own. */
import { createServer as createStub, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '../../../src/core/log.ts'
import { createServer, type Server } from '../../../src/server/server.ts'

interface Seen {
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  readonly socket: Socket
}

const seen: Seen[] = []
/** Told of each request that the stub does not answer. */
let onSilence: (socket: Socket) => void = () => undefined
const odd = Buffer.from('{"n": 1e400,\t"é":"\\u00e9", "n":9007199254740993}\n')
const binary = Buffer.from([0xff, 0x00, 0xfe, 0x01])

const answers: Readonly<Record<string, (response: ServerResponse, body: Buffer) => void>> = {
  '/echo': (response, body) => response.writeHead(200, { 'x-backend': 'yes' }).end(body),
  '/odd': (response) => response.end(odd),
  '/binary': (response) => response.writeHead(200, { 'content-type': 'text/plain' }).end(binary),
  '/busy': (response) => response.writeHead(503, { 'retry-after': '9' }).end('{"error":"busy"}'),
  '/teapot': (response) => response.writeHead(418).end('short and stout'),
  '/304': (response) => response.writeHead(304).end(),
  '/moved': (response) => response.writeHead(307, { location: '/echo' }).end('elsewhere'),
  '/drop': (response) => response.destroy(),
  '/half': (response) => {
    response.writeHead(200, { 'content-length': '10' })
    response.write('12345', () => response.destroy())
  },
  '/huge': (response) => response.end(Buffer.alloc(200_000)),
  '/silent': (response) => onSilence(response.socket as Socket),
  '/tensors': (response, body) => {
    const length = 75
    response.writeHead(200, { 'inference-header-content-length': length, 'content-type': 'application/octet-stream' })
    response.end(body)
  },
}

const stub = createStub((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const { url: path = '', headers, socket } = request
    const body = Buffer.concat(chunks)
    seen.push({ path, headers, body, socket })
    answers[path]?.(response, body)
  })
})
const listening = new Promise<string>((resolve) => {
  stub.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(stub.address() as AddressInfo).port}`))
})

const one = (serviceUrl: string, more: object = {}, rest: object = {}) => ({
  nodes: { root: { routerType: 'Sequence', steps: [{ serviceUrl, ...more }] } },
  ...rest,
})

let server: Server
let http = ''
let backend = ''
beforeAll(async () => {
  backend = await listening
  const names = Object.keys(answers).map((path) => path.slice(1))
  server = await createServer({
    models: [],
    graphs: [
      ...names.map((name) => ({ name, spec: one(`${backend}/${name}`) })),
      { name: 'refused', spec: one('http://127.0.0.1:1/x') },
      { name: 'nowhere', spec: one('http://user:secret@host.invalid/x') },
      { name: 'late', spec: one(`${backend}/silent`, {}, { routerTimeouts: { serviceClient: 0.05 } }) },
      { name: 'limited', spec: one(`${backend}/silent`, {}, { timeout: 0.05 }) },
      { name: 'traced', propagateHeaders: ['^X-.*'], spec: one(`${backend}/echo`) },
      {
        name: 'traced-all',
        propagateHeaders: ['.'],
        spec: {
          nodes: {
            root: {
              routerType: 'Sequence',
              steps: [{ serviceUrl: `${backend}/echo` }, { serviceUrl: `${backend}/echo`, data: '$response' }],
            },
          },
        },
      },
      {
        name: 'twice',
        spec: {
          nodes: {
            root: {
              routerType: 'Sequence',
              steps: [{ serviceName: 'echo-service' }, { serviceName: 'echo-service', data: '$response' }],
            },
          },
        },
      },
      {
        name: 'either',
        spec: {
          nodes: {
            root: {
              routerType: 'Ensemble',
              steps: [{ serviceUrl: `${backend}/busy`, dependency: 'Hard' }, { serviceUrl: `${backend}/silent` }],
            },
          },
        },
      },
    ],
    services: { 'echo-service': { url: `${backend}/echo` } },
    maxRequestBytes: 100_000,
    log: silentLog,
    httpPort: 0,
    enableGrpc: false,
    drainSeconds: 1,
  })
  http = (await server.start()).http
})
beforeEach(() => {
  seen.length = 0
})
afterAll(async () => {
  await server.close()
  stub.closeAllConnections()
  await new Promise((resolve) => stub.close(resolve))
})

const post = (name: string, body: string | Buffer = '{}', headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${http}/graphs/${name}`, { method: 'POST', body, headers, redirect: 'manual' })
const bytes = async (answer: Promise<Response>) => Buffer.from(await (await answer).arrayBuffer())
/** The next socket on which the stub does not answer. */
const silence = () => new Promise<Socket>((resolve) => (onSilence = resolve))
const closed = (socket: Socket) =>
  new Promise<void>((resolve) => (socket.destroyed ? resolve() : socket.once('close', () => resolve())))

describe('a remote step', () => {
  it('gets the body byte for byte, and so does the caller get the answer', async () => {
    expect(await bytes(post('echo', odd))).toEqual(odd)
    expect(seen[0]?.body).toEqual(odd)
    expect(await bytes(post('twice', odd))).toEqual(odd)
    expect(await bytes(post('odd'))).toEqual(odd)
  })

  it('gets the headers of the router and none of the caller', async () => {
    await post('echo', '{}', { 'x-tenant': 'blue', 'content-type': 'text/plain', accept: 'x/y' })
    const { host, connection } = seen[0]?.headers ?? {}
    expect(seen[0]?.headers).toEqual({
      host,
      connection,
      'content-type': 'application/json',
      'content-length': '2',
    })
  })

  it('gets the headers that patterns let through', async () => {
    await post('traced', '{}', { 'x-tenant': 'blue', other: 'no' })
    expect(seen[0]?.headers).toMatchObject({ 'x-tenant': 'blue', 'content-type': 'application/json' })
    expect(seen[0]?.headers).not.toHaveProperty('other')
  })

  it('gets no header that describes a body other than its own', async () => {
    await post('traced-all', gzipSync('{"a":1}'), {
      'content-encoding': 'gzip',
      'inference-header-content-length': '7',
    })
    expect(String(seen[0]?.body)).toBe('{"a":1}')
    expect(seen[0]?.headers).toMatchObject({ 'inference-header-content-length': '7', 'content-length': '7' })
    expect(seen[1]?.headers).toMatchObject({ 'content-length': '7' })
    for (const { headers } of seen) expect(headers).not.toHaveProperty('content-encoding')
    expect(seen[1]?.headers).not.toHaveProperty('inference-header-content-length')
  })

  it('keeps its connection for the next', async () => {
    for (let count = 0; count < 5; count += 1) await bytes(post('echo', '{}'))
    expect(new Set(seen.map(({ socket }) => socket)).size).toBe(1)
  })

  it.each([
    ['busy', 503, 'application/json', '{"error":"busy"}'],
    ['teapot', 418, 'text/plain; charset=utf-8', 'short and stout'],
    ['304', 304, null, ''],
    ['moved', 307, 'text/plain; charset=utf-8', 'elsewhere'],
  ])('passes on the status of %s without its headers', async (name, status, type, body) => {
    const answer = await post(name)
    expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([status, type, body])
    expect(answer.headers.get('retry-after')).toBeNull()
    expect(answer.headers.get('x-backend')).toBeNull()
  })

  it('tells what the bytes of an answer look like', async () => {
    const answer = await post('binary')
    expect(answer.headers.get('content-type')).toBe('application/octet-stream')
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(binary)
  })

  it('gets and gives tensors behind JSON as they are', async () => {
    const head = '{"outputs":[{"name":"y","datatype":"FP32","shape":[1],"parameters":{"b":4}}]}'.padEnd(75).slice(0, 75)
    const body = Buffer.concat([Buffer.from(head), binary])
    const answer = await post('tensors', body, { 'inference-header-content-length': '75' })
    expect(seen[0]?.headers).toMatchObject({
      'content-type': 'application/octet-stream',
      'inference-header-content-length': '75',
    })
    expect(seen[0]?.body).toEqual(body)
    expect(answer.headers.get('inference-header-content-length')).toBe('75')
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(body)
  })
})

describe('a remote step without an answer', () => {
  const cause = async (name: string) => {
    const answer = await post(name)
    expect(answer.status).toBe(500)
    const body = (await answer.json()) as { readonly error: string; readonly cause: string }
    expect(body.error).toBe('Failed to process request')
    return body.cause
  }

  it.each([
    ['drop', /^Post "http:\/\/127\.0\.0\.1:\d+\/drop": EOF$/],
    ['half', /^Post "http:\/\/127\.0\.0\.1:\d+\/half": unexpected EOF$/],
    ['refused', /^Post "http:\/\/127\.0\.0\.1:1\/x": dial tcp 127\.0\.0\.1:1: connect: connection refused$/],
    ['nowhere', /^Post "http:\/\/user:\*\*\*@host\.invalid\/x": /],
    ['huge', /the answer is larger than the limit of 100000 bytes/],
    ['late', /context deadline exceeded \(Client\.Timeout exceeded while awaiting headers\)$/],
  ])('fails the graph as in the router: %s', async (name, text) => {
    expect(await cause(name)).toMatch(text)
  })

  it('is called once', async () => {
    await post('echo')
    await post('drop')
    expect(seen.map(({ path }) => path)).toEqual(['/echo', '/drop'])
  })

  it('does not tell a password in the explanation', async () => {
    const answer = await fetch(`${http}/graphs/nowhere?explain=true`, { method: 'POST', body: '{}' })
    const text = await answer.text()
    expect(text).not.toContain('secret')
    expect(JSON.parse(text)).toMatchObject({
      status: 500,
      steps: [{ target: 'http://user:***@host.invalid/x', outcome: 'failed' }],
    })
  })
})

describe('a call that nobody waits for any more', () => {
  it('closes its connection when the caller leaves', async () => {
    const controller = new AbortController()
    const socket = silence()
    const answer = fetch(`${http}/graphs/silent`, { method: 'POST', body: '{}', signal: controller.signal })
    const open = await socket
    controller.abort()
    await expect(answer).rejects.toThrow()
    await closed(open)
  })

  it.each([
    ['silent', { 'x-request-timeout': '30ms' }, 504],
    ['late', {}, 500],
    ['limited', {}, 504],
    ['either', {}, 503],
  ])('closes its connection when time is up, or all is decided: %s', async (name, headers, status) => {
    const socket = silence()
    const answer = post(name, '{}', headers)
    await closed(await socket)
    expect((await answer).status).toBe(status)
  })

  it('closes its connection when a drain ends', async () => {
    const other = await createServer({
      models: [],
      graphs: [{ name: 'g', spec: one(`${backend}/silent`) }],
      log: silentLog,
      httpPort: 0,
      enableGrpc: false,
      drainSeconds: 1,
    })
    const addresses = await other.start()
    const socket = silence()
    const answer = fetch(`${addresses.http}/graphs/g`, { method: 'POST', body: '{}' })
    const open = await socket
    const end = other.close()
    expect((await answer).status).toBe(503)
    await Promise.all([end, closed(open)])
  })
})
