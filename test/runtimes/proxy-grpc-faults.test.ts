/** gRPC upstreams that break the rules of HTTP/2 or of gRPC: what callers are told. */
import { constants, createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { encodeGrpcInferResponse } from '../../src/codec/index.ts'
import { tensor } from '../../src/core/tensor.ts'
import { floats, post, proxied } from './proxy-support.ts'

const infer = '/inference.GRPCInferenceService/ModelInfer'
const ok = { ':status': 200, 'content-type': 'application/grpc' }
const y = tensor('y', 'FP32', [1], Float32Array.of(7))
const answer = encodeGrpcInferResponse({ model: { name: 'half', version: '1' }, outputs: [y] })

function framed(message: Uint8Array, flag = 0, length = message.byteLength): Buffer {
  const prefix = Buffer.alloc(5)
  prefix.writeUInt8(flag)
  prefix.writeUInt32BE(length, 1)
  return Buffer.concat([prefix, message])
}

/** Ends a call as gRPC does. */
function finish(
  stream: ServerHttp2Stream,
  body: Uint8Array,
  trailers: Record<string, string> = { 'grpc-status': '0' },
) {
  stream.respond(ok, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  stream.end(body)
}

/** A server that is ready, describes nothing, and answers ModelInfer as it is told. */
async function hostile(answerInfer: (stream: ServerHttp2Stream) => void): Promise<string> {
  const server: Http2Server = createServer()
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session) => void sessions.add(session.on('error', () => undefined)))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined)
    stream.resume()
    if (headers[':path'] === infer) return answerInfer(stream)
    // ModelReadyResponse { ready: true }, ModelMetadataResponse {}
    finish(stream, framed(headers[':path']?.endsWith('ModelReady') === true ? Uint8Array.of(8, 1) : new Uint8Array(0)))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return `grpc://127.0.0.1:${(server.address() as AddressInfo).port}` // of a TCP server
}

describe('an upstream over gRPC that', () => {
  it.each<[string, (stream: ServerHttp2Stream) => void, number, RegExp]>([
    ['resets the call', (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR), 502, /broke off/],
    ['loses the connection', (stream) => stream.session?.destroy(), 502, /broke off/],
    ['refuses the call', (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM), 503, /refused the call/],
    ['has enough', (stream) => stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM), 503, /enough for now/],
    ['speaks no gRPC', (stream) => void (stream.respond({ ':status': 404 }), stream.end('no')), 502, /HTTP status 404/],
    ['ends without a status', (stream) => void (stream.respond(ok), stream.end(framed(answer))), 502, /broke off/],
    ['ends without a message', (stream) => finish(stream, new Uint8Array(0)), 502, /no whole message/],
    ['stops in its message', (stream) => finish(stream, framed(answer).subarray(0, 9)), 502, /no whole message/],
    ['tells of a huge message', (stream) => finish(stream, framed(answer, 0, 2 ** 31)), 502, /max_response_bytes/],
    ['compresses unasked', (stream) => finish(stream, framed(answer, 1)), 502, /compressed/],
    ['answers nonsense', (stream) => finish(stream, framed(Buffer.from('nonsense'))), 502, /cannot be used/],
    ['does not answer', () => undefined, 504, /within 300 ms/],
    [
      'tells what is wrong',
      (stream) => finish(stream, new Uint8Array(0), { 'grpc-status': '3', 'grpc-message': 'x is too long%21 %C3%BC' }),
      400,
      /^x is too long! ü$/,
    ],
    [
      'tells it in its first headers',
      (stream) => stream.respond({ ...ok, 'grpc-status': '5', 'grpc-message': 'no such model' }, { endStream: true }),
      404,
      /^no such model$/,
    ],
    [
      'says when to come back',
      (stream) =>
        finish(stream, new Uint8Array(0), { 'grpc-status': '14', 'grpc-message': 'full', 'retry-after': '9' }),
      503,
      /^full$/,
    ],
  ])('%s', async (_what, answerInfer, status, text) => {
    const upstream = await hostile(answerInfer)
    const options = { upstreams: [upstream], timeout_ms: 300, max_response_bytes: 100_000 }
    const { url } = await proxied(options)
    const told = await post(`${url.http}/v2/models/half/infer`, floats([1]))
    expect(told.body['error']).toMatch(text)
    expect(told.status).toBe(status)
  })

  it('sends its message in pieces is understood', async () => {
    const upstream = await hostile((stream) => {
      stream.respond(ok, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      const bytes = framed(answer)
      const next = (at: number): void => {
        if (at < bytes.byteLength) stream.write(bytes.subarray(at, at + 1), () => setImmediate(next, at + 1))
        else stream.end()
      }
      next(0)
    })
    const { url } = await proxied({ upstreams: [upstream] })
    const told = await post(`${url.http}/v2/models/half/infer`, floats([1]))
    expect(told).toMatchObject({ status: 200, body: { outputs: [{ name: 'y', data: [7] }] } })
  })

  it('goes away between two calls is connected to again', async () => {
    let calls = 0
    const upstream = await hostile((stream) => {
      calls += 1
      finish(stream, framed(answer))
      const { session } = stream
      stream.once('close', () => (calls % 2 === 0 ? session?.close() : session?.goaway()))
    })
    const { url } = await proxied({ upstreams: [upstream] })
    for (let index = 0; index < 10; index += 1) {
      expect((await post(`${url.http}/v2/models/half/infer`, floats([1]))).status).toBe(200)
    }
    expect(calls).toBe(10)
  })

  it('goes away while a call is under way still answers it, and the next one on another connection', async () => {
    const sessions = new Set<unknown>()
    const upstream = await hostile((stream) => {
      sessions.add(stream.session)
      stream.session?.goaway(constants.NGHTTP2_NO_ERROR, stream.id ?? 0)
      setImmediate(() => finish(stream, framed(answer)))
    })
    const { url } = await proxied({ upstreams: [upstream] })
    for (let index = 0; index < 3; index += 1) {
      expect((await post(`${url.http}/v2/models/half/infer`, floats([1]))).status).toBe(200)
    }
    expect(sessions.size).toBe(3)
  })

  it('refuses one call is not asked again for it, another is', async () => {
    const asked: string[] = []
    const refusing = await hostile((stream) => {
      asked.push('refusing')
      stream.close(constants.NGHTTP2_REFUSED_STREAM)
    })
    const working = await hostile((stream) => {
      asked.push('working')
      finish(stream, framed(answer))
    })
    const { url } = await proxied({ upstreams: [refusing, working] })
    for (let index = 0; index < 2; index += 1) {
      expect((await post(`${url.http}/v2/models/half/infer`, floats([1]))).status).toBe(200)
    }
    expect(asked.filter((who) => who === 'working')).toHaveLength(2)
  })
})
