/** Frames that are about calls and connections instead of their bytes, checked (RFC 9113, 6). */
import { errorCode } from './frames.ts'
import { Http2Error } from './frame-parser.ts'

export function protocol(message: string): Http2Error {
  return new Http2Error(errorCode.protocol, message)
}

/** WINDOW_UPDATE. @returns the bytes; 0 only for a call, which is to be reset. @throws Http2Error */
export function readWindow(stream: number, payload: Buffer): number {
  checkSize(payload.length === 4)
  const more = payload.readUInt32BE(0) & 0x7fff_ffff
  if (more === 0 && stream === 0) throw protocol('it opened its window by nothing')
  return more
}

/** RST_STREAM. @returns the code @throws Http2Error */
export function readReset(stream: number, payload: Buffer): number {
  checkSize(payload.length === 4)
  if (stream === 0) throw protocol('a call was reset that is none')
  return payload.readUInt32BE(0)
}

/** PING. @throws Http2Error */
export function readPing(stream: number, payload: Buffer): void {
  checkSize(payload.length === 8)
  if (stream !== 0) throw protocol('a ping came to a call')
}

/** GOAWAY. @returns the last stream that the peer may have begun with @throws Http2Error */
export function readGoAway(stream: number, payload: Buffer): { readonly last: number; readonly why: string } {
  checkSize(payload.length >= 8)
  if (stream !== 0) throw protocol('it said goodbye to a call')
  const code = payload.readUInt32BE(4)
  const why = `the server goes away${code === 0 ? '' : ` with HTTP/2 code ${code}`}`
  return { last: payload.readUInt32BE(0) & 0x7fff_ffff, why }
}

function checkSize(isRight: boolean): void {
  if (!isRight) throw new Http2Error(errorCode.frameSize, 'a frame came of a size that it cannot have')
}
