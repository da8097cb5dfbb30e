/** Thousands of gRPC calls at once over one connection: every caller gets its own answer, whatever others do. */
import { Metadata, Server, ServerCredentials, type handleUnaryCall } from '@grpc/grpc-js'
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { OpenExchange } from '../../runtimes/proxy/exchange.ts'
import { GrpcUpstream } from '../../runtimes/proxy/grpc-exchange.ts'
import { InferenceError } from '../../src/core/errors.ts'

/** More by hand: 10,000 take half a minute. */
const calls = Number(process.env['PROXY_CALLS'] ?? 1_500)
const atOnce = 64
const path = '/test.Echo/Say'

/** Answers what it was asked, behind its length. */
function answerTo(request: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(request.length)
  return Buffer.concat([length, request])
}

async function bare(): Promise<number> {
  const server = createServer({ maxSessionMemory: 10_000, settings: { maxConcurrentStreams: 40 } })
  server.on('session', (session) => session.on('error', () => undefined))
  server.on('stream', (stream) => {
    const chunks: Buffer[] = []
    stream.on('error', () => undefined)
    stream.on('data', (chunk: Buffer) => void chunks.push(chunk))
    stream.on('end', () => {
      const message = answerTo(Buffer.concat(chunks).subarray(5))
      const prefix = Buffer.alloc(5)
      prefix.writeUInt32BE(message.length, 1)
      if (stream.destroyed) return
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.end(Buffer.concat([prefix, message]))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port // of a TCP server
}

async function grpcJs(): Promise<number> {
  const server = new Server({ 'grpc.max_receive_message_length': -1 })
  const asIs = (bytes: Buffer): Buffer => bytes
  const codec = { requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs }
  const say: handleUnaryCall<Buffer, Buffer> = ({ request }, done) => done(null, answerTo(request), new Metadata())
  server.addService({ Say: { path, requestStream: false, responseStream: false, ...codec } }, { Say: say })
  const credentials = ServerCredentials.createInsecure()
  onTestFinished(() => server.forceShutdown())
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error === null ? resolve(port) : reject(error)))
  })
}

describe.each([
  ['node:http2', bare],
  ['grpc-js', grpcJs],
])('a server of %s', (_who, start) => {
  it(`answers ${calls} calls of up to 2 MB, ${atOnce} at once, some of them cancelled`, async () => {
    const url = `grpc://127.0.0.1:${await start()}`
    const upstream = new GrpcUpstream({ url, connectTimeoutMs: 2_000, maxResponseBytes: 4_000_000 })
    onTestFinished(() => upstream.close())
    let seed = 7
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below
    // Servers of Node say "enough" where calls that were cancelled still count as open there.
    const counts = { answered: 0, cancelled: 0, refused: 0 }
    let next = 0
    const work = async (): Promise<void> => {
      while (next < calls) {
        const number = next
        next += 1
        // Most are small, as they are; one in 18 may have up to 2 MB.
        const request = Buffer.alloc(random(2 ** (4 + random(18)) + 1) + 4, number % 251)
        request.writeUInt32BE(number)
        const controller = new AbortController()
        const abort = (): void => controller.abort(new InferenceError('cancelled', 'enough'))
        const kind = random(32) // servers of Node close connections with more than 1,000 resets in a row
        if (kind === 0) setImmediate(abort)
        else if (kind === 1) setTimeout(abort, random(20))
        const exchange = new OpenExchange({ signal: controller.signal }, 60_000, {})
        try {
          const { message } = await upstream.call(path, request, exchange)
          if (!message.equals(answerTo(request))) throw new Error(`call ${number} got another answer`)
          counts.answered += 1
        } catch (reason) {
          const { code } = InferenceError.from(reason)
          if (controller.signal.aborted) counts.cancelled += 1
          else if (code === 'resource_exhausted') counts.refused += 1
          else throw reason
        } finally {
          exchange.release()
        }
      }
    }
    await Promise.all(Array.from({ length: atOnce }, work))
    expect(counts.answered + counts.cancelled + counts.refused).toBe(calls)
    expect(counts.refused).toBeLessThan(atOnce)
    expect(counts.answered).toBeGreaterThan(calls / 2)
    expect(counts.cancelled).toBeGreaterThan(calls / 100)
  }, 300_000)
})
