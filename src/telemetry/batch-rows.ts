/** The runs of a model by their rows, as a histogram shows them. */
import type { BatchCount } from '../core/scheduling.ts'
import { Observations } from './observations.ts'

export const batchRowBounds: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]

export function batchRowsOf(batches: readonly BatchCount[]): Observations {
  const observations = new Observations(batchRowBounds)
  for (const { rows, executions } of batches) observations.observe(rows, executions)
  return observations
}
