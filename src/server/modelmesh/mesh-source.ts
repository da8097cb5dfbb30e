/** Whether a server is asked for the metrics of ModelMesh, and where they come from. */
import type { ModelRepository } from '../../repository/model-repository.ts'
import type { MeshCounts } from '../../telemetry/mesh-counts.ts'
import type { MeshSource } from '../../telemetry/mesh-metrics.ts'
import type { ServeConfig } from '../config.ts'
import { capacityOf, memoryLimit } from './capacity.ts'

/** True for a runtime of a mesh, and for what stands in for one. */
export function isMesh({ modelMesh, modelMeshApi }: Pick<ServeConfig, 'modelMesh' | 'modelMeshApi'>): boolean {
  return modelMesh !== undefined || modelMeshApi !== undefined
}

/** @throws InferenceError `invalid_argument` for memory that is too little */
export function meshSourceOf(
  counts: MeshCounts,
  { memoryBudget }: Pick<ServeConfig, 'memoryBudget'>,
  repository: ModelRepository,
  misses: MeshSource['misses'],
): MeshSource {
  const { capacityInBytes } = capacityOf({ memoryBudget, environment: process.env, memoryLimit: memoryLimit() })
  const measured = (): number => repository.list().reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)
  return { counts, misses, capacityBytes: capacityInBytes, usedBytes: () => repository.memory?.usedBytes ?? measured() }
}
