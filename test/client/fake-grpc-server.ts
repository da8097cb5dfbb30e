/** A gRPC server that answers as a test says; its codecs come from `proto/`, not from `src/`. */
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { join } from 'node:path'
import { root } from '../paths.ts'

const definitions = loadSync(
  [
    'inference.proto',
    'tensorflow_serving/apis/prediction_service.proto',
    'tensorflow_serving/apis/model_service.proto',
  ],
  { includeDirs: [join(root, 'proto')], keepCase: true, longs: Number, enums: String, oneofs: true },
)

export type Message = Readonly<Record<string, unknown>>

export interface GrpcCall {
  readonly method: string
  readonly request: Message
  readonly metadata: grpc.Metadata
  readonly deadline: number
}

/** A status instead of an answer. */
export class Refusal {
  readonly code: grpc.status
  readonly details: string
  readonly metadata = new grpc.Metadata()

  constructor(code: grpc.status, details: string, headers: Readonly<Record<string, string>> = {}) {
    this.code = code
    this.details = details
    for (const [name, value] of Object.entries(headers)) this.metadata.set(name, value)
  }
}

/** The answer of a unary call; the answers of a stream, of which the last may be a refusal. */
export type React = (call: GrpcCall, index: number) => Message | Refusal | readonly (Message | Refusal)[]

export interface FakeGrpcServer {
  readonly url: string
  readonly calls: readonly GrpcCall[]
  close(): void
}

/** @param credentials plain text where absent */
export async function fakeGrpcServer(
  react: React,
  credentials = grpc.ServerCredentials.createInsecure(),
): Promise<FakeGrpcServer> {
  const calls: GrpcCall[] = []
  const server = new grpc.Server()
  const take = (
    method: string,
    call: Pick<grpc.ServerUnaryCall<Message, Message>, 'metadata' | 'getDeadline'>,
    request: Message,
  ) => {
    calls.push({ method, request, metadata: call.metadata, deadline: Number(call.getDeadline()) })
    return react(calls.at(-1) as GrpcCall, calls.length - 1) // just pushed
  }
  const unary =
    (method: string): grpc.handleUnaryCall<Message, Message> =>
    (call, callback) => {
      const answer = take(method, call, call.request)
      if (answer instanceof Refusal) callback(answer)
      else callback(null, answer as Message) // tests give lists to streams only
    }
  const stream =
    (method: string): grpc.handleBidiStreamingCall<Message, Message> =>
    (call) => {
      call.on('data', (request: Message) => {
        for (const answer of listOf(take(method, call, request))) {
          if (answer instanceof Refusal) call.emit('error', answer)
          else call.write(answer)
        }
      })
      call.on('end', () => call.end())
    }
  for (const name of [
    'inference.GRPCInferenceService',
    'tensorflow.serving.PredictionService',
    'tensorflow.serving.ModelService',
  ]) {
    const service = definitions[name] as grpc.ServiceDefinition // the names above are of services
    const handlers = Object.entries(service).map(
      ([method, { requestStream }]) => [method, requestStream ? stream(method) : unary(method)] as const,
    )
    server.addService(service, Object.fromEntries(handlers))
  }
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error))),
  )
  return { url: `grpc://127.0.0.1:${port}`, calls, close: () => server.forceShutdown() }
}

function listOf(answer: ReturnType<React>): readonly (Message | Refusal)[] {
  const isList = (value: typeof answer): value is readonly (Message | Refusal)[] => Array.isArray(value)
  return isList(answer) ? answer : [answer]
}
