/** The ports of a group that starts over. */
import type { GroupOptions } from './group-options.ts'
import type { Addresses } from './worker-process.ts'

/** The ports that were had: where 0 was asked for, a group that starts over keeps them. */
export function portsOf(addresses: Addresses | undefined, ports: GroupOptions['ports']): GroupOptions['ports'] {
  const [http, grpc] = [addresses?.http, addresses?.grpc].map((text) => Number(/:(\d+)$/.exec(text ?? '')?.[1] ?? NaN))
  return {
    httpPort: http === undefined || Number.isNaN(http) ? ports.httpPort : http,
    ...(grpc === undefined || Number.isNaN(grpc) ? {} : { grpcPort: grpc }),
  }
}
