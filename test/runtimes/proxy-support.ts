/** Servers behind servers: upstreams of Servable itself, and a server whose models they serve. */
import { onTestFinished } from 'vitest'
import { createClient } from '../../src/client/index.ts'
import { silentLog } from '../../src/core/log.ts'
import { defineModel } from '../../src/runtime/define-model.ts'
import type { Protocol } from '../../src/client/index.ts'
import type { ModelSources } from '../../src/server/models.ts'
import { createServer } from '../../src/server/server.ts'
import { directoryWith } from '../repository/directories.ts'

/** TensorFlow Serving's example: x / 2 + 2. */
export const halfPlusTwo = defineModel({
  inputs: { x: { datatype: 'FP32', shape: [-1] } },
  outputs: { y: { datatype: 'FP32', shape: [-1] } },
  predict: ({ x }) => ({ y: x.data.map((value) => value / 2 + 2) }),
})

/** A running server, closed with the test. */
export async function serve(models: ModelSources, options: object = {}) {
  const server = await createServer({
    log: silentLog,
    host: '127.0.0.1',
    httpPort: 0,
    grpcPort: 0,
    drainSeconds: 1,
    models,
    ...options,
  })
  let isClosed = false
  const close = async (): Promise<void> => {
    if (!isClosed) await server.close()
    isClosed = true
  }
  onTestFinished(close)
  const { http, grpc = '' } = await server.start()
  const url = { http, grpc: grpc.includes('://') ? grpc : `grpc://${grpc}` }
  const client = (protocol: Protocol) => {
    const opened = createClient(protocol.startsWith('grpc') ? url.grpc : url.http, { protocol, retries: 0 })
    onTestFinished(() => opened.close())
    return opened
  }
  return { server, url, close, client }
}

/** A server of one proxied model. @param options of the runtime */
export async function proxied(options: object, { name = 'half', yaml = {} }: { name?: string; yaml?: object } = {}) {
  const text = JSON.stringify({ format: 'proxy', options: { start_timeout_ms: 1000, ...options }, ...yaml })
  const directory = await directoryWith({ [`${name}/model.yaml`]: text })
  return serve(directory)
}

/** What was answered by REST, its body parsed. */
export interface RestAnswer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

export async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<RestAnswer> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body), headers })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: JSON.parse(text) as RestAnswer['body'] }
}

/** A V2 request of one FP32 input. */
export function floats(data: readonly number[], more: object = {}) {
  return { inputs: [{ name: 'x', datatype: 'FP32', shape: [data.length], data }], ...more }
}
