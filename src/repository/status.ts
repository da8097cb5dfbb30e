/** What can be known of a model without running it. */
import type { ModelRef } from '../core/inference.ts'
import type { ModelMetadata, TensorMetadata } from '../core/model.ts'
import type { SchedulingOptions, SchedulingSnapshot } from '../core/scheduling.ts'
import type { TritonConfig } from './triton/config-schema.ts'

export type ModelState = 'unloaded' | 'loading' | 'ready' | 'unloading' | 'failed'

/** Why a model that answers is not loaded: nobody asked for it, or others needed the memory. The next request loads it. */
export type StandbyReason = 'idle' | 'memory'
export const standbyReasons: readonly StandbyReason[] = ['idle', 'memory']

export interface ModelStatus {
  readonly ref: Required<ModelRef>
  /** Whose version it is, where several revisions can serve the name. */
  readonly revision?: string
  readonly state: ModelState
  /** Why it failed, what it waits for, or why it is in standby. */
  readonly reason?: string
  /** Present where the weights are not loaded although the model is ready. */
  readonly standby?: StandbyReason
  /** How often it went into standby, where it did. */
  readonly standbys?: Readonly<Record<StandbyReason, number>>
  readonly runtime: string
  readonly memoryBytes: number
  /** Milliseconds that the load took; absent until it ended. */
  readonly loadMs?: number
  /** Present while ready. */
  readonly metadata?: ServedMetadata
  /** What the scheduler of the loaded instance knows at the moment of asking; counts begin with the load. */
  readonly scheduling?: () => SchedulingSnapshot
}

/** Metadata as callers see it: the signature outside the hooks, and the versions that are ready. */
export interface ServedMetadata extends ModelMetadata {
  readonly ref: Required<ModelRef>
  /** Ready versions, oldest first. */
  readonly versions: readonly string[]
  readonly inputs: readonly TensorMetadata[]
  readonly outputs: readonly TensorMetadata[]
  readonly hasExplainer: boolean
  /** Most rows of one request; 0 where it is not known that the first dimension is a batch. */
  readonly maxBatchSize: number
  /** Names of the classes, by the output whose last dimension they number. */
  readonly labels?: ReadonlyMap<string, readonly string[]>
  /** How its requests wait, as it was configured. */
  readonly scheduling?: SchedulingOptions
  /** V2 gRPC requests need no decoding for it. */
  readonly takesRaw?: boolean
  /** Its answers are kept and given again to equal requests. */
  readonly isCached?: boolean
  /** As its `config.pbtxt` has it. */
  readonly config?: TritonConfig
}
