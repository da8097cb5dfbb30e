/** XGBoost's model document (JSON and UBJSON hold the same) as an {@link Ensemble}. */
import { Trees } from './ensemble.ts'
import type { Ensemble } from './ensemble.ts'
import { refused } from './refused.ts'
import { fields, integerOf, list, numberOf, numbers } from './shape.ts'
import type { Fields } from './shape.ts'
import { xgboostObjective } from './xgboost-objective.ts'
import { readTree } from './xgboost-tree.ts'

/** More columns than any request can hold. */
export const mostFeatures = 16_777_216
const mostTargets = 65_536

export interface XgboostOptions {
  /** Trees of all rounds are used, not those up to the best round that early stopping noted. */
  readonly allRounds: boolean
}

/** @throws InferenceError `failed_precondition` naming what is wrong, missing or not supported */
export function readXgboost(document: unknown, { allRounds }: XgboostOptions): Ensemble {
  const learner = fields(fields(document, 'the document')['learner'], 'learner')
  const parameters = fields(learner['learner_model_param'], 'learner_model_param')
  const booster = fields(learner['gradient_booster'], 'gradient_booster')
  const { model, weights } = treesOf(booster)
  const featureCount = integerOf(parameters['num_feature'], 'num_feature', { least: 1, most: mostFeatures })
  const classes = integerOf(parameters['num_class'], 'num_class', { least: 0, most: mostTargets, missing: 0 })
  const outputs = integerOf(parameters['num_target'], 'num_target', { least: 1, most: mostTargets, missing: 1 })
  const targetCount = Math.max(1, classes, outputs)
  const name = fields(learner['objective'], 'objective')['name']
  const objective = xgboostObjective(typeof name === 'string' ? name : String(name))
  const used = usedTrees(learner, model, { allRounds, targetCount })
  return {
    library: 'xgboost',
    datatype: 'FP32',
    comparison: 'LT',
    featureCount,
    targetCount,
    trees: readTrees(model, used, { featureCount, targetCount, ...(weights === undefined ? {} : { weights }) }),
    baseMargins: baseScores(parameters['base_score'], targetCount).map((score) => finite(objective.margin(score))),
    transform: objective.transform,
    isClassifier: objective.isClassifier,
    objective: String(name),
  }
}

/** DART keeps its trees one level deeper, with a weight each. */
function treesOf(booster: Fields): { readonly model: Fields; readonly weights?: ArrayLike<number> } {
  const { name } = booster as { name?: unknown } // any object
  switch (name) {
    case 'gbtree':
      return { model: fields(booster['model'], 'gradient_booster.model') }
    case 'dart': {
      const inner = fields(booster['gbtree'], 'gradient_booster.gbtree')
      const model = fields(inner['model'], 'gradient_booster.gbtree.model')
      return { model, weights: numbers(booster['weight_drop'], 'weight_drop') }
    }
    default:
      throw refused(`booster '${String(name)}' is not supported: only trees are, gbtree and dart`)
  }
}

interface Columns {
  readonly featureCount: number
  readonly targetCount: number
  readonly weights?: ArrayLike<number>
}

function readTrees(model: Fields, used: number, { featureCount, targetCount, weights }: Columns): Trees {
  const documents = list(model['trees'], 'trees')
  const targets = numbers(model['tree_info'], 'tree_info', documents.length)
  if (weights !== undefined && weights.length !== documents.length) {
    throw refused(`weight_drop has ${weights.length} elements for ${documents.length} trees`)
  }
  const trees = new Trees()
  for (const [index, document] of documents.slice(0, used).entries()) {
    const where = `tree_info[${index}]`
    const target = integerOf(targets[index], where, { least: 0, most: targetCount - 1 })
    const place = { tree: index, featureCount, target, weight: weights?.[index] ?? 1 }
    trees.add(readTree(fields(document, `trees[${index}]`), place))
  }
  return trees
}

/** Early stopping notes the best round, counted from 0: as in scikit-learn's interface, later trees are left out. */
function usedTrees(
  learner: Fields,
  model: Fields,
  { allRounds, targetCount }: { readonly allRounds: boolean; readonly targetCount: number },
): number {
  const all = list(model['trees'], 'trees').length
  const declared = fields(model['gbtree_model_param'], 'gbtree_model_param')
  const count = numberOf(declared['num_trees'], 'num_trees', all)
  if (count !== all) throw refused(`it says num_trees ${count} and has ${all} trees`)
  const attributes = learner['attributes'] === undefined ? {} : fields(learner['attributes'], 'attributes')
  const best = attributes['best_iteration']
  if (allRounds || best === undefined) return all
  const round = integerOf(best, 'attributes.best_iteration', { least: 0, most: 2 ** 31 })
  if (model['iteration_indptr'] !== undefined) {
    const starts = numbers(model['iteration_indptr'], 'iteration_indptr')
    const end = starts[Math.min(round + 1, starts.length - 1)] ?? all
    return Math.min(all, Math.max(0, end))
  }
  const parallel = { least: 1, most: 2 ** 31, missing: 1 }
  return Math.min(
    all,
    (round + 1) * integerOf(declared['num_parallel_tree'], 'num_parallel_tree', parallel) * targetCount,
  )
}

/** `5E-1`, and since XGBoost 3.1 `[5E-1]` with one score for all targets or one for each. */
function baseScores(value: unknown, targetCount: number): readonly number[] {
  const text = typeof value === 'string' ? value.trim() : value
  const parts = typeof text === 'string' && text.startsWith('[') ? text.replace(/^\[|\]$/g, '').split(',') : [text]
  const scores = parts.map((part) => numberOf(part, 'base_score', 0.5))
  if (scores.length !== 1 && scores.length !== targetCount) {
    throw refused(`base_score has ${scores.length} values for ${targetCount} targets`)
  }
  return Array.from({ length: targetCount }, (_, target) => scores[scores.length === 1 ? 0 : target] ?? 0.5)
}

function finite(margin: number): number {
  if (Number.isFinite(margin)) return margin
  throw refused('base_score lies outside of what its objective can predict')
}
