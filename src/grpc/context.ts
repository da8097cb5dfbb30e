/** What travels beside one gRPC call: its id, its metadata and its signal, each made when it is asked for. */
import { Metadata, type ServerUnaryCall } from '@grpc/grpc-js'
import { randomBytes } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import type { Bag } from '../core/bag.ts'
import { InferenceError } from '../core/errors.ts'
import type { InferenceResponse, RequestContext } from '../core/inference.ts'
import { revisionHeader } from '../dataplane/response-headers.ts'
import { meshNameOf, type MeshName } from './model-mesh-headers.ts'
import { trailerOf } from './trailer.ts'
import { giveBackController, takeController, type SpareController } from '../scheduling/spare-controllers.ts'

/** Unique among servers, so that ids stay apart where logs are gathered. */
const idPrefix = randomBytes(6).toString('hex')
let idCounter = 0

/** What grpc-js hands to a handler of any kind. */
export type ServerCall = Pick<ServerUnaryCall<Buffer, Buffer>, 'metadata' | 'cancelled' | 'getDeadline' | 'getHost'> &
  EventEmitter

/** The protocols that travel by gRPC. */
export type GrpcProtocol = 'grpc-v1' | 'grpc-v2'

export class GrpcContext implements RequestContext {
  readonly requestId: string
  readonly protocol: GrpcProtocol
  readonly #call: ServerCall
  readonly #inFlight: Bag<GrpcContext> | undefined
  #place: number | undefined
  #headers: Record<string, string> | undefined
  #spare: SpareController | undefined
  #isReleased = false
  #trailer: Metadata | undefined
  #revision: string | undefined

  /** @param inFlight holds this context from the moment that somebody asks for its signal until `release` */
  constructor(call: ServerCall, protocol: GrpcProtocol = 'grpc-v2', inFlight?: Bag<GrpcContext>) {
    this.#call = call
    this.#inFlight = inFlight
    this.protocol = protocol
    this.requestId = given(call.metadata) ?? nextRequestId()
  }

  /** Fires when the caller cancels or goes away, when its deadline passes, and when a drain's does. */
  get signal(): AbortSignal {
    if (this.#spare === undefined) {
      this.#spare = takeController()
      if (this.#call.cancelled && !this.#isReleased) this.#onCancelled()
      else if (!this.#isReleased) {
        this.#call.on('cancelled', this.#onCancelled)
        this.#place = this.#inFlight?.add(this)
      }
    }
    return this.#spare.controller.signal
  }

  get isAborted(): boolean {
    return this.#spare === undefined ? this.#call.cancelled : this.#spare.controller.signal.aborted
  }

  /** grpc-js cancels the call then. */
  get deadline(): number | undefined {
    const deadline = Number(this.#call.getDeadline()) // a Date, or milliseconds since 1970
    return deadline === Infinity ? undefined : performance.now() + deadline - Date.now()
  }

  /** The `:authority` that the caller named, with or without a port; undefined where it named none. */
  get host(): string | undefined {
    return this.#call.getHost()
  }

  /** The model that the metadata names as ModelMesh does. @throws InferenceError as {@link meshNameOf} */
  get meshName(): MeshName | undefined {
    return meshNameOf(this.#call.metadata)
  }

  /** Metadata by name; the first value where there are several, base64 where it is binary. */
  get headers(): Readonly<Record<string, string>> {
    if (this.#headers === undefined) {
      this.#headers = {}
      for (const [name, value] of Object.entries(this.#call.metadata.getMap())) {
        this.#headers[name] = typeof value === 'string' ? value : value.toString('base64')
      }
    }
    return this.#headers
  }

  /** What the answer brings after its message; nothing where no model set a header, nor has revisions. */
  get trailer(): Metadata | undefined {
    if (this.#revision !== undefined) this.addRevision((this.#trailer ??= new Metadata()))
    return this.#trailer
  }

  answersAs(revision: string): void {
    this.#revision = revision
  }

  /** Tells which revision was asked, where the model has revisions. */
  addRevision(metadata: Metadata): void {
    if (this.#revision !== undefined) metadata.set(revisionHeader, this.#revision)
  }

  /** Takes the headers of a response into the trailer. @throws InferenceError `internal` where none can carry them */
  answerWith({ headers }: Pick<InferenceResponse, 'headers'>): void {
    if (headers !== undefined) this.#trailer = trailerOf(headers)
  }

  /** Fires the signal, where somebody holds it. */
  abort(reason: InferenceError): void {
    this.#spare?.controller.abort(reason)
  }

  /** The answer is sent: nothing fires from here on. */
  release(): void {
    if (this.#isReleased) return
    this.#isReleased = true
    if (this.#spare === undefined) return
    this.#call.removeListener('cancelled', this.#onCancelled)
    if (this.#place !== undefined) this.#inFlight?.take(this.#place)
    giveBackController(this.#spare)
    this.#spare = undefined // it may belong to another request by now
  }

  readonly #onCancelled = (): void => {
    this.#spare?.controller.abort(cancellation(this.#call))
  }
}

function given(metadata: Metadata): string | undefined {
  const [value] = metadata.get('x-request-id')
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** A timer may fire within the millisecond before its time. */
const timerSlackMs = 1

function cancellation(call: ServerCall): InferenceError {
  return Number(call.getDeadline()) - Date.now() <= timerSlackMs
    ? new InferenceError('deadline_exceeded', 'the deadline of the request passed')
    : new InferenceError('cancelled', 'the caller cancelled the request')
}

/** An id unique to this process's run: cheap enough for every request. */
export function nextRequestId(): string {
  idCounter += 1
  return `${idPrefix}-${idCounter.toString(36)}`
}
