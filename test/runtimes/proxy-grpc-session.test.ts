/** Who is no upstream: found out before any call is sent; and connections that die without a word. */
import { readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createSecureContext, createServer as createTlsServer } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { GrpcSession } from '../../runtimes/proxy/grpc-session.ts'
import { KeepAlive } from '../../runtimes/proxy/http2/keep-alive.ts'
import { portOf } from '../../src/server/addresses.ts'
import { fixtures } from '../paths.ts'

const file = (name: string): Buffer => readFileSync(join(fixtures, 'tls', name))

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => void sockets.add(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return portOf(server)
}

describe('a port that', () => {
  it.each<[string, (socket: Socket) => void, RegExp]>([
    ['says nothing', () => undefined, /no connection within 100 ms/],
    ['closes', (socket) => socket.destroy(), /closed|reset/],
    ['speaks HTTP/1', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), /broke the rules of HTTP\/2/],
    ['speaks nonsense', (socket) => socket.end(Buffer.alloc(100_000, 7)), /broke the rules of HTTP\/2/],
  ])('%s is no upstream', async (_what, answer, why) => {
    const port = await listen(createServer(answer))
    const session = new GrpcSession({ url: `grpc://127.0.0.1:${port}`, connectTimeoutMs: 100 })
    const opening = session.open()
    await expect(opening).rejects.toThrow(why)
    await expect(opening).rejects.toMatchObject({ mayHaveRun: false }) // another upstream may be asked
    expect(session.current).toBeUndefined()
  })

  it('speaks TLS without HTTP/2 is no upstream', async () => {
    const port = await listen(createTlsServer({ cert: file('server.crt'), key: file('server.key') }))
    const tls = createSecureContext({ ca: file('ca.crt') })
    const session = new GrpcSession({ url: `grpcs://127.0.0.1:${port}`, tls, connectTimeoutMs: 2_000 })
    await expect(session.open()).rejects.toThrow(/no HTTP\/2 \(ALPN h2\)/)
  })
})

describe('a connection on which nothing is heard', () => {
  function watched(isBusy: boolean) {
    const told: string[] = []
    const clock = { now: 0 }
    const events = {
      isBusy: () => isBusy,
      ping: () => void told.push('ping'),
      dead: (why: string) => void told.push(why),
    }
    const keepAlive = new KeepAlive(events, () => clock.now)
    onTestFinished(() => keepAlive.close())
    return { keepAlive, told, at: (seconds: number) => ((clock.now = seconds * 1000), keepAlive.look()) }
  }

  it('is pinged while calls wait, and given up without an answer', () => {
    const { told, at } = watched(true)
    at(20)
    expect(told).toEqual([])
    at(31)
    expect(told).toEqual(['ping'])
    at(50)
    expect(told).toEqual(['ping'])
    at(52)
    expect(told).toEqual(['ping', expect.stringMatching(/nothing was heard/)])
  })

  it('is pinged again only after minutes, as servers of gRPC demand', () => {
    const { keepAlive, told, at } = watched(true)
    at(31)
    keepAlive.heard()
    for (let seconds = 40; seconds <= 340; seconds += 10) at(seconds)
    expect(told).toEqual(['ping'])
    at(350)
    expect(told).toEqual(['ping', 'ping'])
  })

  it('is left alone while no call waits', () => {
    const { told, at } = watched(false)
    for (let seconds = 10; seconds <= 1_000; seconds += 10) at(seconds)
    expect(told).toEqual([])
  })
})
