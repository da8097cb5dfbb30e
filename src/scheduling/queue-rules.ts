/** Priority levels and their queue policies, with all defaults filled in. */
import type { QueuePolicy, SchedulingOptions, TimeoutAction } from '../core/scheduling.ts'

/** The rules of one level. */
export interface LevelRules {
  readonly timeoutAction: TimeoutAction
  /** Infinity: no limit. */
  readonly timeoutMs: number
  readonly allowTimeoutOverride: boolean
  /** Infinity: as many as the model's queue holds. */
  readonly maxQueueSize: number
}

export class QueueRules {
  /** Index 0 is served first. */
  readonly levels: readonly LevelRules[]
  readonly #default: number

  constructor(options: SchedulingOptions) {
    const count = Math.max(1, options.priorityLevels ?? 0)
    this.levels = Array.from({ length: count }, (_, index) =>
      rulesOf(options.queuePolicies?.get(index + 1) ?? options.queuePolicy ?? {}),
    )
    this.#default = Math.min(count, Math.max(1, options.defaultPriority ?? Math.ceil(count / 2))) - 1
  }

  /** Places in the line: each level, and behind it those of the level whose time is over. */
  get places(): number {
    return this.levels.length * 2
  }

  /** @param level its index */
  placeOf(level: number): number {
    return level * 2
  }

  /** The rules at a place. */
  levelAt(place: number): LevelRules | undefined {
    return this.levels[place >> 1]
  }

  placeBehind(place: number): number {
    return place | 1
  }

  /** Index of the level of a request. As in Triton, a priority that there is not counts as none. */
  levelOf(priority: number | undefined): number {
    if (priority === undefined || priority < 1 || priority > this.levels.length) return this.#default
    return Math.floor(priority) - 1
  }
}

/**
 * Longest wait of a request, in milliseconds. As in Triton its own limit counts where the level allows it, has a limit,
 * and that is longer.
 *
 * @param ownMs the limit that it brings along; Infinity where it brings none
 */
export function timeoutOf(rules: LevelRules, ownMs: number): number {
  return rules.allowTimeoutOverride && rules.timeoutMs !== Infinity ? Math.min(rules.timeoutMs, ownMs) : rules.timeoutMs
}

function rulesOf(policy: QueuePolicy): LevelRules {
  return {
    timeoutAction: policy.timeoutAction ?? 'reject',
    timeoutMs: orInfinity(policy.defaultTimeoutMs),
    allowTimeoutOverride: policy.allowTimeoutOverride ?? false,
    maxQueueSize: orInfinity(policy.maxQueueSize),
  }
}

function orInfinity(limit: number | undefined): number {
  return limit === undefined || limit === 0 ? Infinity : limit
}
