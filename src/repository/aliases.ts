/** Other names for models: each leads to one of them, or divides its requests among several by weight. */
import { InferenceError } from '../core/errors.ts'
import type { ModelRef } from '../core/inference.ts'
import { TrafficSplit } from './traffic-split.ts'

export interface AliasTarget {
  readonly model: string
  /** The one that answers where none is named. */
  readonly version?: string
  /** Of the requests, its part in the sum of all weights; at least 0. */
  readonly weight: number
}

export interface Alias {
  readonly name: string
  /** The first is the one whose metadata is told. */
  readonly targets: readonly AliasTarget[]
}

/** Only a change from what is expected is made: from these targets, or from none. */
export type Expected = readonly AliasTarget[] | null

/** Far more than anybody has. */
const [mostAliases, mostTargets] = [100_000, 100]

interface Kept {
  readonly alias: Alias
  readonly split: TrafficSplit<AliasTarget>
}

export class Aliases {
  readonly #byName = new Map<string, Kept>()

  get isEmpty(): boolean {
    return this.#byName.size === 0
  }

  /** In the order in which they were made. */
  get all(): readonly Alias[] {
    return [...this.#byName.values()].map(({ alias }) => alias)
  }

  get(name: string): Alias | undefined {
    return this.#byName.get(name)?.alias
  }

  /**
   * @param expected what it must be now; whatever it is where absent
   * @throws InferenceError `failed_precondition`
   */
  check(name: string, expected?: Expected): void {
    if (expected === undefined) return
    const current = this.get(name)
    const isEqual =
      expected === null || current === undefined
        ? expected === null && current === undefined
        : isSame(expected, current.targets)
    if (isEqual) return
    const is = current === undefined ? 'does not exist' : 'is not as expected'
    throw new InferenceError('failed_precondition', `alias '${name}' ${is}`)
  }

  /**
   * Makes an alias, or changes it from the next request on.
   *
   * @throws InferenceError `invalid_argument` without targets, or where no target has a weight; `resource_exhausted` for too many;
   *   as {@link check}
   */
  set(name: string, targets: readonly AliasTarget[], expected?: Expected): void {
    this.check(name, expected)
    const sum = targets.reduce((total, { weight }) => total + weight, 0)
    if (!(sum > 0 && targets.every(({ weight }) => weight >= 0) && Number.isFinite(sum))) {
      throw new InferenceError('invalid_argument', `alias '${name}': targets need weights of 0 or more, one above 0`)
    }
    if (targets.length > mostTargets || (this.#byName.size >= mostAliases && !this.#byName.has(name))) {
      const text = `alias '${name}': a server has ${mostAliases} aliases at most, and each ${mostTargets} targets`
      throw new InferenceError('resource_exhausted', text)
    }
    const shares = targets.map((target) => ({ target, percent: (target.weight / sum) * 100 }))
    this.#byName.set(name, { alias: { name, targets }, split: new TrafficSplit(shares) })
  }

  /** @returns false where there is none @throws as {@link check} */
  delete(name: string, expected?: Expected): boolean {
    this.check(name, expected)
    return this.#byName.delete(name)
  }

  /**
   * Where the next request for a name goes.
   *
   * @param canAnswer a target that cannot is passed over
   * @returns undefined for what is no alias
   */
  next(name: string, canAnswer: (ref: ModelRef) => boolean): ModelRef | undefined {
    const kept = this.#byName.get(name)
    if (kept === undefined) return undefined
    const target = kept.split.next((each) => canAnswer(refOf(each))) ?? kept.alias.targets[0]
    return target && refOf(target)
  }

  /** Where questions about a name go. */
  first(name: string): ModelRef | undefined {
    const target = this.get(name)?.targets[0]
    return target && refOf(target)
  }
}

function refOf({ model, version }: AliasTarget): ModelRef {
  return version === undefined ? { name: model } : { name: model, version }
}

function isSame(left: readonly AliasTarget[], right: readonly AliasTarget[]): boolean {
  return (
    left.length === right.length &&
    left.every(({ model, version, weight }, index) => {
      const other = right[index]
      return model === other?.model && version === other.version && weight === other.weight
    })
  )
}
