/** gRPC with messages of any size over `node:http2`, which takes four times as long for each call as `grpc.ts`. */
import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2'
import { once } from 'node:events'
import { framed, grpcHeaders, type GrpcRequest } from '../grpc-message.ts'
import type { Outcome } from './account.ts'
import type { Lane, Transport } from './lane.ts'

/** Below the 100 streams that many servers allow on a connection. */
const streamsPerSession = 64

/** @param address `host:port` */
export function largeGrpcTransport(address: string, { path, message }: GrpcRequest): Transport {
  const frame = framed(message)
  const headers = { ':method': 'POST', ':path': path, ...grpcHeaders }
  const sessions: ClientHttp2Session[] = []
  let lanes = 0
  return {
    good: 'grpc 0',
    async open() {
      const session = lanes++ % streamsPerSession === 0 ? await openSession(address, sessions) : sessions.at(-1)
      if (session === undefined) throw new Error('a lane needs a session')
      return laneOf(session, headers, frame)
    },
    close() {
      for (const session of sessions) session.destroy()
    },
  }
}

async function openSession(address: string, sessions: ClientHttp2Session[]): Promise<ClientHttp2Session> {
  const session = connect(`http://${address}`)
  sessions.push(session)
  await once(session, 'connect')
  session.on('error', () => undefined) // its streams fail as well
  return session
}

function laneOf(session: ClientHttp2Session, headers: Readonly<Record<string, string>>, frame: Buffer): Lane {
  return {
    send(ended) {
      if (session.closed || session.destroyed) {
        setImmediate(ended, 'broken')
        return
      }
      const stream = session.request(headers)
      let outcome: Outcome = 'broken'
      const note = (fields: IncomingHttpHeaders): void => {
        const status = fields['grpc-status']
        if (status !== undefined) outcome = `grpc ${String(status)}`
      }
      stream.on('response', note) // an answer without a message has its status here
      stream.on('trailers', note)
      stream.on('error', () => undefined) // a close follows
      stream.on('close', () => {
        if (outcome === 'broken' && stream.rstCode > 0) outcome = `reset ${stream.rstCode}`
        ended(outcome)
      })
      stream.resume()
      stream.end(frame)
    },
  }
}
