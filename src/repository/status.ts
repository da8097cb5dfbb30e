/** What can be known of a model without running it. */
import type { ModelRef } from '../core/inference.ts'
import type { ModelMetadata, TensorMetadata } from '../core/model.ts'
import type { SchedulingOptions, SchedulingSnapshot } from '../core/scheduling.ts'

export type ModelState = 'unloaded' | 'loading' | 'ready' | 'unloading' | 'failed'

export interface ModelStatus {
  readonly ref: Required<ModelRef>
  readonly state: ModelState
  /** Why it failed, or what it waits for. */
  readonly reason?: string
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
  /** Its answers are kept and given again to equal requests. */
  readonly isCached?: boolean
}
