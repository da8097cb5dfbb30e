/** Between load and first caller: what a model's settings say about its preparation. */
import { stat } from 'node:fs/promises'
import type { Log } from '../core/log.ts'
import type { Model, ModelSpec } from '../core/model.ts'
import type { Preparing } from '../repository/load-model.ts'
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
  const print = await printOf(spec)
  const before = prepared.get(spec)
  const preparation = await prepare(
    model,
    {
      name: ref.name,
      maxRows: maxBatchSize ?? mostRows,
      requests,
      budgetMs: Math.min(mostBudgetMs, Math.max(leastBudgetMs, budgetOfAllMs / models)),
      ...(scheduling?.batching === undefined ? {} : { batching: scheduling.batching }),
      ...(typeof runUs === 'number' ? { knownRunMs: runUs / 1000 } : {}),
      known: print !== undefined && before?.print === print ? before.preparation : undefined,
    },
    log,
    signal,
  )
  if (print !== undefined) prepared.set(spec, { print, preparation })
  return preparation
}

/** What was found at the last load of a model that comes and goes. */
const prepared = new WeakMap<ModelSpec, { readonly print: string; readonly preparation: Preparation }>()

/** Another one as soon as the file is another one; undefined for models that are no single file. */
async function printOf({ file }: ModelSpec): Promise<string | undefined> {
  const stats = file === undefined ? undefined : await stat(file).catch(() => undefined)
  return stats && [stats.dev, stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs].join(' ')
}
