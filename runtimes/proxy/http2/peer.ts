/** What the server of an HTTP/2 connection has said of itself, and how much it may say for nothing. */
import { errorCode, mostFrameBytes, mostWindow, settingName, usualFrameBytes, usualWindow } from './frames.ts'
import { Http2Error } from './frame-parser.ts'
import { usualTableBytes } from './hpack-static.ts'

/** Frames in a second that help no call (pings, settings, resets, empty data): no server that works sends so many. */
const mostIdleFrames = 10_000

export class Peer {
  /** Calls at once: as many as one likes, unless it says otherwise. */
  mostCalls = Infinity
  window = usualWindow
  frameBytes = usualFrameBytes
  tableBytes = usualTableBytes
  /** True once it has said anything: before that none of its limits is known. */
  isKnown = false
  #idleFrames = 0
  #idleSince = -Infinity

  /** @throws Http2Error for values that no setting may have (RFC 9113, 6.5.2) */
  take(payload: Buffer): void {
    if (payload.length % 6 !== 0) throw new Http2Error(errorCode.frameSize, 'settings came that are cut off')
    for (let at = 0; at < payload.length; at += 6) {
      const name = payload.readUInt16BE(at)
      const value = payload.readUInt32BE(at + 2)
      if (name === settingName.streams) this.mostCalls = value
      else if (name === settingName.tableBytes) this.tableBytes = value
      else if (name === settingName.window) {
        if (value > mostWindow) throw new Http2Error(errorCode.flowControl, `it set its window to ${value}`)
        this.window = value
      } else if (name === settingName.frameBytes) {
        if (value < usualFrameBytes || value > mostFrameBytes)
          throw new Http2Error(errorCode.protocol, `it set the size of frames to ${value}`)
        this.frameBytes = value
      }
    }
    this.isKnown = true
  }

  /** Counts a frame that helps no call. @throws Http2Error where there are too many */
  idleFrame(): void {
    const now = performance.now()
    if (now - this.#idleSince > 1000) {
      this.#idleSince = now
      this.#idleFrames = 0
    }
    this.#idleFrames += 1
    if (this.#idleFrames > mostIdleFrames)
      throw new Http2Error(errorCode.calm, `more than ${mostIdleFrames} frames a second came that mean nothing`)
  }
}
