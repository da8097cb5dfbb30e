/** The numbers of HTTP/2 frames, and the writer of those that leave (RFC 9113, 4 and 6). */

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const
export const flag = { endStream: 1, acknowledged: 1, endHeaders: 4, padded: 8, priority: 32 } as const
export const errorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  frameSize: 6,
  refused: 7,
  cancel: 8,
  compression: 9,
  calm: 11,
} as const
export const settingName = { tableBytes: 1, push: 2, streams: 3, window: 4, frameBytes: 5, headerBytes: 6 } as const

export const headBytes = 9
/** The largest frame that every peer takes; also the largest that this one takes. */
export const usualFrameBytes = 16_384
export const mostFrameBytes = 2 ** 24 - 1
/** Of a window before anybody has said otherwise. */
export const usualWindow = 65_535
export const mostWindow = 2 ** 31 - 1
export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

const slabBytes = 65_536
/** Up to here a copy costs less than a second buffer for the socket. */
const copiedBytes = 8_192

/** Where the writer puts what leaves together. */
export type Send = (parts: readonly Buffer[]) => void

/** Turns of the event loop whose frames leave together: each brings more calls, and a turn without anything to do takes microseconds. */
export const turnsTogether = 3

/** Gathers what a few turns of the event loop write, and sends it at their end. */
export class FrameWriter {
  readonly #send: Send
  #slab = Buffer.allocUnsafeSlow(slabBytes)
  /** What lies in the slab and has not been handed on begins and ends here. */
  #from = 0
  #to = 0
  #parts: Buffer[] = []
  /** Turns until it leaves; 0 where there is nothing. */
  #turns = 0

  /** @param send told of the parts that leave together, which nobody changes any more */
  constructor(send: Send) {
    this.#send = send
  }

  head(type: number, flags: number, stream: number, length: number): void {
    const at = this.#room(headBytes)
    const slab = this.#slab
    slab[at] = length >>> 16
    slab[at + 1] = length >>> 8
    slab[at + 2] = length
    slab[at + 3] = type
    slab[at + 4] = flags
    slab.writeUInt32BE(stream, at + 5)
  }

  /** Part of a payload; large ones are sent from where they lie. */
  bytes(part: Uint8Array): void {
    const { byteLength } = part
    if (byteLength <= copiedBytes) {
      const at = this.#room(byteLength) // perhaps in another slab than before
      this.#slab.set(part, at)
      return
    }
    this.#cut()
    this.#parts.push(Buffer.from(part.buffer, part.byteOffset, byteLength))
  }

  frame(type: number, flags: number, stream: number, payload: Uint8Array): void {
    this.head(type, flags, stream, payload.byteLength)
    this.bytes(payload)
  }

  /** A frame whose payload is one number: a window update or a reset. */
  number(type: number, stream: number, value: number): void {
    this.head(type, 0, stream, 4)
    const at = this.#room(4)
    this.#slab.writeUInt32BE(value, at)
  }

  /** Sends now what has been gathered. */
  flush(): void {
    this.#turns = 0
    this.#cut()
    const parts = this.#parts
    this.#parts = []
    if (parts.length > 0) this.#send(parts)
  }

  readonly #turn = (): void => {
    if (this.#turns > 1) {
      this.#turns -= 1
      setImmediate(this.#turn)
    } else if (this.#turns === 1) this.flush()
  }

  #room(length: number): number {
    if (this.#turns === 0) {
      this.#turns = turnsTogether
      setImmediate(this.#turn)
    }
    if (this.#to + length > slabBytes) {
      this.#cut()
      this.#slab = Buffer.allocUnsafeSlow(slabBytes) // the socket may still read from the old one
      this.#from = this.#to = 0
    }
    const at = this.#to
    this.#to += length
    return at
  }

  #cut(): void {
    if (this.#to > this.#from) this.#parts.push(this.#slab.subarray(this.#from, this.#to))
    this.#from = this.#to
  }
}

/** @returns the payload of a SETTINGS frame */
export function settingsPayload(settings: readonly (readonly [name: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(settings.length * 6)
  for (const [index, [name, value]] of settings.entries()) {
    payload.writeUInt16BE(name, index * 6)
    payload.writeUInt32BE(value, index * 6 + 2)
  }
  return payload
}
