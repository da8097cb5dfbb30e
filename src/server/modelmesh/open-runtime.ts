/** The contract of ModelMesh with a runtime, opened: its models, and the door that the mesh manages them by. */
import { InferenceError } from '../../core/errors.ts'
import type { GrpcOptions } from '../../grpc/door.ts'
import { createGrpcServer, type GrpcServer } from '../../grpc/server.ts'
import { concurrentLoads, type ModelRepository } from '../../repository/model-repository.ts'
import { defaultGrpcPort } from '../addresses.ts'
import type { ServeConfig } from '../config.ts'
import { version } from '../version.ts'
import { capacityOf, memoryLimit } from './capacity.ts'
import { locate, type EntryParts } from './mesh-entry.ts'
import { ServedMesh } from './mesh-runtime.ts'
import { ModelSizes } from './model-sizes.ts'
import { RegisteredModels } from './registered-models.ts'

export interface RuntimeParts extends EntryParts {
  readonly config: ServeConfig
  readonly repository: ModelRepository
}

/** The server as a runtime of ModelMesh. */
export interface OpenedRuntime {
  /** Of the door that requests come by. */
  readonly options: Partial<GrpcOptions>
  /** Opens the door of the mesh, where it has one of its own. @returns its address, as `unix:/mesh/grpc.sock` */
  listen(): Promise<string | undefined>
  drain(deadlineMs: number): Promise<void>
  close(): void
}

/** The mesh is in the same pod. */
const meshHost = '127.0.0.1'

/**
 * @param grpc what the doors of requests have
 * @returns undefined where the server is no runtime of a mesh
 * @throws InferenceError `invalid_argument` for memory that is too little
 */
export function openRuntime(parts: RuntimeParts, grpc: Omit<GrpcOptions, 'tls'>): OpenedRuntime | undefined {
  const { config, environment, repository, log } = parts
  const endpoint = config.modelMesh
  if (endpoint === undefined) return undefined
  const capacity = capacityOf({ memoryBudget: config.memoryBudget, environment, memoryLimit: memoryLimit() })
  const models = new RegisteredModels({ repository, locate: (model, signal) => locate(model, parts, signal), log })
  const sizes = new ModelSizes(capacity.defaultModelSizeInBytes)
  const meshRuntime = new ServedMesh({ models, sizes, capacity, concurrentLoads, version })
  const options: Partial<GrpcOptions> = {
    meshNames: grpc.mesh ?? { nameOf },
    isMeshModel: (name) => models.size(name) !== undefined,
  }
  const grpcPort = config.grpcPort ?? defaultGrpcPort
  const isShared = endpoint.kind === 'port' && config.enableGrpc && endpoint.port === grpcPort && grpcPort !== 0
  const server: GrpcServer | undefined = isShared ? undefined : createGrpcServer({ ...grpc, ...options, meshRuntime })
  return {
    options: isShared ? { ...options, meshRuntime } : options,
    listen: async () => {
      if (server === undefined) return undefined
      if (endpoint.kind === 'port') return `${meshHost}:${await server.listen(meshHost, endpoint.port)}`
      await server.listenAt(endpoint.path)
      return `unix:${endpoint.path}`
    },
    drain: async (deadlineMs) => server?.drain(deadlineMs),
    close: () => models.close(),
  }
}

/** A runtime knows models only: what vmodels lead to is known to the mesh. */
function nameOf({ kind, id }: { readonly kind: 'model' | 'vmodel'; readonly id: string }): string {
  if (kind === 'model') return id
  throw new InferenceError('not_found', 'vmodel not found')
}
