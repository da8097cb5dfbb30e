/** A gRPC door over a real repository of small models, and a client whose codecs come from `proto/`, not from `src/`. */
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { join } from 'node:path'
import type { LogFields } from '../../src/core/log.ts'
import { silentLog } from '../../src/core/log.ts'
import type { Model } from '../../src/core/model.ts'
import { DataPlane } from '../../src/dataplane/dataplane.ts'
import { createGrpcServer } from '../../src/grpc/server.ts'
import type { GrpcOptions } from '../../src/grpc/door.ts'
import type { GrpcServer } from '../../src/grpc/server.ts'
import { ModelRepository } from '../../src/repository/model-repository.ts'
import type { DefinedModel } from '../../src/runtime/define-model.ts'
import { schedule } from '../../src/scheduling/scheduler.ts'
import { root } from '../paths.ts'

const definitions = grpc.loadPackageDefinition(
  loadSync(['inference.proto', 'health.proto'], {
    includeDirs: [join(root, 'proto')],
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  }),
)

/** Messages as proto-loader makes them. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Message = any

type Reply = (error: grpc.ServiceError | null, response: Message) => void
type Unary = (
  request: Message,
  metadata: grpc.Metadata,
  options: grpc.CallOptions,
  reply: Reply,
) => grpc.ClientUnaryCall

export class TestClient {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly stub: any

  constructor(service: string, port: number, options: grpc.ClientOptions = {}) {
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    let found: any = definitions
    for (const part of service.split('.')) found = found[part]
    this.stub = new found(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      ...options,
    })
  }

  call(method: string, request: Message, options: grpc.CallOptions & { headers?: Record<string, string> } = {}) {
    return this.start(method, request, options).answer
  }

  /** A call that can be cancelled; its trailers are known after the answer. */
  start(method: string, request: Message, options: grpc.CallOptions & { headers?: Record<string, string> } = {}) {
    const metadata = new grpc.Metadata()
    for (const [name, value] of Object.entries(options.headers ?? {})) metadata.set(name, value)
    let call: grpc.ClientUnaryCall | undefined
    const answer = new Promise<Message>((resolve, reject) => {
      const unary = (this.stub[method] as Unary).bind(this.stub)
      call = unary(request, metadata, options, (error, response) => (error ? reject(error) : resolve(response)))
    })
    return { answer, cancel: () => call?.cancel() }
  }

  close(): void {
    this.stub.close()
  }
}

export interface LogLine {
  readonly level: string
  readonly fields: LogFields
  readonly message: string
}

export interface Harness {
  readonly port: number
  readonly server: GrpcServer
  readonly repository: ModelRepository
  readonly client: TestClient
  readonly log: readonly LogLine[]
  connect(service: string, options?: grpc.ClientOptions): TestClient
  add(name: string, model: DefinedModel | Model, version?: string): Promise<void>
  close(): Promise<void>
}

export async function startServer(
  models: Readonly<Record<string, DefinedModel | Model>>,
  options: Partial<GrpcOptions> = {},
): Promise<Harness> {
  const repository = new ModelRepository()
  const log: LogLine[] = []
  const write = (level: string) => (fields: LogFields, message: string) => void log.push({ level, fields, message })
  const server = createGrpcServer({
    dataPlane: new DataPlane(repository),
    log: { ...silentLog, warn: write('warn'), error: write('error') },
    version: '0.0.0',
    ...options,
  })
  const add: Harness['add'] = async (name, model, version = 'version' in model ? model.version : '1') => {
    await repository.load({
      ref: { name, version },
      runtime: 'test',
      load: async (signal) => ({
        model: schedule('open' in model ? await model.open(signal) : model, { name, maxQueueSize: 100 }),
        hooks: [],
      }),
    })
  }
  for (const [name, model] of Object.entries(models)) await add(name, model)
  const port = await server.listen('127.0.0.1', 0)
  const clients: TestClient[] = []
  const connect: Harness['connect'] = (service, clientOptions) => {
    const client = new TestClient(service, port, clientOptions)
    clients.push(client)
    return client
  }
  return {
    port,
    server,
    repository,
    client: connect('inference.GRPCInferenceService'),
    log,
    connect,
    add,
    close: async () => {
      for (const client of clients) client.close()
      await server.drain(1000)
      await repository.close()
    },
  }
}
