/** gRPC methods over plain bytes: what grpc-js is told of a service, and how a handler's errors are answered. */
import type { handleUnaryCall, MethodDefinition, ServiceDefinition } from '@grpc/grpc-js'
import { InferenceError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Door } from './door.ts'
import { GrpcContext, type GrpcProtocol } from './context.ts'
import { statusOf } from './status.ts'

export type BytesMethod = MethodDefinition<Buffer, Buffer>

const asIs = (bytes: Buffer): Buffer => bytes

interface Streams {
  readonly request?: boolean
  readonly response?: boolean
}

/** The definition of one service; messages stay bytes, because handlers decode them themselves and answer for errors. */
export function defineService(
  name: string,
  methods: Readonly<Record<string, Streams>>,
): ServiceDefinition<Record<string, never>> & Record<string, BytesMethod> {
  return Object.fromEntries(
    Object.entries(methods).map(([method, streams]): [string, BytesMethod] => [
      method,
      {
        path: `/${name}/${method}`,
        requestStream: streams.request === true,
        responseStream: streams.response === true,
        requestSerialize: asIs,
        requestDeserialize: asIs,
        responseSerialize: asIs,
        responseDeserialize: asIs,
      },
    ]),
  )
}

/** Answers one message by one message, at once or later. */
export type UnaryHandler = (request: Buffer, context: GrpcContext) => Uint8Array | Promise<Uint8Array>

/** A handler as grpc-js calls it: what it throws becomes a status. */
export function unary(
  door: Door,
  handler: UnaryHandler,
  protocol: GrpcProtocol = 'grpc-v2',
): handleUnaryCall<Buffer, Buffer> {
  const { log, inFlight, refuseStatus } = door
  return (call, callback) => {
    const context = new GrpcContext(call, protocol, inFlight)
    const succeed = (response: Uint8Array): void => {
      context.release()
      callback(null, asBuffer(response), context.trailer)
    }
    const fail = (reason: unknown): void => {
      context.release()
      const status = statusOf(door.toldTo(context, errorOf(log, reason, context.requestId)), refuseStatus)
      context.addRevision(status.metadata)
      callback(status)
    }
    try {
      const response = handler(call.request, context)
      if (response instanceof Promise) response.then(succeed, fail)
      else succeed(response)
    } catch (reason) {
      fail(reason)
    }
  }
}

/** The error that the caller is told; what it is not told goes to the log. */
export function errorOf(log: Log, reason: unknown, requestId: string): InferenceError {
  const error = InferenceError.from(reason)
  if (error.code === 'internal') log.warn({ requestId, error }, 'request failed')
  else if (log.isDebugEnabled) log.debug({ requestId, error }, 'request refused')
  return error
}

/** grpc-js wants a Buffer; a view costs nothing. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
