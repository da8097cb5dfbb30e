/** `mmesh.ModelRuntime`: what ModelMesh calls to have this server load and unload its models. */
import type { UntypedServiceImplementation } from '@grpc/grpc-js'
import { InferenceError } from '../core/errors.ts'
import type { Door } from './door.ts'
import type { MeshModel, MeshRuntime } from './model-runtime.ts'
import {
  decodeMeshModel,
  decodeRuntimeModelId,
  encodeLoadedSize,
  encodeRuntimeStatus,
  encodeSize,
} from './model-runtime-messages.ts'
import { defineService, unary, type UnaryHandler } from './service.ts'

export const modelRuntimeServiceName = 'mmesh.ModelRuntime'

export const modelRuntimeService = defineService(modelRuntimeServiceName, {
  loadModel: {},
  unloadModel: {},
  predictModelSize: {},
  modelSize: {},
  runtimeStatus: {},
})

const nothing = Buffer.alloc(0)

/** The handlers of the service. Models can be unloaded while the server drains, and nothing else can be asked then. */
export function implementModelRuntime(door: Door, runtime: MeshRuntime): UntypedServiceImplementation {
  const handlers: Readonly<Record<string, UnaryHandler>> = {
    loadModel: async (bytes, { signal }) => {
      door.refuseWhileDraining()
      return encodeLoadedSize(await runtime.load(namedModel(bytes, 'LoadModelRequest'), signal))
    },
    unloadModel: async (bytes) => {
      await runtime.unload(checkId(decodeRuntimeModelId(bytes, 'UnloadModelRequest')))
      return nothing
    },
    predictModelSize: async (bytes) =>
      encodeSize(await runtime.predictSize(namedModel(bytes, 'PredictModelSizeRequest'))),
    modelSize: (bytes) => encodeSize(runtime.size(checkId(decodeRuntimeModelId(bytes, 'ModelSizeRequest')))),
    runtimeStatus: async () => {
      door.refuseWhileDraining()
      return encodeRuntimeStatus(await runtime.status())
    },
  }
  return Object.fromEntries(Object.entries(handlers).map(([method, handler]) => [method, unary(door, handler)]))
}

function namedModel(bytes: Uint8Array, message: string): MeshModel {
  const model = decodeMeshModel(bytes, message)
  checkId(model.modelId)
  return model
}

function checkId(modelId: string): string {
  if (modelId === '') throw new InferenceError('invalid_argument', 'modelId is empty: name the model')
  return modelId
}
