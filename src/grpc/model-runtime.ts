/** What `mmesh.ModelRuntime` asks of a server, and what it is told: the messages of proto/mmesh/model-runtime.proto as values. */

/** A model that the mesh wants here. */
export interface MeshModel {
  readonly modelId: string
  readonly modelType: string
  readonly modelPath: string
  /** JSON. */
  readonly modelKey: string
}

export interface LoadedSize {
  readonly sizeInBytes: number
  /** Requests that it can use at once, at least 1. */
  readonly maxConcurrency: number
}

export interface RuntimeStatus {
  readonly status: 'STARTING' | 'READY' | 'FAILING'
  readonly capacityInBytes: number
  readonly maxLoadingConcurrency: number
  readonly modelLoadingTimeoutMs: number
  readonly defaultModelSizeInBytes: number
  readonly runtimeVersion: string
  /** By `package.Service/Method` the numbers of the fields that lead to the name of the model. */
  readonly methodInfos: Readonly<Record<string, { readonly idInjectionPath: readonly number[] }>>
  readonly limitModelConcurrency: boolean
}

/** The models that a mesh loads here, as this door sees them. */
export interface MeshRuntime {
  /**
   * Returns once the model serves requests.
   *
   * @param signal of the caller: once it fires the model is not loaded, nor will it be
   * @throws InferenceError `invalid_argument` or `failed_precondition` where nothing was tried to load, any other code where it was
   */
  load(model: MeshModel, signal: AbortSignal): Promise<LoadedSize>
  /** Returns once its memory is free; at once for a model that is not here. */
  unload(modelId: string): Promise<void>
  /** In bytes, at once. */
  predictSize(model: MeshModel): Promise<number>
  /** In bytes. @throws InferenceError `not_found` where it is not loaded */
  size(modelId: string): number
  /** Unloads every model that the mesh has loaded; until that is done the status is STARTING. */
  status(): Promise<RuntimeStatus>
}
