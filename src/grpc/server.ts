/** The gRPC door: one server, its services, and its end. */
import { Server, ServerCredentials, type ServerOptions } from '@grpc/grpc-js'
import { InferenceError } from '../core/errors.ts'
import { Door, type GrpcOptions } from './door.ts'
import { implementInference, inferenceService } from './inference-service.ts'

export interface GrpcServer {
  /**
   * @param port 0: any free one
   * @returns the port
   * @throws InferenceError `failed_precondition` where the address cannot be had
   */
  listen(host: string, port: number): Promise<number>
  /** Refuses new calls, lets running ones finish, and cancels what still runs after `deadlineMs`. Never throws. */
  drain(deadlineMs: number): Promise<void>
}

const defaultMaxMessageBytes = 64 * 1024 * 1024

export function createGrpcServer(options: GrpcOptions): GrpcServer {
  const door = new Door(options)
  const server = new Server(serverOptions(options.limits?.maxMessageBytes ?? defaultMaxMessageBytes))
  server.addService(inferenceService, implementInference(door, options))
  return {
    listen: (host, port) => bind(server, host, port),
    drain: async (deadlineMs) => {
      door.drain()
      await shutDown(server, deadlineMs)
    },
  }
}

function serverOptions(maxMessageBytes: number): ServerOptions {
  return {
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': -1, // a model's answer is as large as it is
    'grpc.enable_channelz': 0, // a diagnosis service that counts every call and that nobody can reach
  }
}

function bind(server: Server, host: string, port: number): Promise<number> {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  return new Promise((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound)
      else {
        const message = `gRPC cannot listen on ${address}: ${error.message}`
        reject(new InferenceError('failed_precondition', message, { cause: error }))
      }
    })
  })
}

function shutDown(server: Server, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.forceShutdown(), deadlineMs)
    server.tryShutdown(() => {
      clearTimeout(timer)
      resolve()
    })
  })
}
