/** What happens to a model between its load and its first caller: warm-up, the proof of its batchability, a measurement. */
import { hasBatchDimension } from '../core/batch-dimension.ts'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Batch, Model } from '../core/model.ts'
import { signatureParameter } from '../core/named-signature.ts'
import type { SchedulingOptions } from '../core/scheduling.ts'
import { proveBatchability, tooSlowMs, tooSlowReason, type Pair } from './preparation-proof.ts'
import type { Preparation } from './preparation-result.ts'
import { differenceOf, stack } from './preparation-rows.ts'
import { PreparationRuns } from './preparation-runs.ts'

/** A request that somebody gave for warming up, as the model takes it. */
export interface WarmUpRequest {
  readonly batch: Batch
  /** Times that it runs. */
  readonly count: number
  /** Where it comes from, for messages: a file and the number of the record. */
  readonly source: string
}

export interface PreparationOptions {
  /** The model's name, for the log. */
  readonly name: string
  readonly batching?: SchedulingOptions['batching']
  /** Most rows of one run. */
  readonly maxRows: number
  /** Run before anything else. Made-up inputs take their place where there are none. */
  readonly requests?: readonly WarmUpRequest[]
  /** Milliseconds that may go into runs which only measure. Default 150. */
  readonly budgetMs?: number
  /** Milliseconds of a run with one row, where the runtime has warmed the model up and measured it. */
  readonly knownRunMs?: number
  /** What an earlier preparation of the same files found: only the given requests run then. */
  readonly known?: Preparation | undefined
  /** Milliseconds; `performance.now` where absent. */
  readonly now?: () => number
}

/** Timed runs of each size after the first: enough for a start, since the scheduler goes on learning. */
const runsOfSize = 2
const defaultBudgetMs = 150
/** A model that its runtime has measured as slower than this is not run once more only to measure it. */
const slowMs = 10

/**
 * Warms a model up, finds out whether requests may share its runs, and measures what runs of 1, 2, 4, … rows take.
 *
 * A model that refuses made-up inputs is prepared all the same: it then runs one request at a time.
 *
 * @throws InferenceError `failed_precondition` where a given warm-up request fails; whatever the signal says
 */
export async function prepare(
  model: Model,
  options: PreparationOptions,
  log: Log,
  signal: AbortSignal,
): Promise<Preparation> {
  if (model.infer !== undefined || model.metadata.isDecoupled === true) {
    return { isBatchable: false, reason: 'the model answers whole requests', samples: [] }
  }
  const runs = new PreparationRuns(model, signal, options.now ?? (() => performance.now()))
  runs.throwIfAborted()
  await runGiven(runs, options.requests ?? [])
  if (options.known !== undefined) return options.known
  const preparation = await decide(model, runs, options)
  const { isBatchable, reason, samples } = preparation
  log.info({ model: options.name, isBatchable, reason, runs: samples.length, ms: Math.round(runs.spentMs) }, 'prepared')
  return preparation
}

async function runGiven(runs: PreparationRuns, requests: readonly WarmUpRequest[]): Promise<void> {
  for (const { batch, count, source } of requests) {
    try {
      for (let time = 0; time < count; time += 1) await runs.run(batch)
    } catch (reason) {
      const { code, message } = InferenceError.from(reason)
      if (code === 'cancelled') throw reason
      throw new InferenceError('failed_precondition', `warm-up request of ${source} failed: ${message}`, {
        cause: reason,
      })
    }
  }
}

