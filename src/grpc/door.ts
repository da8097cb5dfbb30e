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
import type { MeshControl } from './model-mesh.ts'
import type { MeshNames } from './model-mesh-headers.ts'
import type { MeshRuntime } from './model-runtime.ts'
import type { GrpcRefuseStatus } from './status.ts'

/** A model as the host of a call found it. */
export interface HostedModel {
  /** As callers name it. */
  readonly model: string
  /** The model that answers: another where the host names a revision. */
  readonly asked: string
}

/** The hosts of services and graphs as this door finds them. */
export interface GrpcHosts {
  /** True where no host leads to a model: none is looked up then. */
  readonly isEmpty: boolean
  /** @param host the `:authority`, with or without a port */
  atHost(host: string): HostedModel | undefined
}

/** What of a call names its model beside its message. */
export type CallPlace = Pick<GrpcContext, 'host' | 'meshName'>

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
  /** Models that have hosts of their own; none where absent. */
  readonly hosts?: GrpcHosts
  /** Calls may name their model by the metadata of ModelMesh; not read where absent. */
  readonly meshNames?: MeshNames
  /** `mmesh.ModelMesh`; no such service where absent. */
  readonly mesh?: MeshControl
  /** `mmesh.ModelRuntime`; no such service where absent. */
  readonly meshRuntime?: MeshRuntime
  /** True for models of a mesh that are here: it takes NOT_FOUND for a sign that one is not, and loads it again. */
  readonly isMeshModel?: (name: string) => boolean
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
  readonly #hosts: GrpcHosts | undefined
  readonly #meshNames: MeshNames | undefined
  readonly #isMeshModel: ((name: string) => boolean) | undefined
  readonly #drainListeners = new Set<() => void>()
  #isDraining = false

  constructor({
    dataPlane,
    log,
    metrics,
    hosts,
    mesh,
    meshNames = mesh,
    isMeshModel,
    refuseStatus = 'resource_exhausted',
  }: GrpcOptions) {
    this.#hosts = hosts
    this.#meshNames = meshNames
    this.#isMeshModel = isMeshModel
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

  /**
   * The model that a call means by a name: on the host of a service its model, which need not be named; before that the one in
   * the metadata of ModelMesh.
   *
   * @param name as the message has it; empty where it names none
   * @throws InferenceError `not_found` for a model that is not that of the host; as {@link MeshNames.nameOf}
   */
  modelAt(at: CallPlace, name: string): string {
    if (this.#meshNames !== undefined) {
      const { meshName } = at
      if (meshName !== undefined) return this.#meshNames.nameOf(meshName)
    }
    const { host } = at
    const found = host === undefined ? undefined : this.#hosts?.atHost(host)
    if (found === undefined || name === found.asked) return name
    if (name === '' || name === found.model) return found.asked
    const text = `Model with name ${name} does not exist on the host of '${found.model}'.`
    throw new InferenceError('not_found', text)
  }

  /**
   * An error as a mesh is told, and the clients of one: NOT_FOUND for nothing but a model that is not here, INTERNAL for one that
   * failed to load.
   */
  toldTo(at: CallPlace, error: InferenceError): InferenceError {
    const { code, message } = error
    if (this.#meshNames === undefined || (code !== 'not_found' && code !== 'unavailable')) return error
    const { meshName } = at
    if (meshName === undefined) return error
    if (code === 'unavailable') {
      const hasFailed = this.#meshNames.hasFailed?.(meshName) === true
      return hasFailed ? new InferenceError('internal', message, { cause: error }) : error
    }
    if (meshName.kind !== 'model' || this.#isMeshModel?.(meshName.id) !== true) return error
    return new InferenceError('invalid_argument', message, { cause: error })
  }

  /** True where {@link modelAt} can tell another name than the one given. */
  get hasHosts(): boolean {
    return this.#meshNames !== undefined || this.#hosts?.isEmpty === false
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
