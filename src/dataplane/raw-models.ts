/** Which models take V2 gRPC requests as they came. */
import type { Repository } from '../repository/repository.ts'
import type { ModelStatus } from '../repository/status.ts'

/** Their names, kept up to date for as long as the repository lives. */
export function rawModelsOf(repository: Repository): ReadonlySet<string> {
  const names = new Set<string>()
  const look = ({ ref, metadata }: ModelStatus): void => {
    if (metadata?.takesRaw === true) names.add(ref.name)
  }
  for (const status of repository.list()) look(status)
  repository.onChange(look)
  return names
}