async function decide(model: Model, runs: PreparationRuns, options: PreparationOptions): Promise<Preparation> {
  const obstacle = obstacleOf(model, options)
  const { inputs } = model.metadata
  const given = (options.requests ?? [])
    .filter(({ batch }) => batch.parameters?.[signatureParameter] === undefined) // of other signatures: nothing to prove with
    .map(({ batch }) => batch.inputs)
  const kind = obstacle !== undefined ? 'one' : options.batching === 'on' ? 'pair' : 'proof'
  const { knownRunMs = 0 } = options
  if (knownRunMs >= (kind === 'proof' ? tooSlowMs : slowMs) && kind !== 'pair') {
    const reason = obstacle ?? tooSlowReason(knownRunMs)
    return { isBatchable: false, reason, samples: [{ rows: 1, ms: knownRunMs }] }
  }
  const proof = await proveBatchability(runs, { inputs, given, kind })
  const isBatchable = obstacle === undefined && (kind === 'pair' || proof.isProved)
  const reason = obstacle ?? (kind === 'pair' ? 'batching is on in the settings of the model' : proof.reason)
  const { pair } = proof
  if (pair === undefined) return { isBatchable, reason, samples: runs.samples }
  const budgetMs = options.budgetMs ?? defaultBudgetMs
  const refusal = await measure(runs, pair, { budgetMs, maxRows: isBatchable ? options.maxRows : 1 })
  if (refusal !== undefined && kind === 'proof') return { isBatchable: false, reason: refusal, samples: runs.samples }
  return { isBatchable, reason, samples: runs.samples }
}

/** Why no run may hold more than one request, as far as that is known without a run. */
function obstacleOf({ metadata }: Model, { batching, maxRows }: PreparationOptions): string | undefined {
  if (batching === 'off') return 'batching is off in the settings of the model'
  if (maxRows === 1) return 'a run takes one row'
  if (batching === 'on') {
    const fixed = [...metadata.inputs, ...metadata.outputs].find(
      ({ shape, isAnyRank }) => isAnyRank !== true && shape[0] !== -1,
    )
    return (
      fixed && `batching is on in the settings of the model, but the first dimension of '${fixed.name}' is not free`
    )
  }
  if (metadata.inputs.length === 0) return 'the model has no inputs'
  if (hasBatchDimension(metadata)) return undefined
  const { inputs } = metadata
  const isInput = inputs.some(({ shape, isAnyRank }) => isAnyRank === true || shape[0] !== -1)
  const fixed = [...inputs, ...metadata.outputs].find(({ shape, isAnyRank }) => isAnyRank === true || shape[0] !== -1)
  const role = isInput ? 'input' : 'output'
  if (fixed === undefined) return 'the model has no outputs'
  return fixed.isAnyRank === true
    ? `${role} '${fixed.name}' has no known shape`
    : `the first dimension of ${role} '${fixed.name}' is not free`
}

interface Measurement {
  readonly budgetMs: number
  readonly maxRows: number
}

/**
 * Runs 1, 2, 4, … rows while the budget lasts, and looks whether all rows still are what they are alone.
 *
 * @returns what went wrong with many rows
 */
async function measure(runs: PreparationRuns, pair: Pair, measurement: Measurement): Promise<string | undefined> {
  const { budgetMs, maxRows } = measurement
  const end = runs.spentMs + budgetMs
  let lastMs = pair.runMs
  for (let rows = 1; rows <= maxRows; rows *= 2) {
    if (runs.spentMs + lastMs * (rows <= 2 ? 1 : 2) > end) return undefined
    const order = Array.from({ length: rows }, (_, index): 0 | 1 => (index % 2 === 0 ? 0 : 1))
    const inputs = rows === 1 ? pair.rows[0] : stack(order.map((index) => pair.rows[index]))
    try {
      if (rows > 2) {
        const { outputs, ms } = await runs.run({ inputs }, rows)
        lastMs = ms
        const { outputs: singles } = pair
        const alone = singles && order.map((index) => singles[index])
        const difference = alone && differenceOf(outputs, alone)
        if (difference !== undefined) return difference
      }
      for (let time = 0; time < runsOfSize && runs.spentMs + lastMs <= end; time += 1) {
        lastMs = (await runs.run({ inputs }, rows)).ms
      }
    } catch (reason) {
      runs.throwIfAborted()
      return `it refuses ${rows} rows: ${messageOf(reason)}`
    }
  }
  return undefined
}
