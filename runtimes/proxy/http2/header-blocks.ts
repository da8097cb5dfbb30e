/** Puts blocks of headers together that come in several frames (RFC 9113, 6.2 and 6.10), and reads them. */
import { errorCode, flag, frameType } from './frames.ts'
import { Http2Error, unpadded } from './frame-parser.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import type { Field } from './hpack-static.ts'

/** The most that an answer's headers may have, as the peer is told. */
export const mostHeaderBytes = 64 * 1024
/** Frames of one block: a peer that needs more sends empty ones. */
const mostFrames = 64

export interface HeaderBlock {
  readonly stream: number
  readonly isLast: boolean
  readonly fields: readonly Field[]
}

export class HeaderBlocks {
  readonly #decoder = new HpackDecoder(mostHeaderBytes)
  #parts: Buffer[] = []
  #length = 0
  #stream = 0
  #isLast = false

  /** True where nothing but the rest of a block may come. */
  get isWithin(): boolean {
    return this.#stream !== 0
  }

  /**
   * Takes a frame HEADERS or CONTINUATION.
   *
   * @returns the block, where this is its end
   * @throws Http2Error where it is none, or too large
   */
  take(type: number, flags: number, stream: number, payload: Buffer): HeaderBlock | undefined {
    if (type === frameType.continuation) {
      if (stream !== this.#stream || stream === 0) throw outOfPlace()
      this.#parts.push(payload)
    } else {
      if (this.isWithin || stream === 0) throw outOfPlace()
      this.#stream = stream
      this.#isLast = (flags & flag.endStream) !== 0
      this.#parts.push(withoutPriority(flags, unpadded(flags, payload)))
    }
    this.#length += payload.length
    if (this.#length > mostHeaderBytes || this.#parts.length > mostFrames) {
      throw new Http2Error(
        errorCode.calm,
        `headers came with more than ${mostHeaderBytes} bytes or ${mostFrames} frames`,
      )
    }
    return (flags & flag.endHeaders) === 0 ? undefined : this.#finish()
  }

  #finish(): HeaderBlock {
    const [first = Buffer.alloc(0)] = this.#parts
    const bytes = this.#parts.length === 1 ? first : Buffer.concat(this.#parts)
    const block = { stream: this.#stream, isLast: this.#isLast, fields: this.#decoder.decode(bytes) }
    this.#parts = []
    this.#length = this.#stream = 0
    return block
  }
}

function withoutPriority(flags: number, payload: Buffer): Buffer {
  if ((flags & flag.priority) === 0) return payload
  if (payload.length < 5) throw new Http2Error(errorCode.frameSize, 'headers came with a priority that is cut off')
  return payload.subarray(5)
}

function outOfPlace(): Http2Error {
  return new Http2Error(errorCode.protocol, 'headers came where none may come')
}
