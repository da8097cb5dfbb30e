/** Conditions as Kubernetes has them: each with the time of its last change of status. */

export type ConditionStatus = 'True' | 'False' | 'Unknown'

/** How a condition is now. */
export interface Condition {
  readonly type: string
  readonly status: ConditionStatus
  readonly reason?: string
  readonly message?: string
  /** `Info` where it has no part in `Ready`. */
  readonly severity?: 'Info'
}

export interface TimedCondition extends Condition {
  /** RFC 3339, whole seconds. */
  readonly lastTransitionTime: string
}

/** Remembers since when each condition of one object is as it is. */
export class ConditionTimes {
  readonly #known = new Map<string, { readonly status: ConditionStatus; readonly since: string }>()

  stamp(conditions: readonly Condition[], nowMs: number): readonly TimedCondition[] {
    return conditions.map((condition) => {
      const { type, status } = condition
      const known = this.#known.get(type)
      const since = known?.status === status ? known.since : timeOf(nowMs)
      this.#known.set(type, { status, since })
      return { lastTransitionTime: since, ...condition }
    })
  }
}

/** `2026-01-31T12:00:00Z` */
export function timeOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}
