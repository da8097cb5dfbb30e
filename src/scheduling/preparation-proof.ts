/** The proof that requests may share a run: two different rows give together, in either order, what each gives alone. */
import { messageOf } from '../core/errors.ts'
import type { TensorMetadata } from '../core/model.ts'
import { variedRow, type Variety } from '../core/sample-inputs.ts'
import type { Tensor } from '../core/tensor.ts'
import { areAlike, differenceOf, haveEqualForm, rowOf, stack } from './preparation-rows.ts'
import type { PreparationRuns } from './preparation-runs.ts'

/** Two rows that a model has taken. */
export interface Pair {
  readonly rows: readonly [readonly Tensor[], readonly Tensor[]]
  /** What each gave alone, where that is to be compared with what more rows give. */
  readonly outputs?: readonly [readonly Tensor[], readonly Tensor[]]
  /** Milliseconds of the last run of one. */
  readonly runMs: number
}

export interface Proof {
  readonly isProved: boolean
  readonly reason: string
  /** Absent where the model took no rows. */
  readonly pair?: Pair
}

export interface ProofOptions {
  readonly inputs: readonly TensorMetadata[]
  /** Inputs that somebody gave for warming up: rows of theirs are tried first. */
  readonly given: readonly (readonly Tensor[])[]
  /** `one` and `pair` only look for one row, or two, that the model takes. */
  readonly kind: 'one' | 'pair' | 'proof'
}

type Rows = Pair['rows']

/** A model this slow is not run more often than the proof needs. */
const slowMs = 500
/** Nor is it proved at all, lest it take minutes to load: more rows take longer still. */
export const tooSlowMs = 2500

/** Rows that are tried beside the first, and the milliseconds that may go into that. */
const otherRows = [1, 2, 3, 4, 5, 6]
const searchMs = 20

const digits: Variety = { integers: [1, 2, 0], texts: ['1', '2', '0'], least: -1, most: 1, isTypical: true }
/** What a model may take, by preference; indices may not go beyond 1, or free dimensions belong together. */
const attempts: readonly Variety[] = [
  digits,
  { ...digits, integers: [0, 1] },
  { ...digits, isTypical: false },
  { ...digits, integers: [0, 1], isTypical: false },
]
/** For models that cannot tell small numbers apart: decision trees, rounding, classes of words. */
const wider: readonly Partial<Variety>[] = [
  { least: 0, most: 10, texts: ['a', 'b', 'c'] },
  { least: -100, most: 300, texts: ['yes', 'no', ''] },
]

/**
 * Runs rows alone and together.
 *
 * @throws InferenceError only where the signal of the runs has fired
 */
export async function proveBatchability(runs: PreparationRuns, options: ProofOptions): Promise<Proof> {
  const found = await findPair(runs, options)
  if (typeof found === 'string') return { isProved: false, reason: found }
  const { pair } = found
  if (options.kind !== 'proof') return { isProved: false, reason: '', pair }
  if (pair.runMs > tooSlowMs) return { isProved: false, reason: tooSlowReason(pair.runMs), pair }
  const failure = await disproof(runs, pair)
  if (failure !== undefined) return { isProved: false, reason: failure, pair }
  return found.isTelling
    ? { isProved: true, reason: 'rows give the same together as alone', pair }
    : { isProved: false, reason: 'different rows give equal outputs, which proves nothing', pair }
}

export function tooSlowReason(runMs: number): string {
  return `a run takes ${(runMs / 1000).toFixed(1)} s, too long to prove at load that rows do not see each other`
}

interface FoundPair {
  readonly pair: Pair
  /** The rows have different outputs. */
  readonly isTelling: boolean
}

/** @returns the first pair that the model takes and tells apart, else one that it takes, else why there is none */
async function findPair(runs: PreparationRuns, options: ProofOptions): Promise<FoundPair | string> {
  let refusal = 'its inputs are too large to be made up'
  const given = givenRows(options)
  let found = given && (await tryRows(runs, given[0], [given[1]], options))
  if (typeof found === 'object' && isEnough(found, options)) return found
  for (const variety of attempts) {
    const taken = await tryMade(runs, variety, options)
    if (taken === undefined) continue
    if (typeof taken === 'string') {
      refusal = `it refuses made-up inputs: ${taken}`
      continue
    }
    if (isEnough(taken, options)) return taken
    found = taken
    for (const change of wider) {
      const more = await tryMade(runs, { ...variety, ...change }, options)
      if (typeof more === 'object' && isEnough(more, options)) return more
    }
    return found
  }
  return typeof found === 'object' ? found : refusal
}

