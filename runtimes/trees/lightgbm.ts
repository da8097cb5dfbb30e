/** LightGBM's text model as an {@link Ensemble}. Features are doubles, as in the library. */
import { Trees } from './ensemble.ts'
import type { Ensemble, Transform } from './ensemble.ts'
import { parseLightgbm } from './lightgbm-text.ts'
import type { Section } from './lightgbm-text.ts'
import { readTree } from './lightgbm-tree.ts'
import { refused } from './refused.ts'
import { integerOf, numberOf } from './shape.ts'
import { mostFeatures } from './xgboost.ts'

const mostTargets = 65_536

/** @throws InferenceError `failed_precondition` naming what is wrong, missing or not supported */
export function readLightgbm(text: string): Ensemble {
  const { head, trees: sections } = parseLightgbm(text)
  const featureCount =
    integerOf(head.get('max_feature_idx'), 'max_feature_idx', { least: 0, most: mostFeatures - 1 }) + 1
  const targetCount = integerOf(head.get('num_tree_per_iteration'), 'num_tree_per_iteration', {
    least: 1,
    most: mostTargets,
    missing: 1,
  })
  if (sections.length % targetCount !== 0) {
    throw refused(`it is cut short: ${sections.length} trees are no multiple of ${targetCount} trees an iteration`)
  }
  // A random forest averages its iterations.
  const scale = head.has('average_output') ? targetCount / Math.max(1, sections.length) : 1
  const trees = new Trees()
  for (const [tree, section] of sections.entries()) {
    trees.add(readTree(section, { tree, featureCount, target: tree % targetCount, scale }))
  }
  const objective = objectiveOf(head, targetCount)
  return {
    library: 'lightgbm',
    datatype: 'FP64',
    comparison: 'LEQ',
    featureCount,
    targetCount,
    trees,
    baseMargins: Array.from({ length: targetCount }, () => 0),
    ...objective,
  }
}

const identity: Transform = { kind: 'identity' }
const exp: Transform = { kind: 'exp' }

const transforms: ReadonlyMap<string, (options: Section) => Transform> = new Map(
  Object.entries<(options: Section) => Transform>({
    regression: (options) => (options.has('sqrt') ? { kind: 'signed-square' } : identity),
    regression_l1: () => identity,
    huber: () => identity,
    fair: () => identity,
    quantile: () => identity,
    mape: () => identity,
    poisson: () => exp,
    gamma: () => exp,
    tweedie: () => exp,
    binary: (options) => sigmoid(options),
    multiclass: () => ({ kind: 'softmax' }),
    multiclassova: (options) => sigmoid(options),
    cross_entropy: () => ({ kind: 'sigmoid', slope: 1 }),
    cross_entropy_lambda: () => ({ kind: 'softplus' }),
    lambdarank: () => identity,
    rank_xendcg: () => identity,
    custom: () => identity,
    none: () => identity,
  }),
)

const classifiers: ReadonlySet<string> = new Set(['binary', 'multiclass', 'multiclassova'])

/** `objective=binary sigmoid:1`: a name, and options with or without a value. */
function objectiveOf(head: Section, targetCount: number): Pick<Ensemble, 'transform' | 'isClassifier' | 'objective'> {
  const [name = 'none', ...rest] = (head.get('objective') ?? 'none').split(' ').filter((part) => part !== '')
  const transform = transforms.get(name)
  if (transform === undefined) {
    const known = [...transforms.keys()].join(', ')
    throw refused(`objective '${name}' of LightGBM is not supported: there are ${known}`)
  }
  const options = new Map(rest.map((option) => [option.split(':')[0] ?? '', option.split(':')[1] ?? '']))
  const classes = options.get('num_class')
  if (classes !== undefined && Number(classes) !== targetCount) {
    throw refused(`objective '${name}' has ${classes} classes, and num_tree_per_iteration is ${targetCount}`)
  }
  return { transform: transform(options), isClassifier: classifiers.has(name), objective: name }
}

function sigmoid(options: Section): Transform {
  return { kind: 'sigmoid', slope: numberOf(options.get('sigmoid'), 'objective sigmoid', 1) }
}
