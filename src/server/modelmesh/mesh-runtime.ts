/** This server as a runtime of ModelMesh: what its mesh loads, unloads and asks here. */
import { InferenceError } from '../../core/errors.ts'
import type { LoadedSize, MeshModel, MeshRuntime, RuntimeStatus } from '../../grpc/model-runtime.ts'
import { endsWithin } from '../closing.ts'
import type { Capacity } from './capacity.ts'
import type { ModelSizes } from './model-sizes.ts'
import type { RegisteredModels } from './registered-models.ts'

export interface MeshRuntimeParts {
  readonly models: RegisteredModels
  readonly sizes: ModelSizes
  readonly capacity: Capacity
  /** Loads that run at once. */
  readonly concurrentLoads: number
  readonly version: string
}

/** Longer than this a status is not waited for: the mesh asks again every two seconds. */
const statusPatienceMs = 1000

/** Where requests name their model: in field 1, or in the name of the ModelSpec in field 1. */
const methodInfos: RuntimeStatus['methodInfos'] = {
  'inference.GRPCInferenceService/ModelInfer': { idInjectionPath: [1] },
  'inference.GRPCInferenceService/ModelMetadata': { idInjectionPath: [1] },
  'tensorflow.serving.PredictionService/Predict': { idInjectionPath: [1, 1] },
  'tensorflow.serving.PredictionService/Classify': { idInjectionPath: [1, 1] },
  'tensorflow.serving.PredictionService/Regress': { idInjectionPath: [1, 1] },
  'tensorflow.serving.PredictionService/GetModelMetadata': { idInjectionPath: [1, 1] },
}

export class ServedMesh implements MeshRuntime {
  readonly #parts: MeshRuntimeParts
  #purging: Promise<void> | undefined

  constructor(parts: MeshRuntimeParts) {
    this.#parts = parts
  }

  async load(model: MeshModel, signal: AbortSignal): Promise<LoadedSize> {
    const { models, capacity } = this.#parts
    const { sizeInBytes, maxConcurrency } = await models.load(model, signal)
    return { sizeInBytes, maxConcurrency: capacity.perModelConcurrency ?? maxConcurrency }
  }

  unload(modelId: string): Promise<void> {
    return this.#parts.models.unload(modelId)
  }

  predictSize(model: MeshModel): Promise<number> {
    return this.#parts.sizes.predict(model)
  }

  size(modelId: string): number {
    const size = this.#parts.models.size(modelId)
    if (size === undefined) throw new InferenceError('not_found', `Model with name ${modelId} does not exist.`)
    return size.sizeInBytes
  }

  /** Polls while models are being unloaded join that. */
  async status(): Promise<RuntimeStatus> {
    this.#purging ??= this.#parts.models.purge().finally(() => (this.#purging = undefined))
    const isPurged = await endsWithin(this.#purging, statusPatienceMs)
    const { capacity, concurrentLoads, version } = this.#parts
    return {
      status: isPurged ? 'READY' : 'STARTING',
      capacityInBytes: capacity.capacityInBytes,
      maxLoadingConcurrency: concurrentLoads,
      modelLoadingTimeoutMs: capacity.modelLoadingTimeoutMs,
      defaultModelSizeInBytes: capacity.defaultModelSizeInBytes,
      runtimeVersion: capacity.runtimeVersion ?? version,
      methodInfos,
      limitModelConcurrency: capacity.perModelConcurrency !== undefined,
    }
  }
}
