/** `ModelStreamInfer`: many requests and their responses over one call. */
import type { handleBidiStreamingCall, Metadata, ServerDuplexStream } from '@grpc/grpc-js'
import { encodeGrpcStreamResponse, peekGrpcInferRequest } from '../codec/v2-grpc.ts'
import { InferenceError } from '../core/errors.ts'
import type { InferenceResponse } from '../core/inference.ts'
import { GrpcContext, nextRequestId } from './context.ts'
import { shuttingDown, type Door } from './door.ts'
import { decodeCall } from './infer-call.ts'
import { asBuffer, errorOf } from './service.ts'
import { detailsOf, statusOf } from './status.ts'

/** Requests of one stream that run at once; the next is read when one is done. */
const maxConcurrent = 64

/** True on the last response to a request, as Triton marks it. */
const finalResponse = 'triton_final_response'

export function inferStream(door: Door): handleBidiStreamingCall<Buffer, Buffer> {
  return (call) => new InferStream(door, call).start()
}

/**
 * Runs the requests of one call side by side. Answers of models that give one each keep the order of their requests;
 * responses of the others go out as they come. An error goes in the stream, unless the caller sent `triton_grpc_error`.
 */
class InferStream {
  readonly #door: Door
  readonly #call: ServerDuplexStream<Buffer, Buffer>
  readonly #endsOnError: boolean
  readonly #ended: () => void
  /** Settles when every ordered answer so far is written. */
  #turn = Promise.resolve()
  #running = 0
  #isReadToEnd = false
  /** Of the last response whose model set headers. */
  #trailer: Metadata | undefined
  #waitingForRoom: (() => void)[] = []

  constructor(door: Door, call: ServerDuplexStream<Buffer, Buffer>) {
    this.#door = door
    this.#call = call
    this.#endsOnError = call.metadata.get('triton_grpc_error')[0] === 'true'
    this.#ended = door.onDrain(() => this.#endIfDone())
  }

  start(): void {
    const call = this.#call
    call.setMaxListeners(0) // one for each request whose signal somebody holds
    call.on('data', (request: Buffer) => this.#take(request))
    call.on('end', () => {
      this.#isReadToEnd = true
      this.#endIfDone()
    })
    call.on('drain', () => this.#makeRoom())
    call.on('cancelled', () => this.#makeRoom())
    call.on('close', () => {
      this.#ended()
      this.#makeRoom()
    })
  }

  #take(request: Buffer): void {
    this.#running += 1
    if (this.#running >= maxConcurrent) this.#call.pause()
    const before = this.#turn
    let passTurn = (): void => undefined
    const done = new Promise<void>((resolve) => (passTurn = resolve))
    this.#turn = before.then(() => done)
    this.#answer(request, before, passTurn)
      .catch((reason: unknown) => this.#fail(reason, ''))
      .finally(() => {
        passTurn()
        this.#running -= 1
        if (this.#running === maxConcurrent - 1) this.#call.resume()
        this.#endIfDone()
      })
  }

  /** @param passTurn lets later requests answer: this one's responses have no order */
  async #answer(bytes: Buffer, before: Promise<void>, passTurn: () => void): Promise<void> {
    const context = new GrpcContext(this.#call, 'grpc-v2', this.#door.inFlight)
    try {
      const { request, wantsTyped, wantsFinalResponse } = decodeCall(this.#door, bytes, nextRequestId(), context)
      let only: InferenceResponse | undefined
      await this.#door.dataPlane.stream(request, context, async (response, isOnly) => {
        context.answerWith(response)
        this.#trailer = context.trailer ?? this.#trailer
        if (isOnly) only = response
        else {
          passTurn()
          await this.#write(encode(response, false, wantsTyped))
        }
      })
      if (only !== undefined) {
        await before
        await this.#write(encode(only, true, wantsTyped))
      } else if (wantsFinalResponse) {
        const { id = '', model } = request
        await this.#write(encodeGrpcStreamResponse(emptyResponse(id, { version: '', ...model })))
      }
    } catch (reason) {
      await before
      await this.#refuse(reason, context, bytes)
    } finally {
      context.release()
    }
  }

  async #refuse(reason: unknown, context: GrpcContext, bytes: Buffer): Promise<void> {
    if (this.#call.cancelled || this.#call.destroyed) return
    if (this.#endsOnError) {
      this.#fail(reason, context.requestId)
      return
    }
    const error = errorOf(this.#door.log, reason, context.requestId)
    const { id, model } = peekGrpcInferRequest(bytes)
    await this.#write(encodeGrpcStreamResponse(emptyResponse(id, model), detailsOf(error)))
  }

  /** Ends the call with the error as its status. */
  #fail(reason: unknown, requestId: string): void {
    if (this.#call.cancelled || this.#call.destroyed || this.#call.writableEnded) return
    this.#call.emit('error', statusOf(errorOf(this.#door.log, reason, requestId), this.#door.refuseStatus))
  }

  /** Writes one message; waits while the caller does not read. @throws InferenceError `cancelled` when it is gone */
  async #write(message: Uint8Array): Promise<void> {
    if (this.#call.cancelled || this.#call.writableEnded) {
      throw new InferenceError('cancelled', 'the caller ended the stream')
    }
    if (!this.#call.write(asBuffer(message))) await new Promise<void>((resolve) => this.#waitingForRoom.push(resolve))
  }

  #makeRoom(): void {
    const waiting = this.#waitingForRoom
    this.#waitingForRoom = []
    for (const resolve of waiting) resolve()
  }

  #endIfDone(): void {
    if (this.#running > 0 || this.#call.destroyed || this.#call.writableEnded) return
    if (this.#isReadToEnd) this.#call.end(this.#trailer)
    else if (this.#door.isDraining) this.#call.emit('error', statusOf(shuttingDown()))
  }
}

function encode(response: InferenceResponse, isFinal: boolean, isTyped: boolean): Uint8Array {
  return encodeGrpcStreamResponse(response, '', { isTyped, added: { [finalResponse]: isFinal } })
}

function emptyResponse(id: string, model: InferenceResponse['model']): InferenceResponse {
  return { id, model, outputs: [], parameters: { [finalResponse]: true } }
}
