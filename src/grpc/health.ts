/** `grpc.health.v1.Health`: of the server, of its services, and of each model by its name. */
import type { handleServerStreamingCall, UntypedServiceImplementation } from '@grpc/grpc-js'
import { InferenceError } from '../core/errors.ts'
import { shuttingDown, type Door } from './door.ts'
import { decodeHealthRequest, encodeHealthResponse, servingStatus, type ServingStatus } from './messages.ts'
import { defineService, errorOf, unary } from './service.ts'
import { statusOf } from './status.ts'
import { GrpcContext } from './context.ts'

export const healthServiceName = 'grpc.health.v1.Health'

export const healthService = defineService(healthServiceName, { Check: {}, Watch: { response: true } })

/** @param services full names of the services that are there when the server is */
export function implementHealth(door: Door, services: readonly string[]): UntypedServiceImplementation {
  return {
    Check: unary(door, (request) => {
      const service = decodeHealthRequest(request)
      const status = healthOf(door, services, service)
      if (status !== servingStatus.serviceUnknown) return encodeHealthResponse(status)
      throw new InferenceError(
        'not_found',
        `unknown service '${service}': ask for '', ${services.join(', ')} or a model`,
      )
    }),
    Watch: watch(door, services),
  }
}

function watch(door: Door, services: readonly string[]): handleServerStreamingCall<Buffer, Buffer> {
  return (call) => {
    let service: string
    try {
      service = decodeHealthRequest(call.request)
    } catch (reason) {
      call.emit('error', statusOf(errorOf(door.log, reason, new GrpcContext(call).requestId)))
      return
    }
    let told: ServingStatus | undefined
    const tell = (): void => {
      const status = healthOf(door, services, service)
      if (status === told || call.cancelled) return
      told = status
      call.write(encodeHealthResponse(status))
    }
    const endModels = door.dataPlane.onChange(tell)
    const endDrain = door.onDrain(() => {
      tell()
      call.emit('error', statusOf(shuttingDown()))
    })
    call.on('cancelled', () => {
      endModels()
      endDrain()
    })
    tell()
  }
}

function healthOf(door: Door, services: readonly string[], service: string): ServingStatus {
  if (service === '' || services.includes(service)) {
    return door.isReady ? servingStatus.serving : servingStatus.notServing
  }
  try {
    const isReady = door.dataPlane.status({ name: service }).state === 'ready' && !door.isDraining
    return isReady ? servingStatus.serving : servingStatus.notServing
  } catch (reason) {
    if (InferenceError.from(reason).code === 'not_found') return servingStatus.serviceUnknown
    throw reason
  }
}
