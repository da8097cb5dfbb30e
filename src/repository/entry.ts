/** What the repository holds before a model is loaded: a reference and the way to load it. */
import type { ModelRef } from '../core/inference.ts'
import type { Hooks } from '../core/model.ts'
import type { SchedulingOptions } from '../core/scheduling.ts'
import type { ScheduledModel } from '../scheduling/scheduler.ts'
import type { TritonConfig } from './triton/config-schema.ts'

/** A model and the hooks around it. */
export interface LoadedModel {
  /** Its `predict` is scheduled: it queues, refuses and honours the signal. */
  readonly model: ScheduledModel
  /** `preprocess` runs first to last, `postprocess` last to first. */
  readonly hooks: readonly Hooks[]
  /** How its requests wait, as it was configured. */
  readonly scheduling?: SchedulingOptions
  /** Its answers may be kept and given again. */
  readonly isCached?: boolean
  /** As its `config.pbtxt` has it. */
  readonly config?: TritonConfig
}

export interface ModelEntry {
  readonly ref: Required<ModelRef>
  /** The revision whose versions these are, where several serve one name; unique among all models. */
  readonly revision?: string
  /** Name of the runtime, as tables and metrics show it. */
  readonly runtime: string
  /** Where it comes from: a path, for messages. */
  readonly source?: string
  /** Memory that it will hold, in bytes, as far as can be told before it is loaded. */
  estimateBytes?(): Promise<number>
  /** Stays loaded where others must leave. */
  readonly isPinned?: boolean
  /** Without a request for so long it is unloaded, and loaded again by the next one; never where absent. Milliseconds. */
  readonly idleMs?: number
  /** Came on request: what becomes of it says nothing of the server. */
  readonly isOptional?: boolean
  /** When it counts as used last once it is loaded: so many milliseconds ago. Just now where absent. */
  unusedMs?(): number
  /** @throws InferenceError with the reason that operators and callers read */
  load(signal: AbortSignal): Promise<LoadedModel>
}
