/** Requests with a `Host` of one's own, which fetch does not let one set. */
import { request } from 'node:http'

export interface Sent {
  readonly host: string
  readonly url: string
  readonly method: string
  readonly body: string
}

export interface Got {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: string
}

export function inject(origin: URL, { host, url, method, body }: Sent): Promise<Got> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = origin
    const sent = request({ hostname, port, path: url, method, headers: { host }, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      )
    })
    sent.on('error', reject)
    sent.end(method === 'GET' ? undefined : body)
  })
}
