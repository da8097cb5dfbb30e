/** How much the peer may send before anybody has consumed it (RFC 9113, 5.2). */
import type { Call } from './call.ts'
import { errorCode, frameType, usualWindow, type FrameWriter } from './frames.ts'
import { Http2Error } from './frame-parser.ts'

/** Of one call: with the 64 KiB of the standard, a tensor of 600 KB waits ten times. */
export const callWindow = 8 * 1024 * 1024
/** Of all calls together. */
const connectionWindow = 256 * 1024 * 1024

export class ReceiveWindows {
  readonly #writer: FrameWriter
  #held = 0
  #untold = 0

  constructor(writer: FrameWriter) {
    this.#writer = writer
    writer.number(frameType.windowUpdate, 0, connectionWindow - usualWindow)
  }

  /** Bytes came, of a call that is still there or not. @throws Http2Error where they are more than was allowed */
  took(call: Call | undefined, bytes: number): void {
    this.#held += bytes
    if (this.#held + this.#untold > connectionWindow)
      throw new Http2Error(errorCode.flowControl, 'it sent more than the window of the connection')
    if (call === undefined) this.#gave(bytes)
    else call.held += bytes
  }

  /** True where the peer has sent more than this call may. */
  isOver(call: Call): boolean {
    return call.held + call.untold > callWindow
  }

  /** The caller has done with bytes of its call. */
  consumed(call: Call, bytes: number): void {
    call.held -= bytes
    call.untold += bytes
    this.#gave(bytes)
    if (call.untold < callWindow / 2) return
    this.#writer.number(frameType.windowUpdate, call.id, call.untold)
    call.untold = 0
  }

  /** The call is over: what it still holds is its caller's. */
  forget(call: Call): void {
    this.#gave(call.held)
    call.held = 0
  }

  #gave(bytes: number): void {
    this.#held -= bytes
    this.#untold += bytes
    if (this.#untold < connectionWindow / 4) return
    this.#writer.number(frameType.windowUpdate, 0, this.#untold)
    this.#untold = 0
  }
}
