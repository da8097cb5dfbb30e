/** How a server for comparison tells that it is ready: as `servable serve --log-format json` does. */

export const host = '127.0.0.1'

export function announce(http: string): void {
  console.log(JSON.stringify({ http, ready: true }))
}
