/** What a start loads, and what waits for its first request. */
import type { ModelRepository } from '../repository/model-repository.ts'
import type { ModelStatus } from '../repository/status.ts'
import type { ServeConfig } from './config.ts'
import type { ServedModelSource } from './models.ts'

export interface LoadParts {
  readonly repository: ModelRepository
  readonly config: Pick<ServeConfig, 'load' | 'memoryBudget'>
  readonly signal: AbortSignal
}

/**
 * Loads or registers every model. A failed load does not throw: its status says why.
 *
 * @param unloaded names of models that callers have unloaded: they are known, and not loaded
 */
export function loadModels(
  sources: readonly ServedModelSource[],
  unloaded: ReadonlySet<string>,
  { repository, config: { load, memoryBudget }, signal }: LoadParts,
): Promise<readonly ModelStatus[]> {
  const isLazy = load === 'lazy' || (load === 'auto' && memoryBudget !== undefined)
  return Promise.all(
    sources.map(async ({ ref, entry }) => {
      // Of what has no estimate nothing could be found out: the load tells why.
      const isWanted = !isLazy || entry.isPinned === true || entry.estimateBytes === undefined
      if (unloaded.has(ref.name)) await repository.unload(ref)
      else if (isWanted) return repository.load(entry, signal)
      else repository.register(entry)
      return repository.status(ref)
    }),
  )
}
