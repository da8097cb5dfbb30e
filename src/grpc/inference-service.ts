/** `inference.GRPCInferenceService`: the V2 protocol in the union of its dialects. */
import type { UntypedServiceImplementation } from '@grpc/grpc-js'
import { encodeGrpcInferResponse } from '../codec/v2-grpc.ts'
import { sharedMemoryOff } from '../codec/v2-grpc-parameters.ts'
import { InferenceError } from '../core/errors.ts'
import type { GrpcContext } from './context.ts'
import type { Door, GrpcOptions } from './door.ts'
import { decodeCall } from './infer-call.ts'
import { inferStream } from './infer-stream.ts'
import { managementHandlers } from './management.ts'
import { decodeModelRef, encodeFlag, encodeModelMetadata, encodeServerMetadata } from './messages.ts'
import { hostedRef } from './serving-model.ts'
import { defineService, unary, type UnaryHandler } from './service.ts'

export const inferenceServiceName = 'inference.GRPCInferenceService'

const sharedMemoryMethods = ['Status', 'Register', 'Unregister'].flatMap((verb) => [
  `SystemSharedMemory${verb}`,
  `CudaSharedMemory${verb}`,
])

export const inferenceService = defineService(inferenceServiceName, {
  ServerLive: {},
  ServerReady: {},
  ModelReady: {},
  ServerMetadata: {},
  ModelMetadata: {},
  ModelInfer: {},
  ModelStreamInfer: { request: true, response: true },
  ModelConfig: {},
  ModelStatistics: {},
  RepositoryIndex: {},
  RepositoryModelLoad: {},
  RepositoryModelUnload: {},
  TraceSetting: {},
  LogSettings: {},
  ...Object.fromEntries(sharedMemoryMethods.map((method) => [method, {}])),
})

/** The handlers of the service. */
export function implementInference(door: Door, options: GrpcOptions): UntypedServiceImplementation {
  const { dataPlane } = door
  const serverMetadata = encodeServerMetadata(
    options.serverName ?? 'servable',
    options.version,
    options.extensions ?? dataPlane.extensions,
  )
  const handlers: Readonly<Record<string, UnaryHandler>> = {
    ServerLive: () => encodeFlag(true),
    ServerReady: () => encodeFlag(door.isReady),
    ModelReady: (request, context) => encodeFlag(isModelReady(door, request, context)),
    ServerMetadata: () => serverMetadata,
    ModelMetadata: async (request, context) => {
      const ref = hostedRef(door, context, decodeModelRef(request, 'ModelMetadataRequest'))
      await dataPlane.wake(ref)
      return encodeModelMetadata(dataPlane.metadata(ref))
    },
    ModelInfer: (request, context) => infer(door, request, context),
    ...managementHandlers(door),
    ...Object.fromEntries(sharedMemoryMethods.map((method) => [method, sharedMemoryHandler(method)])),
  }
  return {
    ...Object.fromEntries(Object.entries(handlers).map(([method, handler]) => [method, unary(door, handler)])),
    ModelStreamInfer: inferStream(door),
  }
}

/** Unknown and unloaded models are not ready, which is no error: Triton's clients raise on any other status. */
function isModelReady(door: Door, request: Buffer, context: GrpcContext): boolean {
  const ref = decodeModelRef(request, 'ModelReadyRequest')
  try {
    door.dataPlane.check(hostedRef(door, context, ref))
    return !door.isDraining
  } catch (reason) {
    const { code } = InferenceError.from(reason)
    if (code === 'not_found' || code === 'unavailable') return false
    throw reason
  }
}

async function infer(door: Door, bytes: Buffer, context: GrpcContext): Promise<Uint8Array> {
  const { request, wantsTyped } = decodeCall(door, bytes, context.requestId, context)
  const response = await door.dataPlane.infer(request, context)
  context.answerWith(response)
  return encodeGrpcInferResponse(response, { isTyped: wantsTyped })
}

/** No region is ever there; what frees them works, since examples and tests of Triton begin with it. */
function sharedMemoryHandler(method: string): UnaryHandler {
  if (method.endsWith('Unregister')) return () => Buffer.alloc(0)
  if (method.endsWith('Status')) return sharedMemoryStatus
  return () => {
    throw sharedMemoryOff()
  }
}

/** The regions are an empty map. @throws InferenceError `not_found` where one is named */
function sharedMemoryStatus(request: Buffer): Uint8Array {
  const { name } = decodeModelRef(request, 'SharedMemoryStatusRequest')
  if (name === '') return Buffer.alloc(0)
  throw new InferenceError('not_found', `Unable to find shared memory region: '${name}'`)
}
