/** Program: gRPC load from `node:http2`, for machines without h2load. It costs about what a server costs. */
import { readFileSync } from 'node:fs'
import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2'
import type { GrpcMeasured } from './grpc-load.ts'
import { grpcHeaders } from './grpc-message.ts'

interface Options {
  readonly url: string
  readonly body: string
  readonly seconds: number
  readonly connections: number
  readonly streams: number
}

const { url, body, seconds, connections, streams } = JSON.parse(process.argv[2] ?? '') as Options // from grpc-load.ts
const { origin, pathname } = new URL(url)
const frame = readFileSync(body)
const latenciesMs: number[] = []
let [failed, answerBytes] = [0, 0]
const end = performance.now() + seconds * 1000

const sessions = Array.from({ length: connections }, () => connect(origin))
await Promise.all(sessions.flatMap((session) => Array.from({ length: streams }, () => repeat(session))))
for (const session of sessions) session.close()
const measured: GrpcMeasured = { seconds, requests: latenciesMs.length, failed, answerBytes, latenciesMs }
console.log(JSON.stringify(measured))

/** One call after the other until the time is up. */
async function repeat(session: ClientHttp2Session): Promise<void> {
  while (performance.now() < end && !session.destroyed) {
    const started = performance.now()
    if (await call(session)) latenciesMs.push(performance.now() - started)
    else failed += 1
  }
}

function call(session: ClientHttp2Session): Promise<boolean> {
  return new Promise((resolve) => {
    const stream = session.request({ ':method': 'POST', ':path': pathname, ...grpcHeaders })
    let isGood = false
    stream.on('trailers', (trailers: IncomingHttpHeaders) => (isGood = trailers['grpc-status'] === '0'))
    stream.on('data', (chunk: Buffer) => (answerBytes += chunk.length))
    stream.on('error', () => (isGood = false))
    stream.on('close', () => resolve(isGood))
    stream.end(frame)
  })
}
