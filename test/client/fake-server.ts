/** A server that answers as a test says: foreign model servers, slow ones, broken ones. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Call {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface Answer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** JSON unless it is text or bytes. */
  readonly body?: unknown
  /** The socket is closed after the body, whatever length was promised. */
  readonly isCut?: boolean
}

/** `hang`: no answer ever. `close`: the socket is closed without one. */
export type Reaction = Answer | 'hang' | 'close'

export interface FakeServer {
  readonly url: string
  readonly calls: readonly Call[]
  close(): Promise<void>
}

export async function fakeServer(react: (call: Call, index: number) => Reaction): Promise<FakeServer> {
  const calls: Call[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      const call = { method, path: url, headers, body: Buffer.concat(chunks) }
      calls.push(call)
      const reaction = react(call, calls.length - 1)
      if (reaction === 'hang') return
      if (reaction === 'close') {
        request.socket.destroy()
        return
      }
      const { status = 200, body = '' } = reaction
      response.writeHead(status, reaction.headers)
      const bytes = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
      if (reaction.isCut === true) response.write(bytes, () => request.socket.destroy())
      else response.end(bytes)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // a TCP server has no other kind
  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export const irisMetadata = {
  name: 'iris',
  versions: ['1', '2'],
  platform: 'onnxruntime_onnx',
  inputs: [{ name: 'X', datatype: 'FP32', shape: [-1, 4] }],
  outputs: [
    { name: 'label', datatype: 'INT64', shape: [-1] },
    { name: 'probabilities', datatype: 'FP32', shape: [-1, 3] },
  ],
}

export const irisAnswer = {
  model_name: 'iris',
  model_version: '2',
  outputs: [
    { name: 'label', datatype: 'INT64', shape: [1], data: [0] },
    { name: 'probabilities', datatype: 'FP32', shape: [1, 3], data: [0.97, 0.03, 0] },
  ],
}

/** Triton's answers for a model `iris`, JSON only. */
export function irisServer(call: Call): Reaction {
  switch (call.path) {
    case '/v2/health/live':
    case '/v2/health/ready':
    case '/v2/models/iris/ready':
      return {}
    case '/v2':
      return { body: { name: 'triton', version: '2.73.0', extensions: ['classification'] } }
    case '/v2/models/iris':
    case '/v2/models/iris/versions/2':
      return { body: irisMetadata }
    case '/v2/models/iris/infer':
    case '/v2/models/iris/versions/2/infer':
      return { body: irisAnswer }
    case '/v2/repository/index':
      return { body: [{ name: 'iris', version: '2', state: 'READY', reason: '' }] }
    default:
      return { status: 404, body: { error: 'Not Found' } }
  }
}
