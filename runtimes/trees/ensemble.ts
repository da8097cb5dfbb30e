/** Trees of any library as one list of branches and leaves, the form that ONNX's TreeEnsembleRegressor takes. */
import { refused } from './refused.ts'

/** What becomes of the sums of the leaves. Slopes are those of LightGBM's `sigmoid:` */
export type Transform =
  | { readonly kind: 'identity' }
  | { readonly kind: 'sigmoid'; readonly slope: number }
  | { readonly kind: 'exp' }
  | { readonly kind: 'softplus' }
  | { readonly kind: 'signed-square' }
  | { readonly kind: 'hinge' }
  | { readonly kind: 'softmax' }
  | { readonly kind: 'argmax' }

/** A model, checked, without anything of its file's form. */
export interface Ensemble {
  readonly library: 'xgboost' | 'lightgbm'
  /** Of features and thresholds. */
  readonly datatype: 'FP32' | 'FP64'
  /** How a feature is compared to a threshold for the true branch: less, or less or equal. */
  readonly comparison: 'LT' | 'LEQ'
  readonly featureCount: number
  /** Sums of leaves per row: 1, or as many as there are classes or targets. */
  readonly targetCount: number
  readonly trees: Trees
  /** Added to each sum; one per target. */
  readonly baseMargins: readonly number[]
  readonly transform: Transform
  /** Has classes, whose probabilities can be asked for. */
  readonly isClassifier: boolean
  readonly objective: string
}

/** A feature falls between two of ascending thresholds; the sides alternate, beginning below the first. */
export interface Split {
  readonly feature: number
  readonly thresholds: readonly number[]
  readonly first: Side
  /** Where a missing value goes. */
  readonly missing: Side
}

export type Side = 'left' | 'right'

/** Nodes by position in their file: what the reader of a library's trees gives. */
export interface TreeSource {
  readonly root: number
  readonly nodeCount: number
  /** The target that its leaves add to. */
  readonly target: number
  /** A leaf's value, or undefined for a branch. */
  leaf(node: number): number | undefined
  split(node: number): Split
  children(node: number): Readonly<Record<Side, number>>
}

/** onnxruntime walks a tree by recursion when it loads it: a deeper one would overflow the stack of its thread. */
export const deepestTree = 4096
/** An ONNX file ends at 2 GB; a node takes about 30 bytes. */
const mostNodes = 50_000_000

/** One entry per node of ONNX, leaves included. */
export class Trees {
  readonly treeIds: number[] = []
  readonly nodeIds: number[] = []
  readonly featureIds: number[] = []
  /** Threshold of a branch, value of a leaf. */
  readonly values: number[] = []
  readonly isLeaf: boolean[] = []
  readonly trueIds: number[] = []
  readonly falseIds: number[] = []
  readonly missingIsTrue: boolean[] = []
  /** Target per leaf, 0 for branches. */
  readonly targets: number[] = []
  treeCount = 0

  /**
   * Adds one tree. A split with several thresholds becomes a chain of branches that share their targets.
   *
   * @throws InferenceError `failed_precondition` for children that are no tree, or too deep
   */
  add(source: TreeSource): void {
    const tree = this.treeCount
    this.treeCount += 1
    /** Where a node of the file begins among this tree's nodes. */
    const ids = new Map<number, number>()
    const pending: { readonly node: number; readonly depth: number }[] = [{ node: source.root, depth: 1 }]
    const order: Placed[] = []
    let next = 0
    for (let step = pending.pop(); step !== undefined; step = pending.pop()) {
      const { node, depth } = step
      if (node < 0 || node >= source.nodeCount) {
        throw refused(`tree ${tree}: node ${node} is none of its ${source.nodeCount} nodes`)
      }
      if (ids.has(node)) throw refused(`tree ${tree}: node ${node} is the child of two nodes, or of itself`)
      ids.set(node, next)
      const leaf = source.leaf(node)
      const split = leaf === undefined ? source.split(node) : undefined
      const length = split?.thresholds.length ?? 1
      order.push({ node, split })
      next += length
      if (depth + length > deepestTree) throw refused(`tree ${tree} is deeper than ${deepestTree} levels`)
      if (this.values.length + next > mostNodes) throw refused(`it has more than ${mostNodes} nodes`)
      if (split === undefined) continue
      const { left, right } = source.children(node)
      pending.push({ node: right, depth: depth + length }, { node: left, depth: depth + length })
    }
    for (const placed of order) this.#addNode(tree, placed, source, ids)
  }

  #addNode(tree: number, { node, split }: Placed, source: TreeSource, ids: ReadonlyMap<number, number>): void {
    const id = ids.get(node) ?? 0
    if (split === undefined) {
      this.#push({ tree, id, feature: 0, value: source.leaf(node) ?? 0, target: source.target })
      return
    }
    const { feature, thresholds, first, missing } = split
    const children = source.children(node)
    const sides: readonly Side[] = first === 'left' ? ['left', 'right'] : ['right', 'left']
    const side = (index: number): Side => sides[index % 2] ?? 'left'
    const missingIndex = missing === first ? 0 : 1
    for (const [index, value] of thresholds.entries()) {
      const isLast = index === thresholds.length - 1
      this.#push({
        tree,
        id: id + index,
        feature,
        value,
        branch: {
          whenTrue: ids.get(children[side(index)]) ?? 0,
          whenFalse: isLast ? (ids.get(children[side(index + 1)]) ?? 0) : id + index + 1,
          missingIsTrue: index === missingIndex,
        },
      })
    }
  }

  #push({ tree, id, feature, value, branch, target = 0 }: TreeNode): void {
    this.treeIds.push(tree)
    this.nodeIds.push(id)
    this.featureIds.push(feature)
    this.values.push(value)
    this.isLeaf.push(branch === undefined)
    this.trueIds.push(branch?.whenTrue ?? 0)
    this.falseIds.push(branch?.whenFalse ?? 0)
    this.missingIsTrue.push(branch?.missingIsTrue ?? false)
    this.targets.push(target)
  }
}

/** A node of the file whose place is known; a leaf has no split. */
interface Placed {
  readonly node: number
  readonly split: Split | undefined
}

interface TreeNode {
  readonly tree: number
  readonly id: number
  readonly feature: number
  readonly value: number
  readonly branch?: { readonly whenTrue: number; readonly whenFalse: number; readonly missingIsTrue: boolean }
  readonly target?: number
}
