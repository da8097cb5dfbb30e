/** Loads a server from this process and gives the account of it. */
import type { GrpcRequest } from '../grpc-message.ts'
import type { HttpRequest } from '../requests.ts'
import { Account, type Generated } from './account.ts'
import { arrivals } from './arrivals.ts'
import { grpcTransport } from './grpc.ts'
import { closedLoop, openLoop } from './loops.ts'
import { restTransport } from './rest.ts'

/** What is sent, and where. */
export type Target =
  | { readonly kind: 'rest'; readonly url: string; readonly request: HttpRequest }
  | { readonly kind: 'grpc'; readonly address: string; readonly request: GrpcRequest }

/** How often it is sent. */
export type Load =
  | { readonly kind: 'closed'; readonly clients: number; readonly mostRequests?: number }
  | {
      readonly kind: 'open'
      readonly process: 'poisson' | 'bursty'
      readonly perSecond: number
      readonly seed: number
      readonly mostConnections?: number
    }

export interface GenerateOptions {
  readonly target: Target
  readonly load: Load
  readonly seconds: number
  readonly sloMs?: number
}

/** More than the queue of a server holds, so that its own limit shows and not the generator's. */
const mostConnections = 2000

/** @throws Error where the server takes no connection at the start */
export async function generate({ target, load, seconds, sloMs }: GenerateOptions): Promise<Generated> {
  const transport =
    target.kind === 'rest' ? restTransport(target.url, target.request) : grpcTransport(target.address, target.request)
  try {
    switch (load.kind) {
      case 'closed': {
        const account = new Account({ good: transport.good, ...(sloMs === undefined ? {} : { sloMs }) })
        await closedLoop(transport, account, { ...load, seconds })
        return account.close(seconds)
      }
      case 'open': {
        const schedule = arrivals({ ...load, seconds })
        const account = new Account({ good: transport.good, ...(sloMs === undefined ? {} : { sloMs }) })
        await openLoop(transport, account, { mostConnections, ...load, schedule, seconds })
        return account.close(seconds)
      }
    }
  } finally {
    transport.close()
  }
}
