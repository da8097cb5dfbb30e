/** As much of HTTP/2 as a client needs that sends one small request again and again. */

export const frameType = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const
const endStream = 1
const acknowledged = 1
const endHeaders = 4
const headBytes = 9
/** The largest frame that every peer takes (RFC 9113, 4.2). */
export const mostFrameBytes = 16_384

export interface Frame {
  readonly type: number
  readonly stream: number
  readonly payload: Buffer
  /** The last one of its stream. */
  readonly isLast: boolean
  /** Of settings and pings: an answer to one. */
  readonly isAcknowledgement: boolean
}

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(headBytes + payload.byteLength)
  bytes.writeUIntBE(payload.byteLength, 0, 3)
  bytes[3] = type
  bytes[4] = flags
  bytes.writeUInt32BE(stream, 5)
  bytes.set(payload, headBytes)
  return bytes
}

/** What a peer may send before it hears more: all of it, for as long as a run lasts. */
const window = 2 ** 31 - 1
const usualWindow = 65_535

/** What opens a connection. Header fields come without a table (RFC 7541, 4.2): they can be read one by one. */
export function opening(): Buffer {
  const settings = Buffer.alloc(18)
  const fields = [
    [1, 0], // SETTINGS_HEADER_TABLE_SIZE
    [2, 0], // SETTINGS_ENABLE_PUSH
    [4, window], // SETTINGS_INITIAL_WINDOW_SIZE
  ] as const
  for (const [index, [name, value]] of fields.entries()) {
    settings.writeUInt16BE(name, index * 6)
    settings.writeUInt32BE(value, index * 6 + 2)
  }
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  return Buffer.concat([preface, frame(frameType.settings, 0, 0, settings), moreWindow(window - usualWindow)])
}

/** Lets the peer send so many bytes more over the connection. */
export function moreWindow(bytes: number): Buffer {
  const payload = Buffer.alloc(4)
  payload.writeUInt32BE(bytes)
  return frame(frameType.windowUpdate, 0, 0, payload)
}

/** The answer to a frame of settings or to a ping. */
export function acknowledgement({ type, payload }: Frame): Buffer {
  return frame(type, acknowledged, 0, type === frameType.ping ? payload : new Uint8Array())
}

/** Makes a request of the same bytes for any stream. */
export interface RequestFrames {
  /** Bytes of the body. */
  readonly bodyBytes: number
  /** @param stream odd, larger than any before */
  of(stream: number): Buffer
}

/** A POST with its body. @param body at most {@link mostFrameBytes} */
export function requestFrames(
  authority: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array,
): RequestFrames {
  const fields = [
    Buffer.of(0x83, 0x86), // :method POST, :scheme http, from the static table
    field(':path', path),
    field(':authority', authority),
    ...Object.entries(headers).map(([name, value]) => field(name, value)),
  ]
  const head = frame(frameType.headers, endHeaders, 0, Buffer.concat(fields))
  const bytes = Buffer.concat([head, frame(frameType.data, endStream, 0, body)])
  return {
    bodyBytes: body.byteLength,
    of(stream) {
      const copy = Buffer.allocUnsafe(bytes.length)
      bytes.copy(copy)
      copy.writeUInt32BE(stream, 5)
      copy.writeUInt32BE(stream, head.length + 5)
      return copy
    },
  }
}

/** A literal field without indexing. */
function field(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0), literal(name), literal(value)])
}

/** @param text shorter than 127 bytes: its length is one byte */
function literal(text: string): Buffer {
  const bytes = Buffer.from(text)
  if (bytes.length >= 127) throw new Error(`'${text}' is too long for a header field of the load generator`)
  return Buffer.concat([Buffer.of(bytes.length), bytes])
}

/** Parts what comes over one connection into frames. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  /** @param bytes kept until they make a whole frame @param take is called with every frame that they end */
  read(bytes: Buffer, take: (frame: Frame) => void): void {
    let left = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    while (left.length >= headBytes) {
      const end = headBytes + left.readUIntBE(0, 3)
      if (left.length < end) break
      const [type = 0, flags = 0] = left.subarray(3, 5)
      take({
        type,
        stream: left.readUInt32BE(5) & 0x7fff_ffff,
        payload: left.subarray(headBytes, end),
        isLast: (type === frameType.data || type === frameType.headers) && (flags & endStream) !== 0,
        isAcknowledgement: (flags & acknowledged) !== 0,
      })
      left = left.subarray(end)
    }
    this.#rest = left
  }
}

/** `grpc-status` by its Huffman code (RFC 7541, appendix B) and as it is, each behind its length. */
const statusNames = [Buffer.from('889acac8b21234da8f', 'hex'), Buffer.from('\x0bgrpc-status')]

/** The gRPC status among header fields that were written without a table. */
export function grpcStatusOf(fields: Buffer): number | undefined {
  for (const name of statusNames) {
    const at = fields.indexOf(name)
    if (at < 0) continue
    const start = at + name.length
    const length = fields[start] ?? 0 // one or two digits are never shorter by their Huffman codes
    return Number(fields.toString('latin1', start + 1, start + 1 + length))
  }
  return undefined
}
