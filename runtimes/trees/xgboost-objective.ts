/** XGBoost's objectives: what becomes of the sums, and how `base_score` becomes a margin. */
import type { Transform } from './ensemble.ts'
import { refused } from './refused.ts'

export interface XgboostObjective {
  readonly transform: Transform
  /** Inverse of the transform, for `base_score`, which files hold as a prediction. */
  readonly margin: (score: number) => number
  readonly isClassifier: boolean
}

const same = (score: number): number => score
const logit = (score: number): number => -Math.log(1 / score - 1)
const identity: Transform = { kind: 'identity' }
const sigmoid: Transform = { kind: 'sigmoid', slope: 1 }
const exp: Transform = { kind: 'exp' }

const plain: XgboostObjective = { transform: identity, margin: same, isClassifier: false }
const logistic: XgboostObjective = { transform: sigmoid, margin: logit, isClassifier: false }
const logLink: XgboostObjective = { transform: exp, margin: Math.log, isClassifier: false }

const objectives: ReadonlyMap<string, XgboostObjective> = new Map(
  Object.entries<XgboostObjective>({
    'reg:squarederror': plain,
    'reg:linear': plain,
    'reg:squaredlogerror': plain,
    'reg:pseudohubererror': plain,
    'reg:absoluteerror': plain,
    'reg:quantileerror': plain,
    'reg:logistic': logistic,
    'reg:gamma': logLink,
    'reg:tweedie': logLink,
    'count:poisson': logLink,
    'survival:cox': logLink,
    'survival:aft': logLink,
    'binary:logistic': { ...logistic, isClassifier: true },
    'binary:logitraw': plain,
    'binary:hinge': { ...plain, transform: { kind: 'hinge' } },
    'multi:softmax': { ...plain, transform: { kind: 'argmax' }, isClassifier: true },
    'multi:softprob': { ...plain, transform: { kind: 'softmax' }, isClassifier: true },
    'rank:pairwise': plain,
    'rank:ndcg': plain,
    'rank:map': plain,
  }),
)

/** @throws InferenceError `failed_precondition` listing the objectives that are served */
export function xgboostObjective(name: string): XgboostObjective {
  const objective = objectives.get(name)
  if (objective !== undefined) return objective
  throw refused(`objective '${name}' of XGBoost is not supported: there are ${[...objectives.keys()].join(', ')}`)
}
