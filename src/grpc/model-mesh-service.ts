/** `mmesh.ModelMesh`: models and vmodels on request, as ModelMesh's clients ask for them. */
import type { UntypedServiceImplementation } from '@grpc/grpc-js'
import { InferenceError } from '../core/errors.ts'
import type { Door } from './door.ts'
import type { MeshControl } from './model-mesh.ts'
import {
  decodeEnsureLoaded,
  decodeModelId,
  decodeRegisterModel,
  decodeSetVModel,
  decodeVModelName,
  encodeModelStatus,
  encodeVModelStatus,
} from './model-mesh-messages.ts'
import { defineService, unary, type UnaryHandler } from './service.ts'

export const modelMeshServiceName = 'mmesh.ModelMesh'

export const modelMeshService = defineService(modelMeshServiceName, {
  registerModel: {},
  unregisterModel: {},
  getModelStatus: {},
  ensureLoaded: {},
  setVModel: {},
  deleteVModel: {},
  getVModelStatus: {},
})

const nothing = Buffer.alloc(0)

/** The handlers of the service. */
export function implementModelMesh(door: Door, mesh: MeshControl): UntypedServiceImplementation {
  const handlers: Readonly<Record<string, UnaryHandler>> = {
    registerModel: async (bytes, { signal }) => {
      const request = decodeRegisterModel(bytes)
      checkId(request.modelId)
      return encodeModelStatus(await mesh.registerModel(request, signal))
    },
    unregisterModel: async (bytes) => {
      await mesh.unregisterModel(checkId(decodeModelId(bytes, 'UnregisterModelRequest')))
      return nothing
    },
    getModelStatus: (bytes) =>
      encodeModelStatus(mesh.getModelStatus(checkId(decodeModelId(bytes, 'GetStatusRequest')))),
    ensureLoaded: async (bytes, { signal }) => {
      const request = decodeEnsureLoaded(bytes)
      checkId(request.modelId)
      return encodeModelStatus(await mesh.ensureLoaded(request, signal))
    },
    setVModel: async (bytes, { signal }) => {
      const request = decodeSetVModel(bytes)
      const { vModelId, targetModelId } = request
      if (vModelId === '') throw invalid('Must provide vModelId')
      if (targetModelId === '') throw invalid(`Must provide target modelId for vmodel ${vModelId}`)
      return encodeVModelStatus(await mesh.setVModel(request, signal))
    },
    deleteVModel: async (bytes) => {
      await mesh.deleteVModel(decodeVModelName(bytes, 'DeleteVModelRequest'))
      return nothing
    },
    getVModelStatus: (bytes) =>
      encodeVModelStatus(mesh.getVModelStatus(decodeVModelName(bytes, 'GetVModelStatusRequest'))),
  }
  return Object.fromEntries(
    Object.entries(handlers).map(([method, handler]) => [method, unary(door, whileOpen(door, handler))]),
  )
}

function whileOpen(door: Door, handler: UnaryHandler): UnaryHandler {
  return (bytes, context) => {
    door.refuseWhileDraining()
    return handler(bytes, context)
  }
}

/** In ModelMesh's words. */
function checkId(modelId: string): string {
  if (modelId === '') throw invalid('must provide non-empty modelId')
  return modelId
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
