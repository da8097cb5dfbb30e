/** The doors of gRPC: the one for requests, on its port and a Unix socket, and that of a mesh. */
import type { TlsKeys } from '../core/tls.ts'
import type { GrpcOptions } from '../grpc/door.ts'
import { createGrpcServer, type DrainOptions, type GrpcServer } from '../grpc/server.ts'
import { urlHost, type Addresses } from './addresses.ts'
import { openRuntime, type OpenedRuntime, type RuntimeParts } from './modelmesh/open-runtime.ts'

export class GrpcDoors {
  readonly #requests: GrpcServer | undefined
  readonly #socket: string | undefined
  readonly #mesh: OpenedRuntime | undefined

  /**
   * @param tls of the door for requests; a mesh, which is in the same pod, speaks in the clear
   * @throws InferenceError `invalid_argument` where this server cannot be a runtime of a mesh
   */
  constructor(options: Omit<GrpcOptions, 'tls'>, tls: TlsKeys | undefined, parts: RuntimeParts) {
    const { config } = parts
    this.#mesh = openRuntime(parts, options)
    this.#socket = config.grpcSocket
    if (config.enableGrpc) {
      this.#requests = createGrpcServer({ ...options, ...this.#mesh?.options, ...(tls === undefined ? {} : { tls }) })
    }
  }

  /** @throws InferenceError `failed_precondition` where an address cannot be had: nothing listens then */
  async listen(host: string, port: number): Promise<Pick<Addresses, 'grpc' | 'mesh'>> {
    try {
      const taken = await this.#requests?.listen(host, port)
      if (this.#socket !== undefined) await this.#requests?.listenAt(this.#socket)
      const grpc = taken === undefined ? undefined : `${urlHost(host)}:${taken}`
      const mesh = this.#mesh === undefined ? undefined : ((await this.#mesh.listen()) ?? grpc)
      return { ...(grpc === undefined ? {} : { grpc }), ...(mesh === undefined ? {} : { mesh }) }
    } catch (reason) {
      await this.drain(0)
      throw reason
    }
  }

  /** As {@link GrpcServer.drain}. */
  async drain(deadlineMs: number, options: DrainOptions = {}): Promise<void> {
    await Promise.all([this.#requests?.drain(deadlineMs, options), this.#mesh?.drain(deadlineMs)])
  }

  /** Ends the loads of a mesh. */
  close(): void {
    this.#mesh?.close()
  }
}
