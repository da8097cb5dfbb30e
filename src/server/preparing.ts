/** Between load and first caller: what a model's settings say about its preparation. */
import type { Log } from '../core/log.ts'
import type { Model, ModelSpec } from '../core/model.ts'
import type { Preparing } from '../repository/load-model.ts'
import { fileFacts } from '../runtime/file-print.ts'
import { prepare } from '../scheduling/preparation.ts'
import type { Preparation } from '../scheduling/preparation-result.ts'

/** Rows of the longest run where no limit is set, as the scheduler has it. */
const mostRows = 128
/** Milliseconds of measuring for all models of a server together, when they load at its start. */
const budgetOfAllMs = 3000
const mostBudgetMs = 150
const leastBudgetMs = 10

/**
 * Warms a loaded model up and finds out whether its requests may share runs.
 *
 * @param models that load together: each measures for its share of a few seconds
 * @throws InferenceError where a given warm-up request fails; what the signal says once it has fired
 */
export async function prepareBySpec(
  model: Model,
  spec: ModelSpec,
  { requests, signal }: Preparing,
  { log, models }: { readonly log: Log; readonly models: number },
): Promise<Preparation> {
  const { ref, scheduling, maxBatchSize } = spec
  const runUs = model.metadata.parameters?.['run_us']
  const key = await keyOf(model, spec)
  const preparation = await prepare(
    model,
    {
      name: ref.name,
      maxRows: maxBatchSize ?? mostRows,
      requests,
      budgetMs: Math.min(mostBudgetMs, Math.max(leastBudgetMs, budgetOfAllMs / models)),
      ...(scheduling?.batching === undefined ? {} : { batching: scheduling.batching }),
      ...(typeof runUs === 'number' ? { knownRunMs: runUs / 1000 } : {}),
      known: key === undefined ? undefined : prepared.get(key),
    },
    log,
    signal,
  )
  if (key !== undefined) keep(key, preparation)
  return preparation
}

/** What was found before of the files that were loaded last, by all that it depends on. */
const prepared = new Map<string, Preparation>()
/** A few hundred bytes each. */
const mostPrepared = 10_000

/** Undefined for models that are no single file. */
async function keyOf({ metadata, print: known }: Model, spec: ModelSpec): Promise<string | undefined> {
  const { file, device, placement, instances, maxBatchSize, scheduling, options } = spec
  const print = known ?? (file === undefined ? undefined : (await fileFacts(file))?.print)
  const settings = [device, placement, instances, maxBatchSize, scheduling?.batching, options]
  return print === undefined ? undefined : JSON.stringify([print, metadata.platform, settings])
}

function keep(key: string, preparation: Preparation): void {
  prepared.delete(key)
  prepared.set(key, preparation)
  const [oldest] = prepared.keys()
  if (prepared.size > mostPrepared && oldest !== undefined) prepared.delete(oldest)
}
