/** Proxied models keep the contract of every other runtime, by every protocol; their upstream is this server. */
import { dirname, join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import proxy from '../../runtimes/proxy/index.ts'
import { silentLog } from '../../src/core/log.ts'
import { createServer, type Server } from '../../src/server/server.ts'
import { fixtures } from '../paths.ts'
import { describeContract } from './contract.ts'
import { readGolden } from './golden.ts'
import { specOf } from './model-spec.ts'

const folder = join(fixtures, 'models', 'iris-logreg')
const url = { http: '', grpc: '' }
let upstream: Server

beforeAll(async () => {
  const ports = { host: '127.0.0.1', httpPort: 0, grpcPort: 0 }
  upstream = await createServer({ ...ports, log: silentLog, drainSeconds: 1, models: folder })
  const { http, grpc = '' } = await upstream.start()
  Object.assign(url, { http, grpc: `grpc://${grpc}` })
})
afterAll(() => upstream.close())

for (const [protocol, profile] of [
  ['grpc-v2', 'triton'],
  ['v2', 'triton'],
  ['v2', 'mlserver'],
  ['grpc-v1', 'tfserving'],
  ['v1', 'tfserving'],
] as const) {
  // The port is known once the server runs.
  const options = {
    profile,
    protocol,
    get upstreams() {
      return [protocol.startsWith('grpc') ? url.grpc : url.http]
    },
  }
  const directory = dirname(join(folder, 'model.yaml'))
  describeContract(`proxy, ${protocol} as ${profile}`, {
    runtime: proxy,
    spec: specOf(join(folder, 'model.onnx'), { format: 'proxy', directory, options, maxBatchSize: 64 }),
    goldens: () => readGolden(folder),
    isRemote: true,
  })
}
