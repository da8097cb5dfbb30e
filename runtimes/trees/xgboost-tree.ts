/** One tree of XGBoost's model document. */
import { runsOf } from './categories.ts'
import type { Side, Split, TreeSource } from './ensemble.ts'
import { refused } from './refused.ts'
import { integerOf, fields, numbers } from './shape.ts'
import type { Fields, Numbers } from './shape.ts'

/** Where a tree stands among the others. */
export interface TreePlace {
  readonly tree: number
  readonly featureCount: number
  readonly target: number
  /** Of DART, 1 for others. */
  readonly weight: number
}

/** Categories are whole numbers that a float can hold: larger ones are in no set. */
const mostCategory = 16_777_216
const mostNodes = 2 ** 31 - 1
const categorical = 1

/** @throws InferenceError `failed_precondition` naming the tree and the list that is wrong */
export function readTree(tree: Fields, place: TreePlace): TreeSource {
  const where = (name: string): string => `trees[${place.tree}].${name}`
  const parameters = fields(tree['tree_param'], where('tree_param'))
  const leafSize = integerOf(parameters['size_leaf_vector'], where('size_leaf_vector'), {
    least: 0,
    most: mostNodes,
    missing: 0,
  })
  if (leafSize > 1) {
    throw refused(`trees with vectors in their leaves (multi_strategy 'multi_output_tree') are not supported`)
  }
  const left = numbers(tree['left_children'], where('left_children'))
  const count = left.length
  const declared = integerOf(parameters['num_nodes'], where('num_nodes'), { least: 1, most: mostNodes, missing: count })
  if (declared !== count) throw refused(`${where('num_nodes')} is ${declared}, and left_children has ${count}`)
  const right = numbers(tree['right_children'], where('right_children'), count)
  const features = numbers(tree['split_indices'], where('split_indices'), count)
  const conditions = numbers(tree['split_conditions'], where('split_conditions'), count)
  const defaults = numbers(tree['default_left'], where('default_left'), count)
  const types = tree['split_type'] === undefined ? undefined : numbers(tree['split_type'], where('split_type'), count)
  const sets = categoriesOf(tree, where, count)

  const split = (node: number): Split => {
    const feature = integerOf(features[node], where(`split_indices[${node}]`), {
      least: 0,
      most: place.featureCount - 1,
    })
    const missing: Side = Number(defaults[node]) === 0 ? 'right' : 'left'
    if (Number(types?.[node] ?? 0) !== categorical) {
      return { feature, thresholds: [conditions[node] ?? 0], first: 'left', missing }
    }
    const set = sets.get(node)
    if (set === undefined) throw refused(`${where(`split_type[${node}]`)} is categorical, and no categories are given`)
    return { feature, thresholds: set, first: 'left', missing }
  }
  return {
    root: 0,
    nodeCount: count,
    target: place.target,
    leaf: (node) => (left[node] === -1 ? (conditions[node] ?? 0) * place.weight : undefined),
    split,
    children: (node) => ({ left: left[node] ?? -1, right: right[node] ?? -1 }),
  }
}

/** Thresholds between the categories that go left and those that go right, by node: `categories` lists those that go right. */
function categoriesOf(
  tree: Fields,
  where: (name: string) => string,
  count: number,
): ReadonlyMap<number, readonly number[]> {
  if (tree['categories_nodes'] === undefined) return new Map()
  const nodes = numbers(tree['categories_nodes'], where('categories_nodes'))
  const starts = numbers(tree['categories_segments'], where('categories_segments'), nodes.length)
  const sizes = numbers(tree['categories_sizes'], where('categories_sizes'), nodes.length)
  const categories = numbers(tree['categories'], where('categories'))
  const sets = new Map<number, readonly number[]>()
  let total = 0
  for (let index = 0; index < nodes.length; index += 1) {
    const node = integerOf(nodes[index], where(`categories_nodes[${index}]`), { least: 0, most: count - 1 })
    const start = integerOf(starts[index], where(`categories_segments[${index}]`), {
      least: 0,
      most: categories.length,
    })
    const size = integerOf(sizes[index], where(`categories_sizes[${index}]`), {
      least: 0,
      most: categories.length - start,
    })
    total += size
    if (total > categories.length)
      throw refused(`${where('categories_sizes')} add up to more than there are categories`)
    const set = Array.from({ length: size }, (_, position) => categoryAt(categories, start + position, where))
    sets.set(node, thresholdsOf(set))
  }
  return sets
}

function categoryAt(categories: Numbers, index: number, where: (name: string) => string): number {
  return integerOf(categories[index], where(`categories[${index}]`), { least: 0, most: mostCategory })
}

/** A value below the first threshold goes left; [a, b + 1) of each run of categories goes right. */
function thresholdsOf(categories: readonly number[]): readonly number[] {
  const thresholds = runsOf(categories).flatMap(({ first, last }) => [first, Math.min(last + 1, mostCategory)])
  return thresholds.length === 0 ? [-Infinity, -Infinity] : thresholds
}
