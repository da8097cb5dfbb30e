/** One gRPC call with one answer. */
import type { InferenceError } from '../../src/runtime/index.ts'
import { senseless } from './errors.ts'
import type { GrpcAnswer } from './grpc-exchange.ts'
import { FrameReader } from './grpc-frames.ts'
import { Outcome } from './grpc-outcome.ts'
import type { Call, CallEvents, CallRequest, Failure } from './http2/call.ts'
import type { Http2Connection } from './http2/connection.ts'
import type { Field } from './http2/hpack-static.ts'
import type { Exchange } from './wire.ts'

export class UnaryCall implements CallEvents {
  /** After a failure: the connection was gone before the call had begun, and another may do. */
  mayMove = false
  readonly #label: string
  readonly #exchange: Exchange
  readonly #reader: FrameReader
  readonly #outcome: Outcome
  #call: Call | undefined
  #message: Buffer | undefined
  #reason: unknown
  #resolve: (answer: GrpcAnswer) => void = () => undefined
  #reject: (reason: InferenceError) => void = () => undefined

  constructor(url: string, path: string, maxBytes: number, exchange: Exchange) {
    this.#label = `${url}${path}`
    this.#exchange = exchange
    this.#reader = new FrameReader(this.#label, maxBytes)
    this.#outcome = new Outcome(url)
  }

  /** @throws UpstreamError, or why the exchange is over, which it is not yet */
  run(connection: Http2Connection, request: CallRequest): Promise<GrpcAnswer> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#call = connection.request(request, this)
      this.#exchange.onOver = () => this.#call?.cancel()
    })
  }

  head(fields: readonly Field[]): void {
    this.#outcome.add(fields)
  }

  data(bytes: Buffer): void {
    try {
      for (const message of this.#reader.push(bytes)) this.#message ??= message
      this.#call?.consumed(bytes.length)
    } catch (reason) {
      this.#reason = reason
      this.#call?.cancel()
    }
  }

  end(failure: Failure | undefined): void {
    const { over } = this.#exchange
    this.#exchange.onOver = undefined
    const error = this.#outcome.error(failure, over ?? this.#reason)
    this.mayMove = failure?.neverRan === true && failure.isGone && over === undefined
    if (error !== undefined) this.#reject(error)
    else if (this.#message === undefined || !this.#reader.isAtEnd)
      this.#reject(senseless(this.#label, 'it is no whole message'))
    else this.#resolve({ message: this.#message, headers: this.#outcome.headers })
  }
}
