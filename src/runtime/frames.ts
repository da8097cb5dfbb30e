/** Messages over a pipe: a prefix of fixed size, a JSON header, and a body of raw bytes that tensors are views on. */
import { InferenceError } from '../core/errors.ts'
import { alignment } from './transfer.ts'

export interface Frame {
  /** JSON. */
  readonly header: string
  /** Its own allocation, so that elements at multiples of 8 are aligned. */
  readonly body: ArrayBuffer
}

/** A word that no other writer on this pipe begins with, bytes of the header (u32), bytes of the body (f64). */
const prefixBytes = 16
const word = 0x53_52_56_42
/** Names and shapes of tensors; beyond this the pipe is damaged. */
const mostHeaderBytes = 64 * 2 ** 20
/** Smaller parts are copied into one piece: a copy is cheaper than one more entry of a vectored write. */
const smallestOwnPiece = 32_768
const zeros = new Uint8Array(alignment)

/**
 * @param parts of the body; each is followed by zeros up to a multiple of 8. Large ones are not copied
 * @returns pieces to write, in order
 */
export function encodeFrame(header: string, parts: readonly Uint8Array[] = []): Uint8Array[] {
  const headerBytes = Buffer.byteLength(header)
  const start = Buffer.allocUnsafe(prefixBytes + headerBytes)
  let bodyBytes = 0
  for (const part of parts) bodyBytes += part.byteLength + paddingAfter(part)
  start.writeUInt32LE(word, 0)
  start.writeUInt32LE(headerBytes, 4)
  start.writeDoubleLE(bodyBytes, 8)
  start.write(header, prefixBytes, 'utf8')
  return bodyBytes === 0 ? [start] : join([start, ...parts.flatMap(padded)])
}

function padded(part: Uint8Array): Uint8Array[] {
  const padding = paddingAfter(part)
  return padding === 0 ? [part] : [part, zeros.subarray(0, padding)]
}

function paddingAfter({ byteLength }: Uint8Array): number {
  return (alignment - (byteLength % alignment)) % alignment
}

function join(parts: readonly Uint8Array[]): Uint8Array[] {
  const pieces: Uint8Array[] = []
  let small: Uint8Array[] = []
  const flush = (): void => {
    if (small.length > 0) pieces.push(small.length === 1 && small[0] !== undefined ? small[0] : Buffer.concat(small))
    small = []
  }
  for (const part of parts) {
    if (part.byteLength < smallestOwnPiece) small.push(part)
    else {
      flush()
      pieces.push(part)
    }
  }
  flush()
  return pieces
}

/** Puts frames together from whatever pieces a pipe delivers. */
export class FrameReader {
  readonly #onFrame: (frame: Frame) => void
  readonly #prefix = Buffer.alloc(prefixBytes)
  #stage: 'prefix' | 'header' | 'body' = 'prefix'
  #target: Uint8Array = this.#prefix
  #filled = 0
  #bodyBytes = 0
  #header = ''

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame
  }

  /** @throws InferenceError `internal` where the bytes are no frames */
  push(chunk: Uint8Array): void {
    let offset = 0
    while (offset < chunk.byteLength) {
      const count = Math.min(chunk.byteLength - offset, this.#target.byteLength - this.#filled)
      this.#target.set(chunk.subarray(offset, offset + count), this.#filled)
      this.#filled += count
      offset += count
      while (this.#filled === this.#target.byteLength) this.#advance()
    }
  }

  #advance(): void {
    switch (this.#stage) {
      case 'prefix':
        return this.#readPrefix()
      case 'header':
        this.#header = Buffer.from(this.#target.buffer, this.#target.byteOffset, this.#target.byteLength).toString()
        return this.#await('body', Buffer.allocUnsafeSlow(this.#bodyBytes))
      case 'body': {
        const frame = { header: this.#header, body: this.#target.buffer as ArrayBuffer } // of allocUnsafeSlow
        this.#await('prefix', this.#prefix)
        return this.#onFrame(frame)
      }
    }
  }

  #readPrefix(): void {
    const headerBytes = this.#prefix.readUInt32LE(4)
    this.#bodyBytes = this.#prefix.readDoubleLE(8)
    if (this.#prefix.readUInt32LE(0) !== word || headerBytes > mostHeaderBytes || !isLength(this.#bodyBytes)) {
      throw new InferenceError('internal', 'the pipe to a process of a model was damaged')
    }
    this.#await('header', Buffer.allocUnsafe(headerBytes))
  }

  #await(stage: 'prefix' | 'header' | 'body', target: Uint8Array): void {
    this.#stage = stage
    this.#target = target
    this.#filled = 0
  }
}

function isLength(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
