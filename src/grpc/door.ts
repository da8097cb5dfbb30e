/** What the gRPC door is given, and what its services share. */
import type { ErrorCode } from '../core/errors.ts'
import { Bag } from '../core/bag.ts'
import { InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import type { Log } from '../core/log.ts'
import type { TlsKeys } from '../core/tls.ts'
import type { DataPlane } from '../dataplane/dataplane.ts'
import type { GrpcContext } from './context.ts'
import type { GrpcProtocol } from './context.ts'
import type { GrpcRefuseStatus } from './status.ts'

/** The metrics as this door sees them. */
export interface GrpcMetrics {
  /** A request that was refused before the data plane saw it: a message that cannot be decoded, a server that drains. */
  countRefusal(ref: ModelRef, protocol: GrpcProtocol, verb: 'infer', code: ErrorCode): void
}

export interface GrpcOptions {
  readonly dataPlane: DataPlane
  readonly log: Log
  readonly metrics?: GrpcMetrics
  /** As ServerMetadata names this server; 'servable' where absent. */
  readonly serverName?: string
  readonly version: string
  /** Optional extensions of the protocol that work, as ServerMetadata lists them. */
  readonly extensions?: readonly string[]
  /** In the clear where absent. */
  readonly tls?: TlsKeys
  readonly limits?: {
    /** Most bytes of one message, compressed or not; -1: unlimited. 64 MiB where absent, as Triton. */
    readonly maxMessageBytes?: number
  }
  /** Of requests that a full queue or a time limit refuses; RESOURCE_EXHAUSTED where absent. */
  readonly refuseStatus?: GrpcRefuseStatus
}

/** State that every service of one server shares. */
export class Door {
  readonly dataPlane: DataPlane
  readonly log: Log
  readonly metrics: GrpcMetrics | undefined
  readonly refuseStatus: GrpcRefuseStatus
  /** Calls whose signal somebody holds. */
  readonly inFlight = new Bag<GrpcContext>()
  readonly #drainListeners = new Set<() => void>()
  #isDraining = false

  constructor({ dataPlane, log, metrics, refuseStatus = 'resource_exhausted' }: GrpcOptions) {
    this.refuseStatus = refuseStatus
    this.dataPlane = dataPlane
    this.log = log
    this.metrics = metrics
  }

  get isDraining(): boolean {
    return this.#isDraining
  }

  /** True where new requests are taken and every model is ready. */
  get isReady(): boolean {
    return !this.#isDraining && this.dataPlane.isReady
  }

  /** Refuses new work from here on. */
  drain(): void {
    this.#isDraining = true
    for (const listener of this.#drainListeners) listener()
  }

  /** Fires the signal of every running call: the deadline of a drain. */
  abortAll(): void {
    for (const context of this.inFlight) context.abort(shuttingDown())
  }

  /** Tells when draining begins. @returns ends the telling */
  onDrain(listener: () => void): () => void {
    this.#drainListeners.add(listener)
    return () => this.#drainListeners.delete(listener)
  }

  /** @throws InferenceError `unavailable` while draining */
  refuseWhileDraining(): void {
    if (this.#isDraining) throw shuttingDown()
  }
}

export function shuttingDown(): InferenceError {
  return new InferenceError('unavailable', 'Server is shutting down.')
}
