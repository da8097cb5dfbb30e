/** A server that is a runtime of a mesh, and the mesh: it calls as ModelMesh does, with codecs made from `proto/`. */
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { silentLog } from '../../../src/core/log.ts'
import { createServer, type ServerOptions } from '../../../src/server/server.ts'
import { endpoint } from '../../../src/server/setting-values.ts'
import { root, samples } from '../../paths.ts'
import { directoryWith } from '../../repository/directories.ts'

const definitions = loadSync(
  ['mmesh/model-runtime.proto', 'inference.proto', 'tensorflow_serving/apis/prediction_service.proto'],
  { includeDirs: [join(root, 'proto')], keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true },
)

export type Message = Readonly<Record<string, unknown>>
/** The fields of every answer that the tests look at. */
export interface Answer {
  readonly sizeInBytes: number
  readonly maxConcurrency: number
  readonly status: string
  readonly capacityInBytes: number
  readonly maxLoadingConcurrency: number
  readonly modelLoadingTimeoutMs: number
  readonly defaultModelSizeInBytes: number
  readonly runtimeVersion: string
  readonly methodInfos: Readonly<Record<string, { readonly idInjectionPath: readonly number[] }>>
  readonly limitModelConcurrency: boolean
  readonly allowAnyMethod: boolean
  readonly model_name: string
  readonly name: string
  readonly outputs: readonly { readonly name: string }[]
}

export interface CallOptions {
  readonly metadata?: Readonly<Record<string, string | Buffer>>
  readonly deadlineMs?: number
}

function methodOf(service: string, method: string): grpc.MethodDefinition<Message, Answer> {
  const found: unknown = Reflect.get(definitions[service] ?? {}, method)
  if (found === undefined) throw new Error(`no method ${method} in proto/`)
  return found as grpc.MethodDefinition<Message, Answer> // proto-loader's codecs take and make plain objects
}

export class MeshPeer {
  readonly #client: grpc.Client

  /** @param address `unix:/path` or `host:port` */
  constructor(address: string) {
    this.#client = new grpc.Client(address, grpc.credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 })
  }

  /** A call that can be cancelled. */
  start(service: string, method: string, request: Message, { metadata = {}, deadlineMs }: CallOptions = {}) {
    const found = methodOf(service, method)
    const given = new grpc.Metadata()
    for (const [name, value] of Object.entries(metadata)) given.set(name, value)
    let cancel = (): void => undefined
    const answer = new Promise<Answer>((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        found.path,
        found.requestSerialize,
        found.responseDeserialize,
        request,
        given,
        deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs },
        (error, response) => (response === undefined ? reject(error ?? new Error('no answer')) : resolve(response)),
      )
      cancel = () => call.cancel()
    })
    answer.catch(() => undefined)
    return { answer, cancel }
  }

  call(service: string, method: string, request: Message, options?: CallOptions): Promise<Answer> {
    return this.start(service, method, request, options).answer
  }

  startLoad(modelId: string, modelPath: string, modelKey: object | string = {}, modelType = 'rt:servable') {
    const key = typeof modelKey === 'string' ? modelKey : JSON.stringify(modelKey)
    return this.start('mmesh.ModelRuntime', 'loadModel', { modelId, modelType, modelPath, modelKey: key })
  }

  load(...load: Parameters<MeshPeer['startLoad']>): Promise<Answer> {
    return this.startLoad(...load).answer
  }

  unload(modelId: string): Promise<Answer> {
    return this.call('mmesh.ModelRuntime', 'unloadModel', { modelId })
  }

  size(modelId: string): Promise<Answer> {
    return this.call('mmesh.ModelRuntime', 'modelSize', { modelId }, { deadlineMs: 30_000 })
  }

  predictSize(modelId: string, modelPath: string, modelKey: object | string = {}): Promise<Answer> {
    const key = typeof modelKey === 'string' ? modelKey : JSON.stringify(modelKey)
    const request = { modelId, modelType: 'rt:servable', modelPath, modelKey: key }
    return this.call('mmesh.ModelRuntime', 'predictModelSize', request, { deadlineMs: 500 })
  }

  status(): Promise<Answer> {
    return this.call('mmesh.ModelRuntime', 'runtimeStatus', {})
  }

  /** As the mesh passes requests on: the id in the message, and twice in the metadata. */
  infer(modelId: string, request: Message = addSub): Promise<Answer> {
    return this.call(
      'inference.GRPCInferenceService',
      'ModelInfer',
      { model_name: modelId, ...request },
      { metadata: { 'mm-model-id': modelId, 'mm-model-id-bin': Buffer.from(modelId) } },
    )
  }

  close(): void {
    this.#client.close()
  }
}

const row = Array.from({ length: 16 }, (_, index) => index)
const input = { datatype: 'INT32', shape: [1, 16], contents: { int_contents: row } }
/** A request to the sample model that most tests load. */
export const addSub: Message = {
  inputs: [
    { name: 'INPUT0', ...input },
    { name: 'INPUT1', ...input },
  ],
}
export const addSubPath = join(samples, 'add-sub')
export const irisPath = join(samples, 'iris')
export const onnx = { model_type: { name: 'onnx', version: '1' } }

/** The two ways a mesh reaches its runtime. */
export const ways = ['port', 'unix'] as const

/** Starts a server and connects a mesh to it; both end with the test. */
export async function startRuntime(way: (typeof ways)[number], options: ServerOptions = {}) {
  const directory = await directoryWith({})
  const at = way === 'port' ? 'port:0' : `unix:${join(directory, 'mesh.sock')}`
  const server = await createServer({
    log: silentLog,
    httpPort: 0,
    drainSeconds: 2,
    modelMesh: endpoint(at),
    memoryBudget: 2 ** 30,
    ...options,
  })
  onTestFinished(() => server.close())
  const addresses = await server.start()
  const connect = (address: string): MeshPeer => {
    const peer = new MeshPeer(address)
    onTestFinished(() => peer.close())
    return peer
  }
  const { mesh = '' } = addresses
  const models = (): readonly string[] => server.dataPlane.models().map(({ ref }) => ref.name)
  return { server, addresses, connect, models, mesh: connect(mesh), data: connect(addresses.grpc ?? '') }
}

/** The code of the status that a call ends with; OK too. */
export async function codeOf(answer: Promise<unknown>): Promise<string> {
  return answer.then(
    () => 'OK',
    (error: unknown) => grpc.status[(error as grpc.ServiceError).code] ?? '', // what grpc-js rejects with
  )
}
