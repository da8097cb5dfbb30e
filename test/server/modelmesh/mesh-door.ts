/** A gRPC door with `mmesh.ModelMesh` over models whose loads the tests hold up, and a plain client of its messages. */
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { InferenceError } from '../../../src/core/errors.ts'
import { silentLog } from '../../../src/core/log.ts'
import type { Model } from '../../../src/core/model.ts'
import { tensor } from '../../../src/core/tensor.ts'
import { DataPlane } from '../../../src/dataplane/dataplane.ts'
import { createGrpcServer } from '../../../src/grpc/server.ts'
import { AliasedRepository } from '../../../src/repository/aliased-repository.ts'
import { ModelRepository } from '../../../src/repository/model-repository.ts'
import { schedule } from '../../../src/scheduling/scheduler.ts'
import { Mesh, type MeshParts } from '../../../src/server/modelmesh/mesh.ts'
import { root } from '../../paths.ts'

const definitions = loadSync(['mmesh/model-mesh.proto', 'inference.proto'], {
  includeDirs: [join(root, 'proto')],
  keepCase: true,
  longs: Number,
  enums: String,
  defaults: true,
})

export type Message = Readonly<Record<string, unknown>>

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string | Buffer>>
  readonly deadlineMs?: number
}

/** Any unary method of a service. */
export type Ask = (method: string, request: Message, options?: CallOptions) => Promise<Message>

export interface MeshDoor {
  readonly mesh: Mesh
  readonly repository: ModelRepository
  /** `mmesh.ModelMesh` */
  readonly ask: Ask
  /** The model that answers an inference in this process. */
  readonly call: (model: string) => Promise<string>
  /** The model that answers an inference. */
  readonly infer: (model: string, headers?: CallOptions['headers']) => Promise<string>
  /** A call that can be cancelled. */
  readonly start: (
    method: string,
    request: Message,
  ) => { readonly answer: Promise<Message>; readonly cancel: () => void }
  /** Lets the loads of models at paths that begin with `slow` end. */
  readonly release: () => void
  /** Models at paths that begin with `broken` load from here on. */
  readonly repair: () => void
  /** Ids of the models whose instances are closed, in order. */
  readonly closed: readonly string[]
  /** Ids of the models whose load began, in order. */
  readonly loads: readonly string[]
}

export async function startMesh(options: Partial<MeshParts> = {}): Promise<MeshDoor> {
  const { repository = new ModelRepository(silentLog) } = options
  const abort = new AbortController()
  const closed: string[] = []
  const loads: string[] = []
  let isBroken = true
  let release = (): void => undefined
  const gate = new Promise<void>((resolve) => (release = resolve))
  const mesh = new Mesh({
    repository,
    log: silentLog,
    signal: abort.signal,
    isTaken: () => false,
    locate: async (id, { path }) => {
      const load = async () => {
        loads.push(id)
        if (path.startsWith('slow')) await gate
        if (path.startsWith('broken') && isBroken) throw new InferenceError('failed_precondition', `${path} is broken`)
        const model = schedule(
          named(id, () => closed.push(id)),
          { name: id, maxQueueSize: 10_000 },
        )
        return { model, hooks: [] }
      }
      return {
        entry: { ref: { name: id, version: '1' }, runtime: 'test', estimateBytes: async () => 2 ** 20, load },
        release: async () => undefined,
      }
    },
    ...options,
  })
  const dataPlane = new DataPlane(new AliasedRepository(repository, [mesh.names]))
  const server = createGrpcServer({ dataPlane, mesh, log: silentLog, version: '0' })
  const port = await server.listen('127.0.0.1', 0)
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure())
  onTestFinished(async () => {
    release()
    client.close()
    mesh.close()
    await server.drain(0)
    await repository.close()
  })
  const start = (service: string, method: string, request: Message, given: CallOptions = {}) => {
    const call = startCall(client, service, method, request, given)
    call.answer.catch(() => undefined) // looked at later
    return call
  }
  const ask: Ask = (method, request, given) => start('mmesh.ModelMesh', method, request, given).answer
  return {
    mesh,
    repository,
    ask,
    call: async (model) => {
      const request = { model: { name: model }, inputs: [tensor('x', 'INT32', [1], new Int32Array(1))] }
      const context = { requestId: '', protocol: 'library', signal: abort.signal, headers: {} } as const
      const [output] = (await dataPlane.infer(request, context)).outputs
      return output?.datatype === 'BYTES' ? Buffer.from(output.data[0] ?? []).toString() : ''
    },
    infer: async (model, headers = {}) => {
      const request = { model_name: model, inputs: [{ name: 'x', datatype: 'INT32', shape: [1] }] }
      const raw = { ...request, raw_input_contents: [Buffer.alloc(4)] }
      const answer = await start('inference.GRPCInferenceService', 'ModelInfer', raw, { headers }).answer
      const [bytes] = answer['raw_output_contents'] as Buffer[]
      return (bytes ?? Buffer.alloc(4)).subarray(4).toString() // a length, then the text
    },
    start: (method, request) => start('mmesh.ModelMesh', method, request),
    release: () => release(),
    repair: () => (isBroken = false),
    closed,
    loads,
  }
}

function startCall(client: grpc.Client, service: string, method: string, request: Message, options: CallOptions) {
  const methods = definitions[service] as grpc.ServiceDefinition<
    Record<string, grpc.MethodDefinition<Message, Message>>
  >
  const definition = methods[method] as grpc.MethodDefinition<Message, Message> // the tests name what is in proto/
  const metadata = new grpc.Metadata()
  for (const [name, value] of Object.entries(options.headers ?? {})) metadata.set(name, value)
  const { deadlineMs } = options
  let cancel = (): void => undefined
  const answer = new Promise<Message>((resolve, reject) => {
    const call = client.makeUnaryRequest(
      definition.path,
      definition.requestSerialize,
      definition.responseDeserialize,
      request,
      metadata,
      deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs },
      (error, response) => (response === undefined ? reject(error ?? new Error('no answer')) : resolve(response)),
    )
    cancel = () => call.cancel()
  })
  return { answer, cancel: () => cancel() }
}

/** Answers its id; after it was closed it answers that. */
function named(id: string, onClose: () => void): Model {
  let isClosed = false
  return {
    metadata: {
      platform: 'test',
      inputs: [{ name: 'x', datatype: 'INT32', shape: [1] }],
      outputs: [{ name: 'model', datatype: 'BYTES', shape: [1] }],
    },
    memoryBytes: 2 ** 20,
    maxBatchSize: 0,
    concurrency: 1000,
    predict: async () => {
      const before = isClosed
      await new Promise((resolve) => setImmediate(resolve))
      return [tensor('model', 'BYTES', [1], [Buffer.from(before || isClosed ? `${id} after it was unloaded` : id)])]
    },
    close: async () => {
      isClosed = true
      onClose()
    },
  }
}

/** The code and the text of a call that must fail. */
export async function refusal(answer: Promise<unknown>): Promise<readonly [string, string]> {
  const [result] = await Promise.allSettled([answer])
  if (result.status === 'fulfilled') throw new Error(`expected an error, got ${JSON.stringify(result.value)}`)
  const { code, details } = result.reason as grpc.ServiceError // what grpc-js rejects with
  return [grpc.status[code], details]
}
