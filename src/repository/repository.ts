/** Which models there are, in which state, and the lease that keeps one loaded while it works. */
import type { ModelRef } from '../core/inference.ts'
import type { LoadedModel, ModelEntry } from './entry.ts'
import type { ModelStatus, ServedMetadata } from './status.ts'

/** A ready model, leased: it is not unloaded while the lease is held. */
export interface ModelHandle extends LoadedModel {
  readonly ref: Required<ModelRef>
  /** Whose version it is, where several revisions can serve the name. */
  readonly revision?: string
  /** Signature outside the hooks. */
  readonly served: ServedMetadata
}

/** The interface that the doors' side sees; implemented by `ModelRepository`. */
export interface Repository {
  /**
   * Runs `work` with a lease on the model.
   * @throws InferenceError `not_found` or `unavailable`, in KServe's words
   */
  use<T>(ref: ModelRef, work: (model: ModelHandle) => Promise<T>): Promise<T>
  /** @throws InferenceError `not_found`, or `unavailable` while not ready */
  metadata(ref: ModelRef): ServedMetadata
  /** The same where it is known, undefined where it is not. */
  peek(ref: ModelRef): ServedMetadata | undefined
  /** Returns where a call would be taken. @throws InferenceError as `metadata`, but not for what its first request loads */
  check(ref: ModelRef): void
  /**
   * Has a model loaded that answers and was never loaded, for who needs its metadata.
   * @returns undefined where nothing is to be waited for; rejects with the reason that callers read
   */
  wake(ref: ModelRef): Promise<void> | undefined
  /** @throws InferenceError `not_found` */
  status(ref: ModelRef): ModelStatus
  /** The model behind another name for it; the same where it is its own. */
  named?(ref: ModelRef): ModelRef
  list(): readonly ModelStatus[]
  /** True where every model that was asked for is ready. */
  readonly isReady: boolean
  /**
   * Loads or reloads a model. A failed load does not throw: the status says `failed`, or, where an older instance goes on
   * serving, `ready`; either way with the `reason`, which a load that worked clears.
   */
  load(entry: ModelEntry, signal?: AbortSignal): Promise<ModelStatus>
  /**
   * Drains and closes one version, or every version where none is named.
   * @throws InferenceError `not_found`
   */
  unload(ref: ModelRef): Promise<void>
  /** Tells of every change of state, after it happened. @returns ends the telling */
  onChange(listener: (status: ModelStatus) => void): () => void
  /** Drains and closes every model; nothing loads afterwards. */
  close(): Promise<void>
}
