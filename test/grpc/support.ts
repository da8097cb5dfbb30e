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

const definitions = loadSync(['inference.proto', 'health.proto', 'reflection.proto', 'reflection_v1alpha.proto'], {
  includeDirs: [join(root, 'proto')],
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
})

/** A request as proto-loader takes it. */
export type Message = Readonly<Record<string, unknown>>

/** An answer as proto-loader makes it: the fields of every message that the tests look at. */
export interface Answer {
  readonly live: boolean
  readonly ready: boolean
  readonly name: string
  readonly version: string
  readonly extensions: readonly string[]
  readonly status: string
  readonly model_name: string
  readonly model_version: string
  readonly id: string
  readonly parameters: Readonly<Record<string, Message>>
  readonly outputs: readonly Output[]
  readonly raw_output_contents: readonly Buffer[]
  readonly error_message: string
  readonly infer_response: Answer
}

export interface Output {
  readonly name: string
  readonly datatype: string
  readonly shape: readonly string[]
  readonly contents: Message | null
}

export interface CallOptions extends grpc.CallOptions {
  readonly headers?: Readonly<Record<string, string>>
}

type Methods = grpc.ServiceDefinition<Record<string, grpc.MethodDefinition<Message, Answer>>>

export class TestClient {
  readonly #service: Methods
  readonly #client: grpc.Client

  constructor(service: string, port: number, options: grpc.ClientOptions = {}) {
    this.#service = definitions[service] as Methods // the tests name services, not messages
    this.#client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      ...options,
    })
  }

  call(method: string, request: Message, options: CallOptions = {}): Promise<Answer> {
    return this.start(method, request, options).answer
  }

  /** A call that can be cancelled. */
  start(method: string, request: Message, options: CallOptions = {}) {
    const { path, requestSerialize, responseDeserialize } = this.#method(method)
    let cancel = (): void => undefined
    const answer = new Promise<Answer>((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadataOf(options),
        options,
        (error, response) => {
          if (response === undefined) reject(error ?? new Error('neither error nor response'))
          else resolve(response)
        },
      )
      cancel = () => call.cancel()
    })
    return { answer, cancel }
  }

  /** A call with many requests and responses. */
  duplex(method: string, options: CallOptions = {}): grpc.ClientDuplexStream<Message, Answer> {
    const { path, requestSerialize, responseDeserialize } = this.#method(method)
    return this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadataOf(options), options)
  }

  /** A call with one request and many responses. */
  watch(method: string, request: Message): grpc.ClientReadableStream<Answer> {
    const { path, requestSerialize, responseDeserialize } = this.#method(method)
    return this.#client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request)
  }

  close(): void {
    this.#client.close()
  }

  #method(name: string): grpc.MethodDefinition<Message, Answer> {
    const method: unknown = this.#service[name]
    if (method === undefined) throw new Error(`no method ${name} in proto/`)
    return method as grpc.MethodDefinition<Message, Answer> // proto-loader's codecs take and make plain objects
  }
}

function metadataOf({ headers = {} }: CallOptions): grpc.Metadata {
  const metadata = new grpc.Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  return metadata
}

/** The error of a call that must fail. */
export async function failure(answer: Promise<unknown>): Promise<grpc.ServiceError> {
  const [result] = await Promise.allSettled([answer])
  if (result.status === 'fulfilled') throw new Error(`expected an error, got ${JSON.stringify(result.value)}`)
  return result.reason as grpc.ServiceError // what grpc-js rejects with
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
