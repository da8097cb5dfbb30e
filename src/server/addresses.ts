/** Where a server listens, and what to say where it cannot. */
import type { Server as NetServer } from 'node:net'
import { messageOf } from '../core/errors.ts'
import type { ServeConfig } from './config.ts'

/** KServe's, and one above that of REST. */
export const defaultGrpcPort = 8081

export interface Addresses {
  /** `http://127.0.0.1:8080`, https with TLS. */
  readonly http: string
  /** `127.0.0.1:8081`; absent where gRPC is off. */
  readonly grpc?: string
  /** `unix:/mesh/grpc.sock`, `127.0.0.1:8085`; where a mesh manages models; absent without one. */
  readonly mesh?: string
}

export interface Ports {
  readonly httpPort: number
  /** The usual one where absent. */
  readonly grpcPort?: number | undefined
}

/** What is wrong, and what to do. */
export function listenFailure(reason: unknown, host: string, port: number): string {
  const code = reason instanceof Error && 'code' in reason ? reason.code : undefined
  if (code === 'EADDRINUSE') {
    return `port ${port} on ${host} is taken by another program; choose one with --http-port, or 0 for any free one`
  }
  if (code === 'EACCES') return `port ${port} on ${host} needs more rights; choose one above 1023 with --http-port`
  return `cannot listen on ${host}:${port}: ${messageOf(reason)}`
}

/** As the settings name them. */
export function portsOf({ httpPort, grpcPort }: ServeConfig): Ports {
  return grpcPort === undefined ? { httpPort } : { httpPort, grpcPort }
}

/** 0 while it does not listen. */
export function portOf(server: NetServer): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** The address that a URL on this machine can use. */
export function urlHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost'
  return host.includes(':') ? `[${host}]` : host
}
