/** `scheduling` in `model.yaml`: how requests wait and share runs, by the names that users of other servers know. */
import { z } from 'zod'
import type { QueuePolicy, SchedulingOptions } from '../core/scheduling.ts'

/** Longest delay that makes sense before an answer, in milliseconds: a slip of the unit is told, not served. */
const maxDelayMs = 60_000
const maxPriorityLevels = 1000

const count = z.int().min(0)
const rows = z.int().min(1)

/** Triton's `ModelQueuePolicy`. */
const queuePolicy = z.strictObject({
  timeout_action: z.enum(['REJECT', 'DELAY', 'reject', 'delay']).optional(),
  default_timeout_microseconds: count.optional(),
  allow_timeout_override: z.boolean().optional(),
  max_queue_size: count.optional(),
})

/** The keys of the block; the schema adds what they must not say together. */
const block = z.strictObject({
  batching: z.enum(['auto', 'on', 'off']).optional(),
  max_batch_size: rows.optional(),
  max_queue_size: count.optional(),
  preferred_batch_size: z.union([rows, z.array(rows).min(1)]).optional(),
  /** Triton's name. */
  max_queue_delay_microseconds: count.optional(),
  /** TensorFlow Serving's name. */
  batch_timeout_micros: count.optional(),
  /** MLServer's name, in seconds. */
  max_batch_time: z.number().min(0).optional(),
  slo_ms: z.number().positive().optional(),
  priority_levels: z.int().min(0).max(maxPriorityLevels).optional(),
  default_priority_level: z.int().min(1).optional(),
  default_queue_policy: queuePolicy.optional(),
  priority_queue_policy: z.record(z.string(), queuePolicy).optional(),
})

type Block = z.infer<typeof block>
export type SchedulingYaml = Block

export const schedulingKeys: readonly string[] = Object.keys(block.shape)
export const queuePolicyKeys: readonly string[] = Object.keys(queuePolicy.shape)

/** The names of one delay, and its milliseconds. */
const delays = {
  max_queue_delay_microseconds: (value: number) => value / 1000,
  batch_timeout_micros: (value: number) => value / 1000,
  max_batch_time: (value: number) => value * 1000,
} as const

type DelayKey = keyof typeof delays

export const schedulingSchema = block.superRefine((given, context) => {
  const complain = (key: keyof Block, message: string): void => {
    context.addIssue({ code: 'custom', path: [key], message })
  }
  checkDelays(given, complain)
  checkBatchSizes(given, complain)
  checkPriorities(given, complain)
})

type Complain = (key: keyof Block, message: string) => void

function checkDelays(given: Block, complain: Complain): void {
  const [first, ...others] = delaysOf(given)
  if (first === undefined) return
  for (const [key, ms] of [first, ...others]) {
    if (ms > maxDelayMs) complain(key, `${ms} ms is longer than any request waits; at most ${maxDelayMs} ms`)
  }
  for (const [key, ms] of others) {
    if (ms !== first[1]) complain(key, `says ${ms} ms where ${first[0]} says ${first[1]} ms; give one of them`)
  }
}

function checkBatchSizes(given: Block, complain: Complain): void {
  const { max_batch_size: most } = given
  const tooLarge = sizesOf(given)?.find((size) => most !== undefined && size > most)
  if (tooLarge !== undefined) complain('preferred_batch_size', `${tooLarge} is above max_batch_size ${most}`)
}

function checkPriorities(given: Block, complain: Complain): void {
  const { priority_levels: levels = 0, default_priority_level: usual } = given
  if (usual !== undefined && usual > levels) {
    complain('default_priority_level', `${usual} is none of the levels; priority_levels is ${levels}`)
  }
  for (const level of Object.keys(given.priority_queue_policy ?? {})) {
    if (!/^[1-9]\d*$/.test(level)) complain('priority_queue_policy', `a level is an integer from 1, got '${level}'`)
    else if (Number(level) > levels) {
      complain('priority_queue_policy', `${level} is none of the levels; priority_levels is ${levels}`)
    }
  }
}

function delaysOf(given: Block): readonly (readonly [DelayKey, number])[] {
  const found: [DelayKey, number][] = []
  for (const key of ['max_queue_delay_microseconds', 'batch_timeout_micros', 'max_batch_time'] as const) {
    const value = given[key]
    if (value !== undefined) found.push([key, delays[key](value)])
  }
  return found
}

function sizesOf({ preferred_batch_size: sizes }: Block): readonly number[] | undefined {
  return typeof sizes === 'number' ? [sizes] : sizes
}

/** What a block says, over what holds for every model. Its two limits, rows and queue, are the model's own. */
export function schedulingOptions(yaml: SchedulingYaml, defaults: SchedulingOptions = {}): SchedulingOptions {
  const delay = delaysOf(yaml)[0]?.[1]
  const sizes = sizesOf(yaml)
  const policies = Object.entries(yaml.priority_queue_policy ?? {})
  const policy = yaml.default_queue_policy
  return {
    ...defaults,
    ...(yaml.batching === undefined ? {} : { batching: yaml.batching }),
    ...(sizes === undefined ? {} : { preferredBatchSizes: sizes.toSorted((left, right) => left - right) }),
    ...(delay === undefined ? {} : { maxQueueDelayMs: delay }),
    ...(yaml.slo_ms === undefined ? {} : { sloMs: yaml.slo_ms }),
    ...(yaml.priority_levels === undefined ? {} : { priorityLevels: yaml.priority_levels }),
    ...(yaml.default_priority_level === undefined ? {} : { defaultPriority: yaml.default_priority_level }),
    ...(policy === undefined ? {} : { queuePolicy: policyOf(policy) }),
    ...(policies.length === 0
      ? {}
      : { queuePolicies: new Map(policies.map(([level, own]) => [Number(level), policyOf(own)])) }),
  }
}

function policyOf(yaml: z.infer<typeof queuePolicy>): QueuePolicy {
  const { timeout_action: action, default_timeout_microseconds: timeout, max_queue_size: size } = yaml
  return {
    ...(action === undefined ? {} : { timeoutAction: action === 'DELAY' || action === 'delay' ? 'delay' : 'reject' }),
    ...(timeout === undefined ? {} : { defaultTimeoutMs: timeout / 1000 }),
    ...(yaml.allow_timeout_override === undefined ? {} : { allowTimeoutOverride: yaml.allow_timeout_override }),
    ...(size === undefined ? {} : { maxQueueSize: size }),
  }
}
