/** Replicas and the batcher of a predictor, as sessions and as the queue of a model. */
import type { SchedulingOptions } from '../core/scheduling.ts'
import type { DocumentComplaints } from './complaints.ts'
import type { Predictor } from './schemas.ts'

/** The most that a model may have. */
const mostSessions = 64

/** Sessions that run at once, one for each replica; undefined where the runtime shall choose. */
export function sessionsOf(
  { minReplicas, maxReplicas }: Predictor,
  complaints: DocumentComplaints,
): number | undefined {
  if (maxReplicas !== undefined && maxReplicas > 0 && (minReplicas ?? 1) > maxReplicas) {
    complaints.error(['spec', 'predictor', 'maxReplicas'], 'MaxReplicas cannot be less than MinReplicas.')
  }
  if (minReplicas === undefined || minReplicas < 2) return maxReplicas === 1 ? 1 : undefined
  if (minReplicas > mostSessions) {
    complaints.warn(['spec', 'predictor', 'minReplicas'], `a model has at most ${mostSessions} sessions in one server`)
  }
  return Math.min(minReplicas, mostSessions)
}

/**
 * What `batcher` asks of the queue. Requests share runs only where that was proved not to change answers; nobody waits where
 * `maxLatency` is not given, while KServe's batcher holds a lone request for 5 s.
 */
export function schedulingOf({ batcher }: Predictor): SchedulingOptions | undefined {
  if (batcher === undefined) return undefined
  const { maxBatchSize, maxLatency } = batcher
  return {
    ...(maxBatchSize === undefined ? {} : { preferredBatchSizes: [maxBatchSize] }),
    ...(maxLatency === undefined ? {} : { maxQueueDelayMs: maxLatency }),
  }
}
