/** The client's side of one HTTP/2 connection (RFC 9113): calls whose requests are known whole. */
import type { Duplex } from 'node:stream'
import { InferenceError } from '../../../src/runtime/index.ts'
import { Call, gone, never, type CallEvents, type CallOwner, type CallRequest, type Failure } from './call.ts'
import { protocol, readGoAway, readPing, readReset, readWindow } from './control-frames.ts'
import { FrameParser, Http2Error, unpadded } from './frame-parser.ts'
import { errorCode, flag, frameType, FrameWriter, mostWindow, preface, settingName, settingsPayload } from './frames.ts'
import { HeaderBlocks, mostHeaderBytes, type HeaderBlock } from './header-blocks.ts'
import { KeepAlive } from './keep-alive.ts'
import { Peer } from './peer.ts'
import { callWindow, ReceiveWindows } from './receive-windows.ts'
import { Sender } from './sender.ts'

/** Calls that wait until the peer takes more of them. */
const mostWaiting = 4096
/** Answers to the peer's pings and settings that it does not read. */
const mostUnread = 10_000

const noBytes = Buffer.alloc(0)
const settings = settingsPayload([
  [settingName.push, 0],
  [settingName.window, callWindow],
  [settingName.headerBytes, mostHeaderBytes],
])

export interface ConnectionEvents {
  /** The peer has told its limits: calls may begin. */
  ready(): void
  /** Once: no more calls are taken. @param why not, where the peer has closed it or done wrong */
  lost(why: string): void
}

export class Http2Connection implements CallOwner {
  readonly #socket: Duplex
  readonly #events: ConnectionEvents
  readonly #writer: FrameWriter
  readonly #peer = new Peer()
  readonly #sender: Sender
  readonly #windows: ReceiveWindows
  readonly #blocks = new HeaderBlocks()
  readonly #keepAlive: KeepAlive
  /** By stream. */
  readonly #calls = new Map<number, Call>()
  readonly #waiting = new Set<Call>()
  #nextId = 1
  /** Streams from here on have not left this process. */
  #unsentId = 1
  #unread = 0
  #isEnding = false
  #isClosed = false