function isEnough({ pair, isTelling }: FoundPair, { kind }: ProofOptions): boolean {
  return isTelling || kind !== 'proof' || pair.runMs > slowMs
}

/** @returns why the model refuses a row; undefined where rows would be too large */
async function tryMade(
  runs: PreparationRuns,
  variety: Variety,
  options: ProofOptions,
): Promise<FoundPair | string | undefined> {
  const first = variedRow(options.inputs, 0, variety)
  return first && tryRows(runs, first, others(options.inputs, variety), options)
}

/** Made one by one: they may be large. */
function* others(inputs: readonly TensorMetadata[], variety: Variety): Generator<readonly Tensor[]> {
  for (const number of otherRows) {
    const row = variedRow(inputs, number, variety)
    if (row !== undefined) yield row
  }
}

/**
 * Looks for a row that gives another output than the first; a model that takes time is asked for one.
 *
 * @returns why the model refuses a row
 */
async function tryRows(
  runs: PreparationRuns,
  first: readonly Tensor[],
  candidates: Iterable<readonly Tensor[]>,
  { kind }: ProofOptions,
): Promise<FoundPair | string> {
  let refusal = ''
  let found: FoundPair | undefined
  try {
    const alone = await runs.run({ inputs: first }, 1)
    if (kind === 'one' || alone.ms > tooSlowMs) {
      return { pair: { rows: [first, first], runMs: alone.ms }, isTelling: false }
    }
    const until = runs.spentMs + searchMs
    for (const row of candidates) {
      if (found !== undefined && runs.spentMs > until) break
      try {
        const other = await runs.run({ inputs: row }, 1)
        if (kind === 'pair') return { pair: { rows: [first, row], runMs: other.ms }, isTelling: false }
        const outputs = [alone.outputs, other.outputs] as const
        found = { pair: { rows: [first, row], outputs, runMs: other.ms }, isTelling: !areAlike(...outputs) }
        if (found.isTelling) return found
      } catch (reason) {
        runs.throwIfAborted()
        refusal = messageOf(reason)
      }
    }
  } catch (reason) {
    runs.throwIfAborted()
    return messageOf(reason)
  }
  return found ?? refusal
}

/** @returns what shows that rows of one run see each other */
async function disproof(runs: PreparationRuns, { rows: [a, b], outputs, runMs }: Pair): Promise<string | undefined> {
  if (outputs === undefined) return 'the outputs of one row are not known'
  const [alone, other] = outputs
  try {
    const together = await runs.run({ inputs: stack([a, b]) }, 2)
    let difference = differenceOf(together.outputs, [alone, other])
    if (difference === undefined && runMs <= slowMs) {
      const swapped = await runs.run({ inputs: stack([b, a]) }, 2)
      difference = differenceOf(swapped.outputs, [other, alone])
    }
    if (difference === undefined && runMs > slowMs) return undefined
    const again = await runs.run({ inputs: a }, 1)
    return areAlike(again.outputs, alone)
      ? difference
      : 'equal inputs give different outputs: it is random or keeps a state'
  } catch (reason) {
    runs.throwIfAborted()
    return `it refuses two rows: ${messageOf(reason)}`
  }
}

/** Two rows of equal form and different elements; the same one twice where all are equal, or no rows are to be told apart. */
function givenRows({ given, inputs, kind }: ProofOptions): Rows | undefined {
  const [first] = given
  const areRows = inputs.every(({ shape, isAnyRank }) => isAnyRank !== true && shape[0] === -1)
  const row = first && areRows ? rowOf(first, 0) : first
  if (row === undefined) return undefined
  if (kind === 'one') return [row, row]
  for (const request of given) {
    const last = Math.min(...request.map(({ shape }) => shape[0] ?? 0)) - 1
    for (const index of new Set([0, last])) {
      const other = rowOf(request, index)
      if (other !== undefined && haveEqualForm(row, other) && !areAlike(row, other)) return [row, other]
    }
  }
  return [row, row]
}
