/** How a server for comparison tells that it is ready: as `servable serve --log-format json` does. */

export const host = '127.0.0.1'

/** @param grpc `host:port` where it speaks gRPC */
export function announce(http: string, grpc?: string): void {
  console.log(JSON.stringify({ http, grpc, ready: true }))
}
