/** From bytes that begin and end anywhere to HTTP/2 frames (RFC 9113, 4). */
import { InferenceError } from '../../../src/runtime/index.ts'
import { errorCode, flag, frameType, headBytes, usualFrameBytes } from './frames.ts'

/** What makes a connection unusable: the code for the peer, and what it has done. */
export class Http2Error extends InferenceError {
  /** One of {@link errorCode}. */
  readonly http2Code: number

  constructor(http2Code: number, message: string) {
    super('internal', message)
    this.http2Code = http2Code
  }
}

/** @param payload valid until the chunks that it came in are changed; of DATA perhaps not all of it: the rest comes with more calls */
export type TakeFrame = (type: number, flags: number, stream: number, payload: Buffer) => void

export class FrameParser {
  readonly #take: TakeFrame
  /** The begin of a frame that is not whole. */
  #kept: Buffer | undefined
  /** Bytes that are still to come of a DATA frame, whose stream and flags these are. */
  #dataLeft = 0
  #dataStream = 0
  #dataFlags = 0

  constructor(take: TakeFrame) {
    this.#take = take
  }

  /** @throws Http2Error for a frame larger than allowed, and what `take` throws: nothing more can be read */
  read(chunk: Buffer): void {
    let bytes = chunk
    if (this.#kept !== undefined) {
      bytes = Buffer.concat([this.#kept, chunk])
      this.#kept = undefined
    }
    let at = this.#dataLeft > 0 ? this.#data(bytes, 0) : 0
    while (at < bytes.length) {
      const next = this.#frame(bytes, at)
      if (next === undefined) {
        this.#kept = bytes.subarray(at)
        return
      }
      at = next
    }
  }

  /** @returns where the next frame begins; undefined where this one is not whole */
  #frame(bytes: Buffer, at: number): number | undefined {
    const start = at + headBytes
    if (start > bytes.length) return undefined
    const length = bytes.readUIntBE(at, 3)
    if (length > usualFrameBytes) {
      throw new Http2Error(errorCode.frameSize, `a frame of ${length} bytes came, where ${usualFrameBytes} are allowed`)
    }
    const type = bytes[at + 3] ?? 0
    const flags = bytes[at + 4] ?? 0
    const stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff
    const end = start + length
    if (end <= bytes.length) {
      this.#take(type, flags, stream, bytes.subarray(start, end))
      return end
    }
    if (type !== frameType.data || (flags & flag.padded) !== 0) return undefined
    this.#dataLeft = length
    this.#dataStream = stream
    this.#dataFlags = flags
    return start === bytes.length ? start : this.#data(bytes, start)
  }

  /** Hands on what is there of the DATA frame; its end is told with its last bytes. */
  #data(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#dataLeft)
    this.#dataLeft -= end - at
    const flags = this.#dataLeft > 0 ? this.#dataFlags & ~flag.endStream : this.#dataFlags
    this.#take(frameType.data, flags, this.#dataStream, bytes.subarray(at, end))
    return end
  }
}

/** The payload of a frame without its padding. @throws Http2Error where it has more padding than bytes */
export function unpadded(flags: number, payload: Buffer): Buffer {
  if ((flags & flag.padded) === 0) return payload
  const padding = payload[0]
  if (padding !== undefined && padding < payload.length) return payload.subarray(1, payload.length - padding)
  throw new Http2Error(errorCode.protocol, 'a frame came with more padding than bytes')
}
