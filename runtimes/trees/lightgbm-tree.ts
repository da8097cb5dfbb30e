/** One tree of a LightGBM text. */
import { runsOf } from './categories.ts'
import type { Side, Split, TreeSource } from './ensemble.ts'
import { previous } from './float-steps.ts'
import { numbersIn } from './lightgbm-text.ts'
import type { Section } from './lightgbm-text.ts'
import { refused } from './refused.ts'
import { integerOf } from './shape.ts'

/** Where a tree stands among the others, and what its leaves are multiplied by. */
export interface TreePlace {
  readonly tree: number
  readonly featureCount: number
  readonly target: number
  readonly scale: number
}

/** LightGBM takes values up to here for zero. */
const zero = 1.0000000180025095e-35
const mostLeaves = 16_777_216
/** Bits of `decision_type`, and what its bits 2 and 3 say is missing. */
const categoricalBit = 1
const defaultLeftBit = 2
const missingZero = 1
const missingNan = 2

/** @throws InferenceError `failed_precondition` naming the tree and the list that is wrong */
export function readTree(section: Section, place: TreePlace): TreeSource {
  const where = `Tree=${place.tree}`
  const leaves = integerOf(section.get('num_leaves'), `${where}.num_leaves`, { least: 1, most: mostLeaves })
  if (section.get('is_linear') !== undefined && section.get('is_linear') !== '0') {
    throw refused(`${where}: linear trees (linear_tree=true) are not supported`)
  }
  const leafValues = numbersIn(section, 'leaf_value', where, leaves)
  const inner = leaves - 1
  const child = (side: Side): Float64Array => numbersIn(section, `${side}_child`, where, inner)
  const children = inner === 0 ? undefined : { left: child('left'), right: child('right') }
  const splits = inner === 0 ? undefined : splitsOf(section, where, { ...place, inner })
  /** Branches first, then leaves: -1 is the first leaf. */
  const position = (index: number | undefined): number => {
    if (index === undefined || !Number.isInteger(index)) return -1
    if (index >= 0) return index < inner ? index : -1
    return inner - index - 1
  }
  return {
    root: 0,
    nodeCount: inner + leaves,
    target: place.target,
    leaf: (node) => (node < inner ? undefined : (leafValues[node - inner] ?? 0) * place.scale),
    split: (node) => splits?.(node) ?? { feature: 0, thresholds: [0], first: 'left', missing: 'left' },
    children: (node) => ({ left: position(children?.left[node]), right: position(children?.right[node]) }),
  }
}

function splitsOf(
  section: Section,
  where: string,
  { inner, featureCount }: { readonly inner: number; readonly featureCount: number },
): (node: number) => Split {
  const features = numbersIn(section, 'split_feature', where, inner)
  const thresholds = numbersIn(section, 'threshold', where, inner)
  const decisions = numbersIn(section, 'decision_type', where, inner)
  const sets = categorySets(section, where)
  return (node) => {
    const feature = integerOf(features[node], `${where}.split_feature[${node}]`, { least: 0, most: featureCount - 1 })
    const decision = integerOf(decisions[node], `${where}.decision_type[${node}]`, { least: 0, most: 15 })
    const threshold = thresholds[node] ?? 0
    if ((decision & categoricalBit) !== 0)
      return { feature, ...categoricalSplit(sets, threshold, `${where}.threshold[${node}]`) }
    return { feature, ...numericalSplit(threshold, decision) }
  }
}

/** The library takes all values from -zero to zero for 0 before it compares: they fall on the side of 0 together. */
function besideZero(threshold: number): number {
  if (threshold >= 0) return Math.max(threshold, zero)
  return threshold >= -zero ? previous(-zero) : threshold
}

/** NaN counts as 0 where it is not what is missing. */
function numericalSplit(written: number, decision: number): Omit<Split, 'feature'> {
  const threshold = besideZero(written)
  const byDefault: Side = (decision & defaultLeftBit) === 0 ? 'right' : 'left'
  const missingType = decision >> 2
  if (missingType === missingNan) return { thresholds: [threshold], first: 'left', missing: byDefault }
  if (missingType !== missingZero) {
    return { thresholds: [threshold], first: 'left', missing: threshold >= 0 ? 'left' : 'right' }
  }
  return zeroSplit(threshold, byDefault)
}

/** What lies between -zero and zero goes to the default side, whatever the threshold says. */
function zeroSplit(threshold: number, byDefault: Side): Omit<Split, 'feature'> {
  const below = previous(-zero)
  const chain = (...thresholds: readonly number[]): Omit<Split, 'feature'> => {
    return { thresholds, first: 'left', missing: byDefault }
  }
  if (byDefault === 'left') {
    if (threshold >= zero) return chain(threshold)
    return threshold >= below ? chain(zero) : chain(threshold, below, zero)
  }
  if (threshold <= below) return chain(threshold)
  return threshold <= zero ? chain(below) : chain(below, zero, threshold)
}

/** Values are cut to whole numbers, hence (-1, 1) is category 0; below, and missing, is in no set. Sets go left. */
function categoricalSplit(sets: readonly CategorySet[], index: number, where: string): Omit<Split, 'feature'> {
  const set = sets[integerOf(index, where, { least: 0, most: sets.length - 1 })]
  if (set === undefined || set.isUsed) throw refused(`${where}: a set of categories belongs to one node`)
  set.isUsed = true
  const thresholds = runsOf(categoriesIn(set.words)).flatMap(({ first, last }) => [
    first === 0 ? -1 : previous(first),
    previous(last + 1),
  ])
  return { thresholds: thresholds.length === 0 ? [-Infinity, -Infinity] : thresholds, first: 'right', missing: 'right' }
}

/** A bit per category; of one node only, so that a small file cannot ask for many. */
interface CategorySet {
  readonly words: Float64Array
  isUsed: boolean
}

function categorySets(section: Section, where: string): readonly CategorySet[] {
  const count = integerOf(section.get('num_cat') ?? '0', `${where}.num_cat`, { least: 0, most: mostLeaves })
  if (count === 0) return []
  const boundaries = numbersIn(section, 'cat_boundaries', where, count + 1)
  const total = boundaries[count] ?? 0
  integerOf(total, `${where}.cat_boundaries[${count}]`, { least: 0, most: 2 ** 31 })
  const words = numbersIn(section, 'cat_threshold', where, total)
  return Array.from({ length: count }, (_, index) => {
    const start = boundaries[index] ?? 0
    const end = boundaries[index + 1] ?? 0
    if (!(Number.isInteger(start) && start >= 0 && start <= end && end <= total)) {
      throw refused(`${where}.cat_boundaries must ascend; ${start} and ${end} stand at ${index}`)
    }
    return { words: words.subarray(start, end), isUsed: false }
  })
}

function categoriesIn(words: Float64Array): readonly number[] {
  const categories: number[] = []
  for (const [index, word] of words.entries()) {
    for (let bit = 0; bit < 32; bit += 1) if (((word >>> bit) & 1) === 1) categories.push(index * 32 + bit)
  }
  return categories
}
