/** Sends calls over an HTTP/2 connection as fast as the windows and frames of the peer allow (RFC 9113, 5.2). */
import type { Call } from './call.ts'
import { errorCode, flag, frameType, mostWindow, usualWindow, type FrameWriter } from './frames.ts'
import { Http2Error } from './frame-parser.ts'
import { HpackEncoder } from './hpack-encoder.ts'
import type { Peer } from './peer.ts'

export class Sender {
  readonly #writer: FrameWriter
  readonly #peer: Peer
  readonly #encoder = new HpackEncoder()
  /** Calls with bytes that the windows have kept back, the oldest first. */
  readonly #blocked = new Set<Call>()
  #window = usualWindow

  constructor(writer: FrameWriter, peer: Peer) {
    this.#writer = writer
    this.#peer = peer
  }

  /** Sends the headers of a call that has a stream, and what may be sent of its body. */
  start(call: Call): void {
    const { fixed, more } = call.request
    this.#encoder.peerTableBytes = this.#peer.tableBytes
    const block = this.#encoder.encode(fixed)
    const end = call.isSent ? flag.endStream : 0
    if (block.length + more.length <= this.#peer.frameBytes) {
      this.#writer.head(frameType.headers, flag.endHeaders | end, call.id, block.length + more.length)
      this.#writer.bytes(block)
      this.#writer.bytes(more)
    } else this.#startLarge(call, Buffer.concat([block, more]), end)
    call.sendWindow = this.#peer.window
    this.#send(call)
  }

  /** Nothing more is sent of it. */
  forget(call: Call): void {
    this.#blocked.delete(call)
  }

  /** The peer gives more room on the whole connection. @throws Http2Error where it gives too much */
  grow(bytes: number): void {
    this.#window += bytes
    if (this.#window > mostWindow) throw new Http2Error(errorCode.flowControl, 'its window grew too large')
    this.#sendBlocked()
  }

  /** The peer gives more room to one call. @returns false where it gives too much */
  growCall(call: Call, bytes: number): boolean {
    call.sendWindow += bytes
    if (call.sendWindow > mostWindow) return false
    if (!call.isSent) this.#send(call)
    return true
  }

  /** The peer has changed the windows of all calls. @throws Http2Error where one is too large by that */
  resize(calls: Iterable<Call>, by: number): void {
    for (const call of calls) {
      call.sendWindow += by
      if (call.sendWindow > mostWindow) throw new Http2Error(errorCode.flowControl, 'a window grew too large')
    }
    this.#sendBlocked()
  }

  #startLarge(call: Call, block: Buffer, end: number): void {
    const { frameBytes } = this.#peer
    for (let at = 0; at < block.length; at += frameBytes) {
      const part = block.subarray(at, at + frameBytes)
      const endHeaders = at + frameBytes >= block.length ? flag.endHeaders : 0
      if (at === 0) this.#writer.frame(frameType.headers, endHeaders | end, call.id, part)
      else this.#writer.frame(frameType.continuation, endHeaders, call.id, part)
    }
  }

  #sendBlocked(): void {
    for (const call of this.#blocked) {
      if (this.#window <= 0) return
      this.#send(call)
    }
  }

  #send(call: Call): void {
    const { body } = call.request
    for (let piece = body[call.piece]; piece !== undefined; piece = body[call.piece]) {
      const left = piece.byteLength - call.offset
      const length = Math.min(left, this.#peer.frameBytes, this.#window, call.sendWindow)
      if (length <= 0) {
        this.#blocked.add(call)
        return
      }
      const isLast = length === left && call.piece === body.length - 1
      this.#writer.head(frameType.data, isLast ? flag.endStream : 0, call.id, length)
      this.#writer.bytes(piece.subarray(call.offset, call.offset + length))
      this.#window -= length
      call.sendWindow -= length
      call.offset += length
      if (length < left) continue
      call.piece += 1
      call.offset = 0
    }
    this.#blocked.delete(call)
  }
}