  /** @param socket connected; the connection is its only user from here on */
  constructor(socket: Duplex, events: ConnectionEvents) {
    this.#socket = socket
    this.#events = events
    this.#writer = new FrameWriter((parts) => this.#leave(parts))
    this.#writer.bytes(preface)
    this.#writer.frame(frameType.settings, 0, 0, settings)
    this.#sender = new Sender(this.#writer, this.#peer)
    this.#windows = new ReceiveWindows(this.#writer)
    this.#keepAlive = new KeepAlive({
      isBusy: () => this.#calls.size > 0,
      ping: () => this.#writer.frame(frameType.ping, 0, 0, Buffer.alloc(8)),
      dead: (why) => this.#break(why),
    })
    const parser = new FrameParser((type, flags, stream, payload) => this.#take(type, flags, stream, payload))
    socket.on('data', (bytes: Buffer) => this.#read(parser, bytes))
    socket.on('error', (reason: Error) => this.#break(reason.message))
    socket.on('end', () => this.#break('the connection was closed'))
    socket.on('close', () => this.#break('the connection was closed'))
  }

  /** When the peer was heard last, by `performance.now`. */
  get heardAt(): number {
    return this.#keepAlive.heardAt
  }

  /** Sends a call, or lets it wait until the peer takes one more. Events come later, never before this returns. */
  request(request: CallRequest, events: CallEvents): Call {
    const call = new Call(this, request, events)
    if (this.#isEnding) process.nextTick(() => events.end(gone('the connection was closed', true)))
    else if (this.#calls.size < this.#peer.mostCalls) this.#start(call)
    else if (this.#waiting.size < mostWaiting) this.#waiting.add(call)
    else process.nextTick(() => events.end(never('too many calls wait for the connection')))
    return call
  }

  cancel(call: Call): void {
    if (this.#waiting.delete(call)) call.events.end(never('cancelled'))
    else this.#reset(call, errorCode.cancel, 'cancelled')
  }

  consumed(call: Call, bytes: number): void {
    if (this.#calls.get(call.id) === call) this.#windows.consumed(call, bytes)
  }

  /** Takes no more calls, and ends with the last of those that are under way. */
  retire(why: string): void {
    this.#end(why)
    if (this.#calls.size === 0) this.#break(why)
  }

  close(): void {
    this.#break('the connection was closed')
  }

  #leave(parts: readonly Buffer[]): void {
    this.#unsentId = this.#nextId
    if (this.#isClosed) return
    const unread = this.#unread
    const done = unread === 0 ? undefined : () => void (this.#unread -= unread)
    if (parts.length > 1) this.#socket.cork()
    for (const [index, part] of parts.entries()) this.#socket.write(part, index === parts.length - 1 ? done : undefined)
    if (parts.length > 1) this.#socket.uncork()
  }

  #start(call: Call): void {
    call.id = this.#nextId
    this.#nextId += 2
    this.#calls.set(call.id, call)
    if (this.#calls.size === 1) this.#keepAlive.began()
    this.#sender.start(call)
    if (this.#nextId > mostWindow - 2) this.#end('its numbers are used up')
  }

  #read(parser: FrameParser, bytes: Buffer): void {
    if (this.#isClosed) return
    this.#keepAlive.heard()
    try {
      parser.read(bytes)
    } catch (reason) {
      const error = InferenceError.from(reason)
      this.#quit(error instanceof Http2Error ? error.http2Code : errorCode.internal, error.message)
    }
  }

  #take(type: number, flags: number, stream: number, payload: Buffer): void {
    if (this.#isClosed) return
    if (!this.#peer.isKnown && type !== frameType.settings) throw protocol('it does not begin with its settings')
    if (this.#blocks.isWithin && type !== frameType.continuation) throw protocol('a block of headers was interrupted')
    switch (type) {
      case frameType.data:
        return this.#takeData(flags, stream, payload)
      case frameType.headers:
      case frameType.continuation: {
        if (stream >= this.#nextId || stream % 2 === 0) throw protocol('an answer came to no call')
        const block = this.#blocks.take(type, flags, stream, payload)
        return block === undefined ? undefined : this.#takeBlock(block)
      }
      case frameType.windowUpdate:
        return this.#takeWindow(stream, payload)
      case frameType.reset:
        return this.#takeReset(stream, payload)
      case frameType.settings:
        return this.#takeSettings(flags, stream, payload)
      case frameType.ping:
        return this.#takePing(flags, stream, payload)
      case frameType.goAway:
        return this.#takeGoAway(stream, payload)
      case frameType.push:
        throw protocol('it pushes, which it was told not to')
      default:
        this.#peer.idleFrame() // PRIORITY, and what is not known, mean nothing
    }
  }

  #takeData(flags: number, stream: number, payload: Buffer): void {
    if (stream >= this.#nextId || stream % 2 === 0) throw protocol('data came to no call')
    const isLast = (flags & flag.endStream) !== 0
    if (payload.length === 0 && !isLast) this.#peer.idleFrame()
    const bytes = unpadded(flags, payload)
    const call = this.#calls.get(stream)
    this.#windows.took(call, payload.length)
    if (call === undefined) return
    if (!call.hasHead) return this.#reset(call, errorCode.protocol, 'data came before headers')
    if (this.#windows.isOver(call)) return this.#reset(call, errorCode.flowControl, 'more data came than allowed')
    if (bytes.length < payload.length) this.consumed(call, payload.length - bytes.length)
    if (bytes.length > 0) call.events.data(bytes)
    if (isLast) this.#answered(call)
  }

  #takeBlock({ stream, isLast, fields }: HeaderBlock): void {
    const call = this.#calls.get(stream)
    if (call === undefined) return this.#peer.idleFrame()
    if (call.hasHead ? !isLast : fields[0]?.[0] !== ':status')
      return this.#reset(call, errorCode.protocol, 'headers came that make no sense')
    if (!isLast && fields[0]?.[1].startsWith('1') === true) return this.#peer.idleFrame() // the answer is still to come
    call.hasHead = true
    call.events.head(fields)
    if (isLast) this.#answered(call)
  }

  #takeWindow(stream: number, payload: Buffer): void {
    const more = readWindow(stream, payload)
    if (stream === 0) return this.#sender.grow(more)
    const call = this.#calls.get(stream)
    if (call === undefined) return
    if (more === 0) this.#reset(call, errorCode.protocol, 'its window was opened by nothing')
    else if (!this.#sender.growCall(call, more)) this.#reset(call, errorCode.flowControl, 'its window grew too large')
  }

  #takeReset(stream: number, payload: Buffer): void {
    const code = readReset(stream, payload)
    if (stream >= this.#nextId) throw protocol('a call was reset that is none')
    const call = this.#calls.get(stream)
    if (call === undefined) return this.#peer.idleFrame()
    const failure = {
      message: `the call was reset with HTTP/2 code ${code}`,
      neverRan: code === errorCode.refused,
      isGone: false,
    }
    this.#finish(call, code === errorCode.calm ? { ...failure, isBusy: true } : failure)
  }

  #takeSettings(flags: number, stream: number, payload: Buffer): void {
    if (stream !== 0) throw protocol('settings came to a call')
    this.#peer.idleFrame()
    if ((flags & flag.acknowledged) !== 0) return
    const { window, isKnown } = this.#peer
    this.#peer.take(payload)
    this.#reply(frameType.settings, noBytes)
    this.#sender.resize(this.#calls.values(), this.#peer.window - window)
    if (!isKnown) this.#events.ready()
    this.#startWaiting()
  }

  #takePing(flags: number, stream: number, payload: Buffer): void {
    readPing(stream, payload)
    this.#peer.idleFrame()
    if ((flags & flag.acknowledged) === 0) this.#reply(frameType.ping, payload)
  }

  #takeGoAway(stream: number, payload: Buffer): void {
    const { last, why } = readGoAway(stream, payload)
    this.#end(why)
    for (const call of [...this.#calls.values()]) if (call.id > last) this.#finish(call, gone(why, true))
    if (this.#calls.size === 0) this.#break(why)
  }

  /** Acknowledges. */
  #reply(type: number, payload: Buffer): void {
    this.#unread += 1
    if (this.#unread > mostUnread) throw new Http2Error(errorCode.calm, 'it does not read what it is answered')
    this.#writer.frame(type, flag.acknowledged, 0, payload)
  }

  /** The peer is done; where it did not wait for the whole request, it wants no more of it. */
  #answered(call: Call): void {
    if (!call.isSent) this.#writer.number(frameType.reset, call.id, errorCode.cancel)
    this.#finish(call, undefined)
  }

  #reset(call: Call, code: number, message: string): void {
    if (this.#calls.get(call.id) !== call) return
    this.#writer.number(frameType.reset, call.id, code)
    this.#finish(call, { message, neverRan: false, isGone: false })
  }

  #finish(call: Call, failure: Failure | undefined): void {
    if (!this.#calls.delete(call.id)) return
    this.#sender.forget(call)
    this.#windows.forget(call)
    call.events.end(failure)
    if (this.#waiting.size > 0) this.#startWaiting()
    if (this.#isEnding && this.#calls.size === 0) this.#break('the connection was closed')
  }

  #startWaiting(): void {
    for (const call of this.#waiting) {
      if (this.#calls.size >= this.#peer.mostCalls || this.#isEnding) return
      this.#waiting.delete(call)
      this.#start(call)
    }
  }

  #end(why: string): void {
    if (this.#isEnding) return
    this.#isEnding = true
    this.#events.lost(why)
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const call of waiting) call.events.end(gone(why, true))
  }

  /** Tells the peer what it has done wrong, and ends. */
  #quit(code: number, why: string): void {
    const payload = Buffer.alloc(8)
    payload.writeUInt32BE(code, 4)
    this.#writer.frame(frameType.goAway, 0, 0, payload)
    this.#writer.flush()
    this.#break(`it broke the rules of HTTP/2: ${why}`)
  }

  #break(why: string): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#end(why)
    this.#keepAlive.close()
    this.#socket.destroy()
    const calls = [...this.#calls.values()]
    this.#calls.clear()
    for (const call of calls) call.events.end(gone(why, call.id >= this.#unsentId))
  }
}
