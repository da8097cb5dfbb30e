import { createServer } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { generate, type Load } from '../../bench/generator/generate.ts'
import { framed, type GrpcRequest } from '../../bench/grpc-message.ts'
import type { HttpRequest } from '../../bench/requests.ts'

const request: HttpRequest = { method: 'POST', path: '/v2/models/x/infer', headers: {}, body: Buffer.from('{}') }
const closing: (() => void)[] = []

afterEach(() => {
  for (const close of closing.splice(0)) close()
})

/** Listens on a free port and is closed after the test. */
async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => server.close())
  return (server.address() as AddressInfo).port // it listens on TCP
}

/** A server that answers each request as `answer` says, told how many came before. */
async function rest(answer: (index: number) => { readonly status: number; readonly afterMs?: number }) {
  let index = 0
  const server = createServer((incoming, response) => {
    incoming.resume()
    incoming.on('end', () => {
      const { status, afterMs = 0 } = answer(index++)
      const end = (): void => void response.writeHead(status, { 'content-length': 2 }).end('{}')
      if (afterMs === 0) end()
      else setTimeout(end, afterMs)
    })
  })
  const url = `http://127.0.0.1:${await listening(server)}`
  return (load: Load, seconds: number, sloMs?: number) =>
    generate({ target: { kind: 'rest', url, request }, load, seconds, ...(sloMs === undefined ? {} : { sloMs }) })
}

function total(outcomes: Readonly<Record<string, number>>): number {
  return Object.values(outcomes).reduce((sum, count) => sum + count, 0)
}

describe('the load generator over REST', () => {
  it('sends as many requests as were due in an open loop, and every one ends once', async () => {
    const load = await rest(() => ({ status: 200 }))
    const account = await load({ kind: 'open', process: 'poisson', perSecond: 400, seed: 1 }, 1)
    expect(account.requests).toBeGreaterThan(330)
    expect(account.requests).toBeLessThan(470)
    expect(account.outcomes).toEqual({ 200: account.requests })
    expect(account.ok).toBe(account.requests)
  })

  it('counts refusals by status and none of them as good', async () => {
    const load = await rest((index) => ({ status: index % 4 === 0 ? 503 : 200 }))
    const account = await load({ kind: 'open', process: 'bursty', perSecond: 300, seed: 2 }, 1, 1000)
    expect(account.outcomes['503']).toBe(Math.ceil(account.requests / 4))
    expect(account.good).toBe(account.requests - Math.ceil(account.requests / 4))
    expect(total(account.outcomes)).toBe(account.requests)
  })

  it('counts a stall of the server for every request that was due meanwhile', async () => {
    let stalledUntil = 0
    const load = await rest((index) => {
      const now = performance.now()
      if (index === 100) stalledUntil = now + 300
      return { status: 200, afterMs: Math.max(0, stalledUntil - now) }
    })
    // Two connections: a closed loop would have two slow answers and all others fast.
    const account = await load(
      { kind: 'open', process: 'poisson', perSecond: 500, seed: 3, mostConnections: 2 },
      1,
      100,
    )
    expect(account.longestMs).toBeGreaterThan(250)
    expect(account.requests - account.good).toBeGreaterThan(60) // of 150 in the 300 ms those of the first 200
    expect(account.starved).toBeGreaterThan(100)
    expect(total(account.outcomes)).toBe(account.requests)
  })

  it('keeps as many requests on the way as a closed loop has clients', async () => {
    let [running, most] = [0, 0]
    const server = createServer((_incoming, response) => {
      running += 1
      most = Math.max(most, running)
      setImmediate(() => {
        running -= 1
        response.writeHead(200, { 'content-length': 0 }).end()
      })
    })
    const url = `http://127.0.0.1:${await listening(server)}`
    const load: Load = { kind: 'closed', clients: 8, mostRequests: 200 }
    const account = await generate({ target: { kind: 'rest', url, request }, load, seconds: 10 })
    expect(account.outcomes).toEqual({ 200: 200 })
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(8)
  })

  it('reads answers in pieces, and answers that come together with the next head', async () => {
    const server = createServer((_incoming, response) => {
      response.writeHead(200, { 'content-length': 200_000 })
      response.write(Buffer.alloc(100_000))
      setImmediate(() => response.end(Buffer.alloc(100_000)))
    })
    const url = `http://127.0.0.1:${await listening(server)}`
    const load: Load = { kind: 'closed', clients: 2, mostRequests: 20 }
    const account = await generate({ target: { kind: 'rest', url, request }, load, seconds: 10 })
    expect(account.outcomes).toEqual({ 200: 20 })
  })

  it('tells connections that break from answers', async () => {
    let index = 0
    const server = createServer((incoming, response) => {
      if (index++ % 5 === 4) incoming.socket.destroy()
      else response.writeHead(200, { 'content-length': 0 }).end()
    })
    const url = `http://127.0.0.1:${await listening(server)}`
    const load: Load = { kind: 'closed', clients: 1, mostRequests: 50 }
    const account = await generate({ target: { kind: 'rest', url, request }, load, seconds: 10 })
    expect(account.outcomes).toEqual({ 200: 40, broken: 10 })
  })

  it('fails where nobody listens', async () => {
    const server = createServer()
    const url = `http://127.0.0.1:${await listening(server)}`
    await new Promise((resolve) => server.close(resolve))
    const load: Load = { kind: 'closed', clients: 1 }
    await expect(generate({ target: { kind: 'rest', url, request }, load, seconds: 1 })).rejects.toThrow('ECONNREFUSED')
  })
})

describe('the load generator over gRPC', () => {
  const path = '/inference.GRPCInferenceService/ModelInfer'

  /** Answers every other call with RESOURCE_EXHAUSTED and without a message. @returns its address */
  async function grpc(): Promise<string> {
    let index = 0
    const server = createHttp2Server()
    server.on('stream', (stream) => {
      const isRefused = index++ % 2 === 1
      stream.resume()
      stream.on('end', () => {
        if (isRefused) {
          stream.respond({ ':status': 200, 'grpc-status': '8' }, { endStream: true })
          return
        }
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
        stream.respond({ ':status': 200 }, { waitForTrailers: true })
        stream.end(framed(Uint8Array.of(4)))
      })
    })
    return `127.0.0.1:${await listening(server)}`
  }

  it.each([
    ['small ones by raw frames', 3],
    ['those of half the window', 16_000],
    ['large ones by node:http2', 50_000],
  ])('counts calls by their gRPC status, %s', async (_kind, bytes) => {
    const request: GrpcRequest = { path, message: new Uint8Array(bytes) }
    const target = { kind: 'grpc', address: await grpc(), request } as const
    const account = await generate({ target, load: { kind: 'closed', clients: 70, mostRequests: 300 }, seconds: 10 })
    expect(account.outcomes).toEqual({ 'grpc 0': 150, 'grpc 8': 150 })
    expect(account.ok).toBe(150)
  })

  it('tells connections that break from answers', async () => {
    const server = createTcpServer((socket) => {
      socket.once('data', () => socket.destroy())
    })
    const address = `127.0.0.1:${await listening(server)}`
    const target = { kind: 'grpc', address, request: { path, message: Uint8Array.of(1) } } as const
    const account = await generate({ target, load: { kind: 'closed', clients: 2, mostRequests: 10 }, seconds: 10 })
    expect(account.outcomes).toEqual({ broken: 10 })
  })
})
