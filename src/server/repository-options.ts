/** What the settings of a server say about the memory of its models. */
import type { RepositoryOptions } from '../repository/model-repository.ts'
import type { ServeConfig } from './config.ts'

type Settings = Pick<ServeConfig, 'maxQueueSize' | 'memoryBudget' | 'churnSeconds' | 'failureSeconds'>

/** @param missed told how many milliseconds a request waited for a load */
export function repositoryOptions(config: Settings, missed: (ms: number) => void): RepositoryOptions {
  const { maxQueueSize, memoryBudget, churnSeconds, failureSeconds } = config
  return {
    maxWaiting: maxQueueSize,
    ...(memoryBudget === undefined ? {} : { budget: { bytes: memoryBudget, minAgeMs: churnSeconds * 1000 } }),
    ...(failureSeconds === undefined ? {} : { failureMs: failureSeconds * 1000 }),
    missed: (_, ms) => missed(ms),
  }
}
