/** The door for runtime plugins, `servable/runtime`: the contract, tensors, errors, placement and devices. */
export { Breaker } from '../core/breaker.ts'
export type { BreakerOptions } from '../core/breaker.ts'
export { InferenceError, messageOf } from '../core/errors.ts'
export type { ErrorCode, InferenceErrorOptions } from '../core/errors.ts'
export type { InferenceRequest, InferenceResponse, ModelRef, RequestContext } from '../core/inference.ts'
export { silentLog } from '../core/log.ts'
export type { Log, LogFields } from '../core/log.ts'
export type {
  Batch,
  Device,
  DeviceRequest,
  Hooks,
  Model,
  ModelMetadata,
  ModelSpec,
  PlacementRequest,
  Runtime,
  NamedSignature,
  TensorMetadata,
} from '../core/model.ts'
export { sampleInputs } from '../core/sample-inputs.ts'
export type { Sample } from '../core/sample-inputs.ts'
export {
  allocate,
  byteLength,
  bytesOf,
  dataTypes,
  elementBytes,
  elementCount,
  elementsOf,
  isDataType,
  tensor,
} from '../core/tensor.ts'
export type { DataType, FixedDataType, Parameters, Tensor, TensorData } from '../core/tensor.ts'
export { usableCpus } from './cpu.ts'
export { fileFacts } from './file-print.ts'
export { place } from './placement.ts'
export type { PlacedSession, PlaceOptions, Placement } from './placement.ts'
export { RuntimeRegistry, lazyRuntime } from './registry.ts'
export type { LazyRuntime } from './registry.ts'
export type { Session, SessionModule } from './session.ts'
export { totalBytes } from './transfer.ts'
export { chooseDevice } from './device.ts'
export type {
  DeviceChoice,
  DeviceOptions,
  Gpu,
  MigInstance,
  Provider,
  ProviderPackage,
  SystemDescription,
} from './device.ts'
export { describeSystem } from './system.ts'
export { filledIn, readLaunch } from './launch.ts'
export type { Launch, Ports, ReadyCheck } from './launch.ts'
export { ManagedProcess } from './managed-process.ts'
export type { ManagedProcessOptions, ManagedState } from './managed-process.ts'
