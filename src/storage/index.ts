/** The door of this room: a model's URI becomes a path. */
export { defaultCacheDirectory } from './cache-paths.ts'
export { fetchModel, type FetchedModel, type FetchOptions } from './fetch-model.ts'
export { isUri, pathInClaim, shownUri } from './location.ts'
export type { FilePatterns } from './patterns.ts'
export type { Progress } from './progress.ts'
export { storageOf, type SpecifiedStorage, type StorageSpec } from './storage-spec.ts'
