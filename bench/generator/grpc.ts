/** gRPC over raw sockets: a call is one write of frames that were made before. Lanes are streams that share connections. */
import { connect, type Socket } from 'node:net'
import { framed, grpcHeaders, type GrpcRequest } from '../grpc-message.ts'
import type { Outcome } from './account.ts'
import { largeGrpcTransport } from './grpc-large.ts'
import {
  acknowledgement,
  FrameReader,
  frameType,
  grpcStatusOf,
  moreWindow,
  mostFrameBytes,
  opening,
  requestFrames,
  type Frame,
  type RequestFrames,
} from './http2-frames.ts'
import type { Transport } from './lane.ts'

/** Below the 100 streams that many servers allow on a connection. */
const lanesPerConnection = 64
/** The peer hears that it may send on after so many bytes. */
const windowBytes = 2 ** 20

/** @param address `host:port` */
export function grpcTransport(address: string, request: GrpcRequest): Transport {
  const body = framed(request.message)
  if (body.length > mostFrameBytes) return largeGrpcTransport(address, request)
  const frames = requestFrames(address, request.path, grpcHeaders, body)
  const connections: Connection[] = []
  let lanes = 0
  return {
    good: 'grpc 0',
    async open() {
      if (lanes++ % lanesPerConnection === 0) connections.push(new Connection(address, frames))
      const connection = connections.at(-1)
      if (connection === undefined) throw new Error('a lane needs a connection')
      await connection.opened
      return connection
    },
    close() {
      for (const connection of connections) connection.close()
    },
  }
}

type Ended = (outcome: Outcome) => void

/** Carries one call for each of its lanes at a time; all of them are this object. */
class Connection {
  readonly opened: Promise<void>
  readonly #socket: Socket
  readonly #frames: RequestFrames
  readonly #reader = new FrameReader()
  readonly #running = new Map<number, Ended>()
  /** Calls that wait until the peer takes more bytes. */
  readonly #waiting: Ended[] = []
  #stream = 1
  /** Bytes of bodies that the peer takes (RFC 9113, 6.9). */
  #sendWindow = 65_535
  #received = 0
  #isCorked = false
  #isClosed = false

  constructor(address: string, frames: RequestFrames) {
    const { hostname, port } = new URL(`http://${address}`)
    this.#frames = frames
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true })
    this.#socket.write(opening())
    this.opened = new Promise((resolve, reject) => {
      this.#socket.once('connect', resolve)
      this.#socket.once('error', reject)
    })
    this.#socket.on('data', (bytes) => this.#read(bytes))
    this.#socket.on('error', () => undefined) // a close follows
    this.#socket.on('close', () => this.#break())
  }

  send(ended: Ended): void {
    if (this.#socket.destroyed) setImmediate(ended, 'broken')
    else if (this.#sendWindow < this.#frames.bodyBytes) this.#waiting.push(ended)
    else this.#write(ended)
  }

  close(): void {
    this.#isClosed = true
    this.#socket.destroy()
  }

  /** Calls of one turn of the event loop leave in one write. */
  #write(ended: Ended): void {
    if (!this.#isCorked) {
      this.#isCorked = true
      this.#socket.cork()
      process.nextTick(() => {
        this.#isCorked = false
        this.#socket.uncork()
      })
    }
    this.#running.set(this.#stream, ended)
    this.#sendWindow -= this.#frames.bodyBytes
    this.#socket.write(this.#frames.of(this.#stream))
    this.#stream += 2
  }

  #read(bytes: Buffer): void {
    this.#reader.read(bytes, this.#take)
    if (this.#received > windowBytes) {
      this.#socket.write(moreWindow(this.#received))
      this.#received = 0
    }
  }

  readonly #take = (frame: Frame): void => {
    const { type, stream, payload, isLast } = frame
    if (type === frameType.data) this.#received += payload.length
    if (type === frameType.headers && isLast) {
      const status = grpcStatusOf(payload)
      this.#end(stream, status === undefined ? 'no status' : `grpc ${status}`)
    } else if (type === frameType.data && isLast) this.#end(stream, 'no status')
    else if (type === frameType.reset) this.#end(stream, `reset ${payload.readUInt32BE(0)}`)
    else if (type === frameType.goAway) this.#socket.destroy()
    else if (type === frameType.windowUpdate && stream === 0) this.#mayWrite(payload.readUInt32BE(0))
    else if ((type === frameType.settings || type === frameType.ping) && !frame.isAcknowledgement) {
      this.#socket.write(acknowledgement(frame))
    }
  }

  #mayWrite(bytes: number): void {
    this.#sendWindow += bytes
    while (this.#sendWindow >= this.#frames.bodyBytes) {
      const ended = this.#waiting.shift()
      if (ended === undefined) return
      this.#write(ended)
    }
  }

  #end(stream: number, outcome: Outcome): void {
    const ended = this.#running.get(stream)
    this.#running.delete(stream)
    ended?.(outcome)
  }

  #break(): void {
    if (this.#isClosed) return
    const all = [...this.#running.values(), ...this.#waiting]
    this.#running.clear()
    this.#waiting.length = 0
    for (const ended of all) ended('broken')
  }
}
