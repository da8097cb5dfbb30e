/** A client of TF Serving's services whose codecs come from `proto/`, not from `src/`. */
import * as grpc from '@grpc/grpc-js'
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { ModelRef } from '../../src/core/inference.ts'
import { root } from '../paths.ts'
import { failure, startServer, type Harness, type Message } from './support.ts'

const definitions = loadSync(
  ['tensorflow_serving/apis/prediction_service.proto', 'tensorflow_serving/apis/model_service.proto'],
  { includeDirs: [join(root, 'proto')], keepCase: true, longs: String, enums: String, defaults: true, oneofs: true },
)

/** An answer as proto-loader makes it: the fields of every message that the tests look at. */
export interface Answer {
  readonly model_spec: {
    readonly name: string
    readonly version: { readonly value: string }
    readonly signature_name: string
  }
  readonly outputs: Readonly<Record<string, AnsweredTensor>>
  readonly result: Message
  readonly results: readonly Message[]
  readonly metadata: Readonly<Record<string, Message>>
  readonly model_version_status: readonly Message[]
}

export interface AnsweredTensor {
  readonly dtype: string
  readonly tensor_shape: { readonly dim: readonly { readonly size: string }[] }
  readonly tensor_content: Buffer
  readonly [values: string]: unknown
}

export class ServingClient {
  readonly #client: grpc.Client

  constructor(port: number, options: grpc.ClientOptions = {}) {
    this.#client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      ...options,
    })
  }

  call(method: string, request: Message, options: grpc.CallOptions = {}): Promise<Answer> {
    const { path, requestSerialize, responseDeserialize } = methodOf(method)
    return new Promise((resolve, reject) => {
      const done = (error: grpc.ServiceError | null, response?: Answer): void => {
        if (response === undefined) reject(error ?? new Error('neither error nor response'))
        else resolve(response)
      }
      this.#client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, options, done)
    })
  }

  close(): void {
    this.#client.close()
  }
}

const modelServiceMethods: readonly string[] = ['GetModelStatus', 'HandleReloadConfigRequest']

function methodOf(name: string): grpc.MethodDefinition<Message, Answer> {
  const service = modelServiceMethods.includes(name) ? 'ModelService' : 'PredictionService'
  const methods = definitions[`tensorflow.serving.${service}`] as grpc.ServiceDefinition // the names are those of services
  const method: unknown = methods[name]
  if (method === undefined) throw new Error(`no method ${name} in proto/`)
  return method as grpc.MethodDefinition<Message, Answer> // proto-loader's codecs take and make plain objects
}

/** Encodes and decodes a message by proto-loader: `tensorflow.serving.PredictRequest`. */
export function messageCodec(name: string): { encode(value: object): Buffer; decode(bytes: Uint8Array): Message } {
  const definition = definitions[name]
  if (definition === undefined) throw new Error(`no message ${name} in proto/`)
  const { serialize, deserialize } = definition as MessageTypeDefinition<object, object> // the names are those of messages
  return {
    encode: (value) => serialize(value),
    decode: (bytes) => deserialize(Buffer.from(bytes)) as Message, // a message is an object
  }
}

/** A server with a client of TF Serving's services. */
export interface ServingHarness {
  readonly server: Harness
  readonly client: ServingClient
  /** Requests that the data plane never saw. */
  readonly refusals: readonly { readonly ref: ModelRef; readonly protocol: string; readonly code: string }[]
  close(): Promise<void>
}

export async function startServing(models: Parameters<typeof startServer>[0]): Promise<ServingHarness> {
  const refusals: { ref: ModelRef; protocol: string; code: string }[] = []
  const server = await startServer(models, {
    metrics: { countRefusal: (ref, protocol, _verb, code) => refusals.push({ ref, protocol, code }) },
  })
  const client = new ServingClient(server.port)
  const close = async (): Promise<void> => {
    client.close()
    await server.close()
  }
  return { server, client, refusals, close }
}

export async function failsWith(answer: Promise<unknown>, code: grpc.status, details: RegExp): Promise<void> {
  const error = await failure(answer)
  expect([grpc.status[error.code], error.details]).toEqual([grpc.status[code], expect.stringMatching(details)])
}

/** This text and no other. */
export function literally(text: string): RegExp {
  return new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`)
}
