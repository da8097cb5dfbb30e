/** How messages lie in the bytes of a gRPC call, and what its last headers say. */
import { errorOfGrpc } from '../../src/codec/index.ts'
import { InferenceError } from '../../src/runtime/index.ts'
import { senseless } from './errors.ts'
import type { Headers } from './wire.ts'

/** One byte that tells of compression, four of the length. */
const prefixBytes = 5

/** Up to here a copy costs less than a second piece. */
const joinedBytes = 4_096

/** @returns the message behind its prefix, in pieces; large ones are not copied */
export function framed(message: Uint8Array): readonly Uint8Array[] {
  const { byteLength } = message
  const isJoined = byteLength <= joinedBytes
  const prefix = Buffer.allocUnsafe(isJoined ? prefixBytes + byteLength : prefixBytes)
  prefix[0] = 0
  prefix.writeUInt32BE(byteLength, 1)
  if (!isJoined) return [prefix, message]
  prefix.set(message, prefixBytes)
  return [prefix]
}

/** Puts messages together from chunks that begin and end anywhere. */
export class FrameReader {
  readonly #label: string
  readonly #maxBytes: number
  #chunks: Buffer[] = []
  #length = 0

  constructor(label: string, maxBytes: number) {
    this.#label = label
    this.#maxBytes = maxBytes
  }

  /** True where every message that began is complete. */
  get isAtEnd(): boolean {
    return this.#length === 0
  }

  /** @throws UpstreamError where a message is too large or compressed */
  push(chunk: Buffer): readonly Buffer[] {
    if (this.#length === 0 && this.#isOne(chunk)) return [chunk.subarray(prefixBytes)]
    this.#chunks.push(chunk)
    this.#length += chunk.byteLength
    const messages: Buffer[] = []
    for (let message = this.#take(); message !== undefined; message = this.#take()) messages.push(message)
    return messages
  }

  /** True for a chunk that is one message, as most are. */
  #isOne(chunk: Buffer): boolean {
    const { byteLength } = chunk
    if (byteLength < prefixBytes || byteLength > this.#maxBytes || chunk[0] !== 0) return false
    return chunk.readUInt32BE(1) === byteLength - prefixBytes
  }

  #take(): Buffer | undefined {
    if (this.#length < prefixBytes) return undefined
    let [first = Buffer.alloc(0)] = this.#chunks
    if (first.byteLength < prefixBytes) first = this.#join()
    if (first[0] !== 0) throw senseless(this.#label, 'the message is compressed, which nobody has asked for')
    const end = prefixBytes + first.readUInt32BE(1)
    if (end - prefixBytes > this.#maxBytes) {
      throw senseless(this.#label, `it has more than the ${this.#maxBytes} bytes of max_response_bytes`)
    }
    if (this.#length < end) return undefined
    const all = this.#join()
    const rest = all.subarray(end)
    this.#chunks = rest.byteLength > 0 ? [rest] : []
    this.#length = rest.byteLength
    return all.subarray(prefixBytes, end)
  }

  #join(): Buffer {
    const [first] = this.#chunks
    if (first !== undefined && this.#chunks.length === 1) return first
    const all = Buffer.concat(this.#chunks, this.#length)
    this.#chunks = [all]
    return all
  }
}

/**
 * What the last headers of a call say.
 *
 * @returns undefined where it worked
 */
export function errorIn(trailers: Headers, url: string): InferenceError | undefined {
  const status = trailers['grpc-status']
  if (status === undefined) return new InferenceError('internal', `${url} ended the call without a gRPC status`)
  if (status === '0') return undefined
  const details = unescaped(trailers['grpc-message'] ?? '')
  const failed = Object.assign(new Error(details), {
    code: Number(status),
    details,
    metadata: { get: (name: string) => [trailers[name]].filter((value) => value !== undefined) },
  })
  return errorOfGrpc(failed, url)
}

/** Percent-encoded UTF-8, as the protocol has it; what is no such thing stays as it is. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
