/** What `mmesh.ModelMesh` asks of a server, and what it is told: the messages of proto/mmesh/model-mesh.proto as values. */
import type { MeshNames } from './model-mesh-headers.ts'

/** What ModelMesh knows of a model beside its id: texts for who loads it. */
export interface MeshModelInfo {
  readonly type: string
  readonly path: string
  readonly key: string
}

export interface RegisterModel {
  readonly modelId: string
  readonly modelInfo: MeshModelInfo
  readonly loadNow: boolean
  readonly sync: boolean
  /** Milliseconds since 1970; 0 where the server chooses. */
  readonly lastUsedTime: number
}

export interface EnsureLoaded {
  readonly modelId: string
  /** Milliseconds since 1970; 0 for now. */
  readonly lastUsedTime: number
  readonly sync: boolean
}

export interface SetVModel {
  readonly vModelId: string
  readonly targetModelId: string
  readonly updateOnly: boolean
  /** Absent where the target must be known. */
  readonly modelInfo?: MeshModelInfo
  readonly autoDeleteTargetModel: boolean
  readonly loadNow: boolean
  readonly force: boolean
  readonly sync: boolean
  readonly expectedTargetModelId?: string
  readonly owner?: string
}

/** A vmodel; one of another owner is not found. */
export interface VModelName {
  readonly vModelId: string
  readonly owner?: string
}

export type MeshModelState = 'NOT_FOUND' | 'NOT_LOADED' | 'LOADING' | 'LOADED' | 'LOADING_FAILED' | 'UNKNOWN'

export interface MeshModelStatus {
  readonly status: MeshModelState
  readonly errors: readonly string[]
  readonly modelCopyInfos: readonly {
    readonly location: string
    readonly copyStatus: MeshModelState
    /** Of the last change, in milliseconds since 1970. */
    readonly time: number
  }[]
}

export interface VModelStatus {
  readonly status: 'NOT_FOUND' | 'DEFINED' | 'TRANSITIONING' | 'TRANSITION_FAILED' | 'UNKNOWN'
  readonly activeModelId?: string
  readonly targetModelId?: string
  readonly activeModelStatus?: MeshModelStatus
  /** Only while the target is another model than the active one. */
  readonly targetModelStatus?: MeshModelStatus
  readonly owner?: string
}

/** The models of a mesh as this door sees them. The signal of who waits for a load ends the wait, not the load. */
export interface MeshControl extends MeshNames {
  /** @throws InferenceError `invalid_argument` without a type; `already_exists` for other attributes than it has */
  registerModel(request: RegisterModel, signal: AbortSignal): Promise<MeshModelStatus>
  /** @throws InferenceError `failed_precondition` while a vmodel leads to it */
  unregisterModel(modelId: string): Promise<void>
  getModelStatus(modelId: string): MeshModelStatus
  /** @throws InferenceError `not_found` */
  ensureLoaded(request: EnsureLoaded, signal: AbortSignal): Promise<MeshModelStatus>
  /** @throws InferenceError with what keeps it from being set, in ModelMesh's words */
  setVModel(request: SetVModel, signal: AbortSignal): Promise<VModelStatus>
  deleteVModel(vmodel: VModelName): Promise<void>
  getVModelStatus(vmodel: VModelName): VModelStatus
}
