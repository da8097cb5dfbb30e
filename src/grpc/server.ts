/** The gRPC door: one server, its services, and its end. */
import { Server, type ServerOptions } from '@grpc/grpc-js'
import { Door, type GrpcOptions } from './door.ts'
import { healthService, healthServiceName, implementHealth } from './health.ts'
import { implementInference, inferenceService, inferenceServiceName } from './inference-service.ts'
import { Listener } from './listener.ts'
import { messageLimit } from './message-limit.ts'
import { implementModelMesh, modelMeshService, modelMeshServiceName } from './model-mesh-service.ts'
import { implementModelRuntime, modelRuntimeService, modelRuntimeServiceName } from './model-runtime-service.ts'
import { implementModelService, modelService, modelServiceName } from './model-service.ts'
import { implementPrediction, predictionService, predictionServiceName } from './prediction-service.ts'
import { implementReflection, reflectionServiceNames, reflectionServices } from './reflection.ts'

export interface DrainOptions {
  /** Another process listens on the same port: clients are told to connect anew, and what they still send is answered. */
  readonly isReplaced?: boolean
}

/** In which every client has read that it shall go. */
const goodbyeMs = 500

export interface GrpcServer {
  /**
   * @param port 0: any free one
   * @returns the port
   * @throws InferenceError `failed_precondition` where the address cannot be had
   */
  listen(host: string, port: number): Promise<number>
  /** Listens on a Unix socket. @throws InferenceError `failed_precondition` where the path cannot be had */
  listenAt(path: string): Promise<void>
  /** Refuses new calls (or none, where others take over), lets running ones finish, and cancels what still runs after `deadlineMs`. Never throws. */
  drain(deadlineMs: number, options?: DrainOptions): Promise<void>
}

/** The services that answer for models. */
const modelServices = [inferenceServiceName, predictionServiceName, modelServiceName]

const protoFiles = [
  'inference.proto',
  'tensorflow_serving/apis/prediction_service.proto',
  'tensorflow_serving/apis/model_service.proto',
  'health.proto',
  'reflection.proto',
  'reflection_v1alpha.proto',
]

const defaultMaxMessageBytes = 64 * 1024 * 1024

export function createGrpcServer(options: GrpcOptions): GrpcServer {
  const door = new Door(options)
  const server = new Server(serverOptions(options.limits?.maxMessageBytes ?? defaultMaxMessageBytes))
  server.addService(inferenceService, implementInference(door, options))
  server.addService(predictionService, implementPrediction(door))
  server.addService(modelService, implementModelService(door))
  server.addService(healthService, implementHealth(door, modelServices))
  const { mesh, meshRuntime } = options
  if (mesh !== undefined) server.addService(modelMeshService, implementModelMesh(door, mesh))
  if (meshRuntime !== undefined) server.addService(modelRuntimeService, implementModelRuntime(door, meshRuntime))
  const reflection = implementReflection(
    door,
    [
      ...modelServices,
      ...(mesh === undefined ? [] : [modelMeshServiceName]),
      ...(meshRuntime === undefined ? [] : [modelRuntimeServiceName]),
      healthServiceName,
      ...reflectionServiceNames,
    ],
    [
      ...protoFiles,
      ...(mesh === undefined ? [] : ['mmesh/model-mesh.proto']),
      ...(meshRuntime === undefined ? [] : ['mmesh/model-runtime.proto']),
    ],
  )
  for (const service of reflectionServices) server.addService(service, reflection)
  const listener = new Listener(server, options.tls)
  let drained: Promise<void> | undefined
  return {
    listen: (host, port) => listener.listen(host, port),
    listenAt: (path) => listener.listenAt(path),
    drain: (deadlineMs, { isReplaced = false } = {}) => {
      if (isReplaced) setTimeout(() => door.drain(), goodbyeMs).unref()
      else door.drain()
      return (drained ??= listener.close(deadlineMs, () => door.abortAll()))
    },
  }
}

function serverOptions(maxMessageBytes: number): ServerOptions {
  return {
    'grpc.max_receive_message_length': messageLimit(maxMessageBytes),
    'grpc.max_send_message_length': -1, // a model's answer is as large as it is
    'grpc.enable_channelz': 0, // a diagnosis service that counts every call and that nobody can reach
  }
}
