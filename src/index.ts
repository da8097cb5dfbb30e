/** The embedder's door: a server inside somebody's own program. */
export type { Addresses } from './server/addresses.ts'
export { createServer, type Server, type ServerOptions } from './server/server.ts'
export type { GraphDefinition, ServiceDefinition, ServiceDefinitions } from './server/graphs/definition.ts'
export type { ModelSources, PlacedModel } from './server/models.ts'
export {
  defineModel,
  type DefinedModel,
  type ModelDefinition,
  type PredictOptions,
  type TensorDefinition,
} from './runtime/define-model.ts'
export { InferenceError, type ErrorCode } from './core/errors.ts'
export type { InferenceRequest, InferenceResponse, ModelRef, RequestContext } from './core/inference.ts'
export type { Log } from './core/log.ts'
export type { Model, ModelMetadata, ModelSpec, Runtime, TensorMetadata } from './core/model.ts'
export { tensor, type DataType, type Parameters, type Tensor, type TensorData } from './core/tensor.ts'
